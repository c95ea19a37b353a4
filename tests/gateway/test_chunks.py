"""Contacts in chunks against a model of one entry a contact: counts, pages and look-ups agree after any sequence."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.canonical import Contact, Counts, ListHead, Outcome, Profile
from gateway.canonical.faults import fault
from gateway.ingest import Rejected
from gateway.store import chunk_writing, chunks, lists, schema
from gateway.store.chunks import Mark, Place
from gateway.store.database import Database, new_id
from tests.gateway.conftest import new_database

SIZE = 4
"""Contacts of a chunk in these tests: a handful of contacts are several chunks."""
FAULT = fault("vendor.refused")
REFUSED = Place("dl_a", rest=Mark(Outcome.REJECTED, by_vendor=True))
"""Of contacts that an adapter refuses: each has its own mark."""
PLACES = [
    Place(rest=Mark(Outcome.REJECTED), is_row=True),
    Place(rest=Mark(Outcome.DUPLICATE)),
    Place(rest=Mark(Outcome.SUPPRESSED)),
    REFUSED,
    *(Place(delivery, part, batch) for delivery in ("dl_a", "dl_b") for part in (1, 2) for batch in (1, 2)),
]
MARKS = [
    Mark(Outcome.ACCEPTED),
    Mark(Outcome.ACCEPTED, "r-1"),
    Mark(Outcome.REJECTED, None, (FAULT,), "refused", True),
    Mark(Outcome.REJECTED, None, (FAULT,)),
    Mark(Outcome.UNKNOWN, detail="nobody knows"),
    Mark(Outcome.PENDING),
]
RESTS = [mark for mark in MARKS if mark.remote_id is None]


class Known(NamedTuple):
    """A contact of the model."""

    place: Place
    mark: Mark
    phone: str


@dataclass
class Model:
    """What the database must say of one list."""

    list_id: str
    people: dict[int, Known] = field(default_factory=dict)
    next_seq: int = 1

    def of(self, place: Place, wide: int) -> list[int]:
        """The seqs of a delivery (`wide` 0), a part of it (1) or a batch (2)."""
        size = (1, 2, 3)[wide]
        return [seq for seq, one in self.people.items() if one.place[:size] == place[:size]]

    def become(self, seqs: list[int], mark: Mark) -> None:
        self.people |= {seq: self.people[seq]._replace(mark=mark) for seq in seqs}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{Path(tmp_path_factory.mktemp('chunks')) / 'chunks.db'}"
    else:
        url = new_database(request.getfixturevalue("postgresql"))
    one = Database(url)
    one.call(schema.metadata.create_all)
    yield one
    one._threads.shutdown()
    one.engine.dispose()


def new_list(connection: Connection) -> Model:
    list_id = new_id("cl")
    head = ListHead.model_validate({"name": "Chunks"})
    lists.add_list(connection, list_id, "acme", head, Profile(0), None, staged=False)
    return Model(list_id)


def item(seq: int, is_row: bool) -> Contact | Rejected:
    if is_row:
        return Rejected(row=seq, faults=(FAULT,), cells={"phone": "12"})
    return Contact(row=seq, phone=f"+55{seq}", phone_text=f"{seq}", key=f"k{seq}")


def write(connection: Connection, model: Model, places: list[int], marks: list[int]) -> None:
    """Append a contact to each of these places, some with a mark of their own."""
    writer = chunk_writing.writer(connection, model.list_id, "op_1")
    for number, at in enumerate(places):
        place, seq = PLACES[at], model.next_seq
        chosen = marks[number % len(marks)] if marks else len(MARKS)
        mark = MARKS[chosen] if chosen < len(MARKS) and place.batch is not None else None
        if mark == place.rest:
            mark = None
        if place is REFUSED:
            mark = MARKS[2]
        writer.add(place, item(seq, place.is_row), mark)
        model.people[seq] = Known(place, mark or place.rest, f"+55{seq}")
        model.next_seq += 1
        if number % 3 == 2:
            chunk_writing.write(connection, writer, writer.take())
    writer.finish()
    chunk_writing.write(connection, writer, writer.take())


def settle(connection: Connection, model: Model, at: int, wide: int, was: Outcome, becomes: Mark) -> None:
    if becomes.outcome is was:
        return
    place = PLACES[at]
    seqs = [seq for seq in model.of(place, wide) if model.people[seq].mark.outcome is was]
    number = chunks.settle(connection, chunks.place_in(*_where(place, wide)), was, becomes)
    assert number == len(seqs)
    model.become(seqs, becomes)


def settle_whole(connection: Connection, model: Model, at: int, becomes: Mark) -> None:
    """Where every contact of a batch is as the others of its chunk."""
    place = PLACES[at]
    seqs = model.of(place, 2)
    done = chunks.settle_whole(connection, *_where(place, 2), becomes)
    alike = len({model.people[seq].mark for seq in seqs}) <= 1
    assert done or seqs, "there is nothing that could have a mark"
    if done:
        model.become(seqs, becomes)
    else:
        assert not alike or any(model.people[seq].mark != place.rest for seq in seqs)


def decide(connection: Connection, model: Model, at: int, rest: Mark, of: list[int]) -> None:
    """A receipt that names some contacts."""
    place = PLACES[at]
    named = {f"k{seq}": MARKS[of[seq % len(of)]] for seq in model.of(place, 2) if of and seq % 3}
    where = chunks.place_in(*_where(place, 2))
    for list_id, no in chunks.numbers_of(connection, where):
        chunks.decide(connection, list_id, no, rest, lambda contact: named.get(contact.key))
    for seq in model.of(place, 2):
        if model.people[seq].mark.outcome is not Outcome.SUPPRESSED:
            model.become([seq], named.get(f"k{seq}", rest))


def withhold(connection: Connection, model: Model, at: int, every: int) -> None:
    """Suppress some contacts of a batch."""
    place = PLACES[at]
    for list_id, no in chunks.numbers_of(connection, chunks.place_in(*_where(place, 2))):
        chunk = chunks.load(connection, list_id, no, to_change=True)
        barred = [seq for seq, _ in chunk.items if seq % every == 0]
        chunk.marks |= dict.fromkeys(barred, Mark(Outcome.SUPPRESSED))
        chunks.save(connection, chunk)
        model.become(barred, Mark(Outcome.SUPPRESSED))


def remove(connection: Connection, model: Model, place: int) -> None:
    if model.people:
        seq = sorted(model.people)[place % len(model.people)]
        found = chunks.get_contact(connection, model.list_id, f"ct_{model.list_id.removeprefix('cl_')}_{seq}")
        assert found is not None
        chunks.remove(connection, found)
        del model.people[seq]


def _where(place: Place, wide: int) -> tuple[Any, ...]:
    return place[: (1, 2, 3)[wide]]


places = st.integers(0, len(PLACES) - 1)
batches = st.integers(4, len(PLACES) - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just(write), st.lists(places, min_size=1, max_size=30), st.lists(st.integers(0, 12), max_size=5)),
        st.tuples(st.just(write), st.lists(batches, min_size=1, max_size=30), st.just([])),
        st.tuples(st.just(settle), batches, st.integers(0, 2), st.sampled_from(Outcome), st.sampled_from(RESTS)),
        st.tuples(st.just(settle), batches, st.integers(0, 2), st.just(Outcome.PENDING), st.sampled_from(RESTS)),
        st.tuples(st.just(settle_whole), batches, st.sampled_from(RESTS)),
        st.tuples(st.just(decide), batches, st.sampled_from(RESTS), st.lists(st.integers(0, 5), max_size=4)),
        st.tuples(st.just(withhold), batches, st.integers(1, 4)),
        st.tuples(st.just(remove), st.integers(0, 100)),
    ),
    max_size=9,
)


def expected_counts(people: list[Known]) -> Counts:
    tally = Counter(one.mark.outcome for one in people)
    return Counts.of({outcome.value: tally[outcome] for outcome in Outcome}.items())


def check_counts(connection: Connection, model: Model) -> None:
    total, each, refused = chunks.counts(connection, model.list_id)
    assert total == expected_counts(list(model.people.values()))
    by_delivery: defaultdict[str | None, list[Known]] = defaultdict(list)
    for one in model.people.values():
        by_delivery[one.place.delivery_id].append(one)
    assert each == {name: expected_counts(some) for name, some in by_delivery.items() if name is not None}
    assert refused == {name: sum(one.mark.by_vendor for one in some) for name, some in by_delivery.items()}
    for delivery in by_delivery.keys() - {None}:
        pending: Counter[tuple[int, int]] = Counter()
        for one in by_delivery[delivery]:
            if one.place.part is not None and one.place.batch is not None:
                pending[one.place.part, one.place.batch] += one.mark.outcome is Outcome.PENDING
        found = chunks.batches_of(connection, str(delivery))
        assert found == sorted((part, batch, left) for (part, batch), left in pending.items())


def check_pages(connection: Connection, model: Model, after: int, limit: int) -> None:
    for outcome in (None, *Outcome):
        wanted = [seq for seq, one in sorted(model.people.items()) if outcome in (None, one.mark.outcome)]
        found = chunks.page(connection, model.list_id, outcome, after, limit)
        assert [one.seq for one in found] == [seq for seq in wanted if seq > after][:limit]
        assert [(one.mark, one.place[:3]) for one in found] == [
            (model.people[one.seq].mark, model.people[one.seq].place[:3]) for one in found
        ]
        assert [one.item for one in found] == [item(one.seq, model.people[one.seq].place.is_row) for one in found]
        one_by_one, place = [], 0
        while page := chunks.page(connection, model.list_id, outcome, place, 3):
            one_by_one += [one.seq for one in page]
            place = page[-1].seq
        assert one_by_one == wanted


def check_numbers(connection: Connection, model: Model) -> None:
    """What an append is compared with."""
    aside = (Outcome.REJECTED, Outcome.DUPLICATE, Outcome.SUPPRESSED)
    found = [
        pair
        for no in chunks.taking_part(connection, model.list_id)
        for pair in chunks.numbers(connection, model.list_id, no)
    ]
    taking_part = [(one.phone, f"k{seq}") for seq, one in model.people.items() if one.mark.outcome not in aside]
    assert sorted(found) == sorted(taking_part)


@settings(max_examples=80, deadline=None)
@given(todo=steps, after=st.integers(0, 40), limit=st.integers(1, 50))
def test_any_sequence_of_changes_is_counted_and_paged_as_the_model_says(
    database: Database, todo: list[Any], after: int, limit: int
) -> None:
    def story(connection: Connection) -> None:
        model, other = new_list(connection), new_list(connection)
        write(connection, other, [0, 2], [])
        for act, *details in todo:
            act(connection, model, *details)
            check_counts(connection, model)
        check_pages(connection, model, after, limit)
        check_numbers(connection, model)
        missing = next(seq for seq in range(1, model.next_seq + 1) if seq not in model.people)
        prefix = f"ct_{model.list_id.removeprefix('cl_')}"
        assert chunks.get_contact(connection, model.list_id, f"{prefix}_{missing}") is None
        assert chunks.get_contact(connection, other.list_id, f"{prefix}_1") is None
        check_counts(connection, other)
        chunks.drop(connection, chunks.of_list(model.list_id))
        chunks.drop(connection, chunks.of_list(other.list_id))

    with mock.patch.object(chunks, "SIZE", SIZE):
        database.call(story)


def test_a_contact_id_of_nobody_is_nobody(database: Database) -> None:
    def story(connection: Connection) -> None:
        model = new_list(connection)
        write(connection, model, [4, 5], [])
        own = model.list_id.removeprefix("cl_")
        for seq in ("", "x", "-1", "9999999999", "٢"):
            assert chunks.get_contact(connection, model.list_id, f"ct_{own}_{seq}") is None
        for text in ("", "1", f"ct_{own}", "ct_x_1"):
            assert chunks.get_contact(connection, model.list_id, text) is None
        found = chunks.get_contact(connection, model.list_id, f"ct_{own}_2")
        assert found is not None
        assert (found.seq, found.contact_id, found.item) == (2, f"ct_{own}_2", item(2, False))
        chunks.drop(connection, chunks.of_list(model.list_id))

    database.call(story)


def test_what_an_operation_wrote_can_be_taken_back_alone(database: Database) -> None:
    def story(connection: Connection) -> None:
        model = new_list(connection)
        write(connection, model, [4, 5, 0], [])
        writer = chunk_writing.writer(connection, model.list_id, "op_2")
        writer.add(PLACES[4], item(writer.seq, False))
        writer.finish()
        chunk_writing.write(connection, writer, writer.take())
        assert chunks.counts(connection, model.list_id)[0].received == 4
        chunks.drop(connection, chunks.of_operation(model.list_id, "op_2"))
        check_counts(connection, model)
        assert chunk_writing.writer(connection, model.list_id, "op_3").seq == 5, "no seq is given out twice"
        chunks.drop(connection, chunks.of_list(model.list_id))

    database.call(story)
