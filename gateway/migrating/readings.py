"""What a vendor shows of its lists: every contact, digested, in a private temporary database of constant memory."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.canonical import Contact
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.contract import RemoteContact
from gateway.ingest.spool import Spool

FIELDS: Final = ("phone", *TEXT_FIELDS, "priority")
_ASKED: Final = 500
"""Keys of one question."""


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A contact as a vendor shows it."""

    fields: dict[str, Any]
    key: str | None = None
    remote_id: str | None = None
    state: str = ""
    reached: bool = False
    attempts_left: int | None = None
    window: tuple[str, str, str] | None = None


def seen(one: RemoteContact) -> Seen:
    window = one.window
    hours = None if window is None else (window.start.isoformat(), window.end.isoformat(), window.time_zone)
    return Seen(dict(one.fields), one.key, one.remote_id, one.state, one.reached, one.attempts_left, hours)


def fields_of(contact: Contact) -> dict[str, Any]:
    """The filled fields of a contact, as a vendor's contact has them."""
    filled = {name: value for name in FIELDS if (value := getattr(contact, name)) is not None}
    return filled | ({"attributes": contact.attributes} if contact.attributes else {})


def digest_of(fields: Mapping[str, Any]) -> bytes:
    """SHA-256 over the filled fields as JSON with sorted keys."""
    filled = {name: value for name, value in fields.items() if value not in (None, "", {})}
    return hashlib.sha256(msgspec.json.encode(filled, order="sorted")).digest()


def match_of(key: str | None, phone: str) -> str:
    """What a contact is recognised by: the key where the vendor shows one, else the number."""
    return f"k{key}" if key else f"p{phone}"


class Reading:
    """All that a vendor shows of some lists. `incomplete` says why there is more than could be read.

    Contacts of one match are told apart by nothing but their order.
    """

    def __init__(self) -> None:
        self.incomplete = ""
        self.contacts: Spool[Seen] = Spool(Seen)
        # "" is a temporary file that goes with its connection; the work moves between threads, one at a time
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -4000", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE seen (match TEXT, phone TEXT, digest BLOB, reached INT, attempts_left INT, found INT)"
        )
        self._database.execute("CREATE INDEX by_match ON seen (match)")
        self._database.execute("CREATE INDEX by_phone ON seen (phone)")
        self._database.execute("BEGIN")

    def __len__(self) -> int:
        return len(self.contacts)

    def add(self, some: Iterable[RemoteContact]) -> None:
        """Keep a page of contacts."""
        rows = []
        for one in some:
            kept = seen(one)
            self.contacts.append(kept)
            phone = str(one.fields.get("phone", ""))
            digest = digest_of(one.fields)
            rows.append((match_of(one.key, phone), phone, digest, one.reached, one.attempts_left, 0))
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)", rows)

    def find(self, wanted: Sequence[tuple[str, str]]) -> list["Found | None"]:
        """For each (match, phone) in order what the vendor shows, and note that it was looked for.

        A contact that is not found by its match is looked for by its number among those without a key.
        """
        by_match = self._rows("match", [match for match, _ in wanted])
        missing = [phone for match, phone in wanted if match not in by_match]
        by_phone = self._rows("phone", missing) if missing else {}
        found: list[Found | None] = []
        marked: list[tuple[int]] = []
        for match, phone in wanted:
            rows = by_match.get(match) or by_phone.get(phone)
            one = rows.pop(0) if rows and len(rows) > 1 else rows[0] if rows else None
            found.append(one)
            if one is not None:
                marked.append((one.rowid,))
        self._database.executemany("UPDATE seen SET found = 1 WHERE rowid = ?", marked)
        return found

    def _rows(self, column: str, values: Sequence[str]) -> dict[str, list["Found"]]:
        rows: dict[str, list[Found]] = {}
        distinct = list(dict.fromkeys(values))
        for start in range(0, len(distinct), _ASKED):
            some = distinct[start : start + _ASKED]
            marks = ", ".join("?" * len(some))
            query = f"SELECT {column}, rowid, digest, reached, attempts_left FROM seen WHERE {column} IN ({marks})"  # noqa: S608 - only question marks
            for value, rowid, digest, reached, left in self._database.execute(f"{query} ORDER BY rowid", some):
                rows.setdefault(value, []).append(Found(rowid, digest, bool(reached), left))
        return rows

    def reached(self, phones: Sequence[str]) -> set[str]:
        """Those of these numbers that the vendor has reached in any of the contacts that it shows."""
        found: set[str] = set()
        for start in range(0, len(phones), _ASKED):
            some = list(phones[start : start + _ASKED])
            marks = ", ".join("?" * len(some))
            query = f"SELECT phone FROM seen WHERE reached AND phone IN ({marks})"  # noqa: S608 - only question marks
            found.update(phone for (phone,) in self._database.execute(query, some))
        return found

    @property
    def unlooked(self) -> int:
        """How many contacts the vendor shows that nobody has looked for."""
        number: int = self._database.execute("SELECT count(*) FROM seen WHERE found = 0").fetchone()[0]
        return number

    def digest(self) -> str:
        """SHA-256 over all contacts whatever their order: the same as long as the list is the same."""
        together = hashlib.sha256()
        for match, digest in self._database.execute("SELECT match, digest FROM seen ORDER BY match, digest"):
            together.update(match.encode(errors="surrogatepass") + b"\0" + digest)
        return together.hexdigest()

    def unlooked_rows(self) -> Iterator[tuple[str, bytes]]:
        """(phone, digest) of the contacts that nobody has looked for."""
        yield from self._database.execute("SELECT phone, digest FROM seen WHERE found = 0 ORDER BY rowid")


class Found(msgspec.Struct, frozen=True):
    """What the vendor shows of one contact."""

    rowid: int
    digest: bytes
    reached: bool
    attempts_left: int | None
