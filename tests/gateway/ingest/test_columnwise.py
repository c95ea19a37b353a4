"""Rows taken a column at a time become what they become one by one, wherever a block begins and ends."""

import io
from collections.abc import Collection
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.canonical import Contact, DuplicatePolicy, Outcome
from gateway.ingest import Intake, Normaliser, Rejected, Suppressed, collect, open_csv, spool, table
from gateway.ingest.columns import map_columns
from gateway.ingest.columnwise import usual_contacts
from gateway.ingest.source import CsvBlock

COLUMNS = (
    *("phone", "id", "first_name", "last_name", "company", "email", "language", "time_zone", "priority", "tag"),
    *("plan", "city"),
)
GOOD = {
    "phone": ["+5511999990001", " +5511999990002 ", "(11) 99999-0003", "+442079460958"],
    "email": ["", "a@b.example"],
    "language": ["", "pt-BR"],
    "time_zone": ["", "America/Sao_Paulo"],
    "priority": ["", "0", "7.0"],
}
OTHER = [
    "",
    " ",
    "x",
    "Ana Silva",
    "ç",
    "\x01",
    "\t",
    "\u200b",
    "\ud800",
    "12",
    "-1",
    "9999999999",
    "a@b",
    "x" * 201,
    "y" * 2001,
]


good = st.tuples(*(st.sampled_from(GOOD.get(name, ["", "Ana", "Acme SA"])) for name in COLUMNS)).map(list)
changes = st.dictionaries(st.integers(0, len(COLUMNS) - 1), st.sampled_from(OTHER), max_size=2)
rows = st.builds(lambda row, others: [others.get(at, cell) for at, cell in enumerate(row)], good, changes)
ragged = rows.flatmap(lambda row: st.sampled_from([row, row, row, [*row, ""], [*row, " ", "x"], row[:-1]]))


@settings(max_examples=400, deadline=None)
@given(cells=st.lists(ragged, min_size=1, max_size=6), region=st.sampled_from(["BR", None]))
@example(cells=[["+5511999990001", *[""] * 11]], region=None)
@example(
    cells=[["+5511999990001", *[""] * 7, number, *[""] * 3] for number in ("2147483647", "2147483648")], region=None
)
def test_every_row_is_taken_as_if_it_stood_alone(cells: list[list[str]], region: str | None) -> None:
    texts = ["".join(row) for row in cells]
    plain = all(text.isprintable() for text in texts)
    block = CsvBlock(map_columns(COLUMNS, None), list(range(2, len(cells) + 2)), cells, plain, max(map(len, texts)))
    normaliser = Normaliser(region)
    slowly = [normaliser._from_cells(row) for row in block]
    assert normaliser.take_all(block) == slowly
    assert [normaliser.take(row) for row in block] == slowly
    for usual, wanted in zip(usual_contacts(block, region), slowly, strict=True):
        assert usual is None or usual == wanted


@pytest.mark.parametrize("wide", [101, 3])
def test_what_a_contact_may_not_have_is_not_usual(wide: int) -> None:
    """Each of these alone leaves the row to the model."""
    names = ("phone", "email", *(f"a{number}" for number in range(wide)))
    layout = map_columns(names, None)
    row = ["+5511999990001", "a@b.example", *["v"] * wide]
    cases = [row, ["12", *row[1:]], [row[0], "none", *row[2:]], [*row[:2], "v" * 2001, *row[3:]], row[:-1], [*row, "x"]]
    block = CsvBlock(layout, list(range(len(cases))), cases, True, 5_000)
    found = [one is not None for one in usual_contacts(block, None)]
    assert found == [wide == 3, False, False, False, False, False]


class Some(Suppressed):
    """Whoever's number ends so."""

    def __init__(self, end: str) -> None:
        self._end = end

    def among(self, phones: Collection[str]) -> Collection[str]:
        return {phone for phone in phones if phone.endswith(self._end)}


kinds = st.lists(st.sampled_from(["new", "new", "new", "bad", "again", "barred", "same id"]), max_size=24)


@settings(max_examples=200, deadline=None)
@given(kinds=kinds, block=st.integers(1, 5), spooled=st.integers(1, 5), policy=st.sampled_from(DuplicatePolicy))
def test_every_row_comes_in_its_order_with_its_outcome(
    kinds: list[str], block: int, spooled: int, policy: DuplicatePolicy
) -> None:
    lines = ["phone,id"]
    for place, kind in enumerate(kinds):
        phone = {"bad": "12", "again": "+5511999990000", "barred": f"+55119888{place:04}7"}.get(
            kind, f"+5511999{place:04}99"
        )
        lines.append(f"{phone},{'A' if kind == 'same id' else f'N{place}'}")
    content = "\n".join([*lines, ""]).encode()

    def taken() -> Intake | None:
        if not kinds:
            return None
        return collect(open_csv(io.BytesIO(content)), Normaliser(None), policy, Some("7"))

    def told(intake: Intake | None) -> list[tuple[Outcome, int, str]]:
        rows = [] if intake is None else list(intake.rows())
        return [(outcome, one.row, one.key if isinstance(one, Contact) else "") for outcome, one in rows]

    whole = told(taken())
    with mock.patch.object(table, "MOST_ROWS", block), mock.patch.object(spool, "BLOCK", spooled):
        intake = taken()
        assert told(intake) == told(intake) == whole
        if intake is not None:
            pending = [one for outcome, one in intake.rows() if outcome is Outcome.PENDING]
            assert list(intake.contacts()) == pending
            assert all(items for _, items in intake.runs())
            assert intake.profile().count == len(pending)
    assert [row for _, row, _ in whole] == list(range(2, len(kinds) + 2))
    for (outcome, _, _), kind in zip(whole, kinds, strict=True):
        assert (outcome is Outcome.REJECTED) == (kind == "bad")
        assert (outcome is Outcome.SUPPRESSED) == (kind == "barred")
    duplicates = sum(outcome is Outcome.DUPLICATE for outcome, _, _ in whole)
    assert duplicates == (0 if policy is DuplicatePolicy.KEEP_ALL else max(kinds.count("again") - 1, 0))


def test_a_rejected_row_behind_all_others_is_told_last() -> None:
    intake = collect(
        open_csv(io.BytesIO(b"phone\n+5511999990001\n12\n13\n")), Normaliser(None), DuplicatePolicy.KEEP_ALL
    )
    assert [(outcome, one.row) for outcome, one in intake.rows()] == [
        (Outcome.PENDING, 2),
        (Outcome.REJECTED, 3),
        (Outcome.REJECTED, 4),
    ]
    assert all(isinstance(one, Rejected) for outcome, one in intake.rows() if outcome is Outcome.REJECTED)
