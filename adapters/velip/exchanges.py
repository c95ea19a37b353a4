"""The talks with Velip: deliver a list, look it up, browse, ask how it stands, check the token."""

from adapters.velip.bodies import creation, question
from adapters.velip.codes import Envelope, succeeded
from adapters.velip.settings import Options
from adapters.velip.wire import Created, Endpoint, ListRow, Lookup, User
from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    Batch,
    CheckReport,
    Exchange,
    Finding,
    Job,
    NotSent,
    Opened,
    Page,
    Receipt,
    Refused,
    RemoteList,
    RemoteStatus,
    Reply,
    Step,
    Unclear,
    ask,
    json_reply,
)

_MATCHES = 10
"""How many lists a look-up of one list asks for: one is expected, and more than one is worth knowing."""
_PURGED = "the list was made at Velip and has been purged since"


def deliver(job: Job[Options], batch: Batch) -> Exchange[Opened]:
    """Make a list with all the contacts of the batch in one call. Never repeated: Velip would make a second list."""
    fields, request = creation(job, batch)
    sent = len(batch.contacts)

    def read(reply: Reply) -> Created:
        return Created.model_validate(succeeded(Endpoint.CREATE, reply).fields)

    def success() -> Reply:
        return ok({"cdlc_id": "1", "num_dest": str(sent), "base_size": "0"})

    created = yield from ask(Step(name="create", request=request, read=read, success=success))
    remote = RemoteList(str(created.cdlc_id), fields.name, fields.ctid, created.num_dest)
    return Opened(remote, counted(sent, created.num_dest))


def counted(sent: int, count: int | None) -> Receipt:
    """Velip only counts, and never says which rows it left out: equal numbers settle the batch, others nothing."""
    if count == sent:
        return Receipt(rest=Outcome.ACCEPTED)
    hint = "; if no number at all was taken, key_set may be wrong" if count == 0 else ""
    return Receipt(detail=f"sent {sent}, the vendor counts {'nothing' if count is None else count}{hint}")


def find(job: Job[Options], remote: RemoteList | None, batch: Batch | None) -> Exchange[Finding]:
    """Whether the list was made, and with how many contacts: by its id when that is known, else by our key.

    The count settles the batch as in `deliver`. A count that falls short stays unknown: the import may still go on.
    """
    seen = RemoteList(remote.id if remote else "1", "", job.key, len(batch.contacts) if batch else 0)
    lookup = Lookup(cdlc_id=id_of(remote), maxreg=_MATCHES) if remote else Lookup(ctid=job.key, maxreg=_MATCHES)
    rows = yield from look(job.options, lookup, (seen,))
    ours = [row for row in rows if (row.cdlc_id == lookup.cdlc_id if remote else row.cdlc_ctid == job.key)]
    if not ours:
        return _absent(remote, rows)
    alive = [row for row in ours if not row.purged]
    if not alive:
        return Finding(Verdict.UNKNOWN, detail=_PURGED)
    newest = max(alive, key=lambda row: row.cdlc_id)
    return _present(newest, [row.cdlc_id for row in ours if row is not newest], batch)


def _absent(remote: RemoteList | None, rows: tuple[ListRow, ...]) -> Finding:
    if remote:
        return Finding(Verdict.UNKNOWN, remote, detail=f"Velip does not show list {remote.id}")
    if rows:
        return Finding(Verdict.UNKNOWN, detail="Velip answered with other lists only: the filter had no effect")
    return Finding(Verdict.NOT_SENT, detail="Velip has no list with our key")


def _present(row: ListRow, others: list[int], batch: Batch | None) -> Finding:
    found = to_remote(row)
    more = f"the same key is also on list {', '.join(map(str, others))}" if others else ""
    if batch is None:
        return Finding(Verdict.ACCEPTED, found, detail=more)
    receipt = counted(len(batch.contacts), row.cdlc_num)
    verdict = Verdict.ACCEPTED if receipt.rest is Outcome.ACCEPTED else Verdict.UNKNOWN
    return Finding(verdict, found, receipt, "; ".join(filter(None, (receipt.detail, more))))


def browse(options: Options, name: str | None, _cursor: str | None, page_size: int) -> Exchange[Page[RemoteList]]:
    """The account's newest lists, active or not, purged ones left out; with `name`, those whose name or file holds it.

    Velip has no paging: what lies beyond `page_size` is said to be missing, and there is never a cursor.
    """
    rows = yield from look(options, Lookup(search=name or None, maxreg=page_size), ())
    full = len(rows) >= page_size
    return Page(
        tuple(to_remote(row) for row in rows if not row.purged),
        incomplete=f"Velip shows {page_size} lists and pages no further; search by name" if full else "",
    )


