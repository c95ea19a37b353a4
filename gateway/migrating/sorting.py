"""Who moves and who does not: one fate for every row of a source list."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gateway.canonical import Contact, Outcome, Profile
from gateway.contract import ActivationKind, AnyAdapter
from gateway.ingest import ProfileBuilder, Suppressed
from gateway.ingest.spool import Spool
from gateway.migrating.documents import LEFT_OUT, Fate, Fates
from gateway.migrating.readings import Found, Reading, digest_of, fields_of, match_of
from gateway.store import chunks
from gateway.store.chunks import Chunk, StoredContact
from gateway.store.database import Database
from gateway.store.moves import BLOCK, Row

Echo = Callable[[Contact], tuple[str, str]]
"""What a vendor shows of a contact that it has: (match, phone)."""
Keep = Callable[[list[Row]], None]
"""Stores a block of rows."""


@dataclass(frozen=True, slots=True)
class Side:
    """A delivery of the source, as far as it decides about fates. `reading` None: the vendor shows no contacts."""

    adapter: AnyAdapter
    activation: str
    reading: Reading | None
    echo: Echo | None

    @property
    def called_at_once(self) -> bool:
        """Whether whoever was accepted must be taken for reached, since nobody can look."""
        return self.dials and self.reading is None

    @property
    def dials(self) -> bool:
        return self.adapter.activation is ActivationKind.DIALS and self.activation != "held"


class Rows:
    """Collects rows, and stores them by the block."""

    def __init__(self, keep: Keep) -> None:
        self._keep, self._waiting = keep, list[Row]()
        self.count = 0

    def add(self, row: Row) -> None:
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) >= BLOCK:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._keep(self._waiting)
        self._waiting = []


@dataclass(slots=True)
class Sorted:
    """A source list, sorted. `moving` are those that go, in the order of the list, with its profile."""

    moving: Spool[Contact] = field(default_factory=lambda: Spool(Contact))
    tally: Counter[Fate] = field(default_factory=Counter)
    builder: ProfileBuilder = field(default_factory=ProfileBuilder)
    attempts_left: Counter[int | None] = field(default_factory=Counter)
    contacts: int = 0

    @property
    def profile(self) -> Profile:
        return self.builder.profile()

    def fates(self, refused: int = 0) -> Fates:
        """Counts, with `refused` of those that move as refused by the target."""
        tally = Counter(self.tally)
        tally[Fate.MOVES] -= refused
        tally[Fate.REFUSED] += refused
        return Fates(received=sum(tally.values()), **{fate.value: tally[fate] for fate in Fate})


def sort(
    database: Database,
    list_id: str,
    sides: Mapping[str | None, Side],
    suppressed: Suppressed,
    rows: Rows,
    *,
    everyone: bool,
    whole: bool,
    adopted: bool,
) -> Sorted:
    """Give each row of a list its fate. `everyone`: reached people move too. Blocking: run it in a thread.

    `whole`: rows that belong to no delivery count as well. `adopted`: the list was read from the vendor, so that what
    is no contact was none there. Those that do not move go to `rows`, one by one.
    """
    aside = Fate.INVALID if adopted else Fate.ABSENT
    found = Sorted()
    for chunk in _chunks(database, list_id, sides, whole):
        people = [chunk.stored(seq, item) for seq, item in chunk.items]
        for one, fate, left in _judged(people, sides.get(chunk.place.delivery_id), suppressed, aside):
            if fate is Fate.REACHED and everyone:
                fate = Fate.MOVES
            found.tally[fate] += 1
            found.contacts += fate not in (Fate.ABSENT, Fate.INVALID)
            if fate is Fate.MOVES:
                contact = one.contact()
                found.moving.append(contact)
                found.builder.add(contact)
                found.attempts_left[left] += 1
            else:
                rows.add(_row(one, fate))
    rows.flush()
    return found


def fingerprint(database: Database, list_id: str, deliveries: Container[Any], whole: bool) -> str:
    """SHA-256 over what a list holds for a migration: another one as soon as a contact or an outcome is."""
    together = sha256()
    for chunk in _chunks(database, list_id, deliveries, whole):
        for seq, item in chunk.items:
            together.update(f"{seq} {chunk.mark(seq).outcome} ".encode())
            if isinstance(item, Contact):
                together.update(digest_of(fields_of(item)))
    return together.hexdigest()


def _chunks(database: Database, list_id: str, sides: Container[str | None], whole: bool) -> Iterator[Chunk]:
    """The chunks that belong to the migration, in the order of the list's rows as far as chunks have one."""
    for _, no in database.call(chunks.numbers_of, chunks.of_list(list_id)):
        chunk = database.call(chunks.load, list_id, no)
        if chunk.place.delivery_id in sides or (whole and chunk.place.delivery_id is None):
            yield chunk


