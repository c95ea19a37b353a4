"""Which contacts of a list repeat another one's number, and which keys are taken: for lists of any length.

A short list is judged in memory. A long one is judged by SQLite's sorter in a private temporary database, which needs
a few megabytes whatever the length.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.canonical import DuplicatePolicy
from gateway.ingest.keys import derive_key, first_key

IN_MEMORY: Final = 5_000
_INSERT: Final = "INSERT INTO seen VALUES (?, ?, ?)"


class Repeats:
    """Told of every contact in order; says afterwards, in the same order, who is a duplicate and what key each gets."""

    def __init__(self, policy: DuplicatePolicy) -> None:
        self._policy = policy
        self._recent: list[tuple[int, str, str]] = []
        self._number = self._ahead = 0
        self._fates: list[tuple[int, str | None]] | None = None
        self._database: sqlite3.Connection | None = None

    def add(self, phone: str, key: str) -> None:
        """`phone` is E.164, `key` the contact's first choice."""
        self.add_all([phone], [key])

    def add_all(self, phones: Sequence[str], keys: Sequence[str]) -> None:
        """As many contacts at once."""
        if phones and len(self._recent) >= IN_MEMORY:
            self._spill()
        end = self._number + len(phones)
        self._recent += zip(range(self._number, end), phones, keys, strict=True)
        self._number = end

    def begin(self) -> None:
        """Whoever was added so far stands on the list already: those are kept, with their keys, and have no fate."""
        self._ahead = self._number

    def _spill(self) -> None:
        if self._database is None:
            # "" is a temporary file that goes with its connection; the work moves between threads, one at a time
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -4000", "temp_store = FILE"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute("CREATE TABLE seen (place INTEGER PRIMARY KEY, phone TEXT, key TEXT)")
            self._database.execute("CREATE TABLE fates (place INTEGER PRIMARY KEY, key TEXT)")
            self._database.execute("BEGIN")
        self._database.executemany(_INSERT, self._recent)
        self._recent = []

    def fates(self) -> Iterator[tuple[int, str | None]]:
        """(place, key) of every contact that does not simply keep its first key; None: a duplicate. In order.

        Places count from 0, those that were there before `begin` left out.
        """
        if self._database is None:
            if self._fates is None:
                self._fates = self._in_memory()
            return iter(self._fates)
        if self._recent:
            self._spill()
            self._judge(self._database)
        select = "SELECT place - ?1, key FROM fates WHERE place >= ?1 ORDER BY place"
        return iter(self._database.execute(select, (self._ahead,)))

    def _in_memory(self) -> list[tuple[int, str | None]]:
        duplicates = self._duplicates_in_memory()
        fates: list[tuple[int, str | None]] = [(place, None) for place in duplicates]
        taken: set[str] = set()
        late = []
        for place, phone, key in self._recent:
            if place in duplicates:
                continue
            if key in taken and place >= self._ahead:
                late.append((place, phone, key))
            taken.add(key)
        before: Counter[tuple[str, str]] = Counter()
        for place, phone, key in late:
            before[phone, key] += 1
            fresh = _free_key(phone, key, before[phone, key], taken.__contains__)
            fates.append((place, fresh))
            taken.add(fresh)
        return sorted((place - self._ahead, key) for place, key in fates)

    def _duplicates_in_memory(self) -> set[int]:
        if self._policy is DuplicatePolicy.KEEP_ALL:
            return set()
        kept: dict[str, int] = {}
        duplicates = set()
        for place, phone, _ in self._recent:
            other = kept.setdefault(phone, place)
            if place < self._ahead or other == place:
                continue
            first = self._policy is DuplicatePolicy.KEEP_FIRST or other < self._ahead
            duplicates.add(place if first else other)
            kept[phone] = other if first else place
        return duplicates

    def _judge(self, database: sqlite3.Connection) -> None:
        if self._policy is not DuplicatePolicy.KEEP_ALL:
            last = (
                "" if self._policy is DuplicatePolicy.KEEP_FIRST else "CASE WHEN min(place) >= ?1 THEN max(place) ELSE"
            )
            database.execute(
                f"CREATE TABLE twins AS SELECT phone, {last} min(place) {'END' if last else ''} AS kept"  # noqa: S608
                " FROM seen GROUP BY phone HAVING count(*) > 1",
                (self._ahead,) if last else (),
            )
            if database.execute("SELECT 1 FROM twins LIMIT 1").fetchone():
                database.execute("CREATE UNIQUE INDEX twin ON twins (phone)")
                database.execute(
                    "INSERT INTO fates SELECT place, NULL FROM seen CROSS JOIN twins USING (phone)"
                    " WHERE place <> kept AND place >= ?",
                    (self._ahead,),
                )
        kept = "seen WHERE place NOT IN (SELECT place FROM fates)"
        database.execute(
            f"CREATE TABLE crowds AS SELECT key, min(place) AS first FROM {kept} GROUP BY key HAVING count(*) > 1"  # noqa: S608
        )
        if database.execute("SELECT 1 FROM crowds LIMIT 1").fetchone():
            self._part_crowds(database)

    def _part_crowds(self, database: sqlite3.Connection) -> None:
        database.execute("CREATE UNIQUE INDEX crowd ON crowds (key)")
        database.execute("CREATE INDEX seen_key ON seen (key)")
        database.execute("CREATE INDEX fates_key ON fates (key)")
        database.execute(
            "CREATE TABLE late AS SELECT place, phone, key, row_number() OVER (PARTITION BY phone, key ORDER BY place)"
            " AS number FROM seen JOIN crowds USING (key)"
            " WHERE place <> first AND place >= ? AND place NOT IN (SELECT place FROM fates) ORDER BY place",
            (self._ahead,),
        )

        def is_taken(name: str) -> bool:
            found = database.execute(
                "SELECT 1 FROM fates WHERE key = ?1 UNION ALL SELECT 1 FROM seen WHERE key = ?1 AND NOT EXISTS"
                " (SELECT 1 FROM fates WHERE fates.place = seen.place AND fates.key IS NULL) LIMIT 1",
                (name,),
            )
            return found.fetchone() is not None

        for place, phone, key, number in database.execute("SELECT * FROM late ORDER BY place"):
            fresh = _free_key(phone, key, number, is_taken)
            database.execute("INSERT INTO fates VALUES (?, ?)", (place, fresh))


def _free_key(phone: str, key: str, occurrence: int, is_taken: Callable[[str], bool]) -> str:
    """A key for a contact whose first choice is taken, made of its number, its id and how often both came before."""
    contact_id = None if key == first_key(phone, None) else key
    number = occurrence if contact_id else occurrence + 1
    while is_taken(name := derive_key(phone, contact_id, number)):
        number += 1
    return name