def status(remote: RemoteList, options: Options) -> Exchange[RemoteStatus]:
    """How the list stands: `active`, `inactive`, or `purged` when its destinations are gone. It never dials."""
    row = yield from look_at(remote, options)
    facts = {"cdlc_date": row.cdlc_date, "cdlc_file": row.cdlc_file, "cdlc_ctid": row.cdlc_ctid}
    return RemoteStatus(row.cdlc_num, state_of(row), facts={name: text for name, text in facts.items() if text})


def state_of(row: ListRow) -> str:
    if row.purged:
        return "purged"
    return "active" if row.cdlc_active else "inactive"


def check(options: Options) -> Exchange[CheckReport]:
    """Whose token it is. One attempt: failures count towards Velip's permanent ban, so it is never repeated.

    That holds for a 429 as well, which would otherwise be proof enough to try again.
    """

    def read(reply: Reply) -> User:
        try:
            return User.model_validate(succeeded(Endpoint.USER, reply).fields)
        except NotSent as error:
            raise Unclear(error.detail, code=error.code, retry_after=error.retry_after) from error

    def success() -> Reply:
        return ok({"cdcs_id": "1", "cdcsu_id": "1", "aut_app": "1", "aut_send": "1", "aut_camp": "1", "tsid": "null"})

    user = yield from ask(
        Step(name="check", request=question(Endpoint.USER, options), read=read, success=success, repeatable=False)
    )
    facts = {"account": str(user.cdcs_id), "user": user.cdcsu_id, "may_manage_campaigns": user.aut_camp}
    return CheckReport({name: text for name, text in facts.items() if text})


def look(options: Options, lookup: Lookup, seen: tuple[RemoteList, ...]) -> Exchange[tuple[ListRow, ...]]:
    """One read of GetDestinationsList; `seen` is what the preview pretends to see. Reading twice is reading once."""

    def read(reply: Reply) -> tuple[ListRow, ...]:
        return rows_of(succeeded(Endpoint.LISTS, reply))

    step = Step(
        name="look_up",
        request=question(Endpoint.LISTS, options, lookup),
        read=read,
        success=lambda: lists_reply(seen),
        repeatable=True,
    )
    return (yield from ask(step))


def look_at(remote: RemoteList, options: Options, *, active: bool = True) -> Exchange[ListRow]:
    """The one list with this id. Raises `Unclear` when Velip does not show it: a new list is invisible for a while."""
    wanted = Lookup(cdlc_id=id_of(remote), maxreg=_MATCHES)
    seen = RemoteList(remote.id, remote.name, remote.key, remote.count, {"active": "1" if active else "0"})
    rows = yield from look(options, wanted, (seen,))
    for row in rows:
        if row.cdlc_id == wanted.cdlc_id:
            return row
    raise Unclear(f"Velip does not show list {remote.id}")


def id_of(remote: RemoteList) -> int:
    """Velip's id as a positive number. Raises `Refused` without one: an empty filter would match every list."""
    if remote.id.isascii() and remote.id.isdigit() and int(remote.id):
        return int(remote.id)
    raise Refused("not the id of a Velip list: it must be a whole number above 0")


def rows_of(envelope: Envelope) -> tuple[ListRow, ...]:
    """The lists of a reply. An empty array or Velip's `null` means none, a reply without `lists` nothing."""
    lists = envelope.body["lists"]
    if lists in (None, "null"):
        return ()
    if not isinstance(lists, list):
        raise Unclear("Velip's `lists` is no array")
    return tuple(ListRow.model_validate(one) for one in lists)


def to_remote(row: ListRow) -> RemoteList:
    """A list of Velip's as a remote list."""
    extra = {"active": str(row.cdlc_active)}
    return RemoteList(str(row.cdlc_id), row.cdlc_name or "", row.key, row.cdlc_num, extra)


def ok(fields: dict[str, object], **beside: object) -> Reply:
    """A success as Velip words it."""
    return json_reply({"return": {"status": "OK", "status_code": "0", **fields}, **beside})


def lists_reply(seen: tuple[RemoteList, ...]) -> Reply:
    lists = [
        {
            "cdlc_id": int(one.id),
            "cdlc_active": int(one.extra.get("active", "1")),
            "cdlc_ctid": one.key,
            "cdlc_name": one.name,
            "cdlc_num": one.count or 0,
            "cdlc_deleted": 0,
        }
        for one in seen
    ]
    return ok({}, lists=lists)