Judged = tuple[StoredContact, Fate, int | None]


def _judged(
    people: Sequence[StoredContact], side: Side | None, suppressed: Suppressed, aside: Fate
) -> Iterable[Judged]:
    """Each contact of a chunk with its fate and the attempts that the vendor has left for it."""
    there = [one for one in people if isinstance(one.item, Contact)]
    barred = suppressed.among([one.contact().phone for one in there])
    shown: dict[int, Found | None] = {}
    reached: set[str] = set()
    if side is not None and side.reading is not None and side.echo is not None:
        wanted = [side.echo(one.contact()) for one in there]
        shown = dict(zip((one.seq for one in there), side.reading.find(wanted), strict=True))
        reached = side.reading.reached([phone for _, phone in wanted])
        reached = {one.contact().phone for one, (_, phone) in zip(there, wanted, strict=True) if phone in reached}
    for one in people:
        found = shown.get(one.seq)
        fate = aside if side is None else _fate(one, side, found, barred, reached)
        yield one, fate, found.attempts_left if found is not None else None


def _fate(one: StoredContact, side: Side, found: Found | None, barred: Any, reached: set[str]) -> Fate:
    outcome, item = one.mark.outcome, one.item
    if not isinstance(item, Contact):  # erased
        return Fate.INVALID
    if outcome in (Outcome.REJECTED, Outcome.DUPLICATE, Outcome.SUPPRESSED):
        return Fate.ABSENT
    if item.phone in reached or (found is not None and found.reached):
        return Fate.REACHED
    if item.phone in barred:
        return Fate.SUPPRESSED
    if found is not None or outcome is Outcome.PENDING:
        return Fate.MOVES
    readable = side.reading is not None and not side.reading.incomplete
    if outcome is Outcome.UNKNOWN:
        return Fate.UNCLEAR if side.dials and not readable else Fate.MOVES
    if side.called_at_once:
        return Fate.REACHED
    if readable:
        return Fate.GONE
    return Fate.UNCLEAR if side.dials else Fate.MOVES  # whoever dials may have reached those whom it does not show


def _row(one: StoredContact, fate: Fate) -> Row:
    item, faults = one.item, one.mark.faults
    if not isinstance(item, Contact):
        faults = item.faults
    why = "; ".join(f"{fault.code}: {fault.detail}" if fault.detail else fault.code for fault in faults)
    return Row(
        fate=fate.value,
        contact_id=one.contact_id,
        row=item.row,
        key=item.key if isinstance(item, Contact) else item.id or "",
        phone=item.phone if isinstance(item, Contact) else item.phone_text,
        why=why or LEFT_OUT[fate],
        outcome=one.mark.outcome.value,
        digest=digest_of(fields_of(item)).hex() if isinstance(item, Contact) else "",
    )


def echo_of(echo: Callable[[Any, Contact], Any], job: Any) -> Echo:
    """What this vendor shows of a contact of this job."""

    def shown(contact: Contact) -> tuple[str, str]:
        one = echo(job, contact)
        phone = str(one.fields.get("phone", ""))
        return match_of(one.key, phone), phone

    return shown
