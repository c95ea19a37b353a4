"""The certificate for people: one HTML page with nothing loaded from elsewhere, for the screen and for paper."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from gateway.canonical import Counts, LossEntry
from gateway.migrating.documents import Certificate, Compared, Fates, ListCertificate, RemoteOut, SourceSide, TargetSide
from gateway.migrating.page_parts import STYLE, bullets, code, digest, facts, name, note, numbers, table, text
from gateway.migrating.signing import Signature, Verdict
from gateway.migrating.wording import COMPARED, FATES, OUTCOMES, READ, contacts_of_source, number
from gateway.store.moves import Row

MOST_ROWS: Final = 200
_SIGNATURES: Final = {
    Signature.VALID: ("good", "The signature is valid."),
    Signature.UNSIGNED: ("warn", "This certificate is not signed."),
    Signature.TAMPERED: ("bad", "This certificate was tampered with: do not rely on it."),
    Signature.OTHER_KEY: ("bad", "The signature is good, but it is not by the key that is trusted here."),
}
_INCLUDED: Final = {"unreached": "those that the source had not reached", "all": "all, also those already reached"}
_FATE_ALARMS: Final = {"unclear": "warn"}
_OUTCOME_ALARMS: Final = {"rejected": "bad", "unknown": "bad", "pending": "warn"}
_COMPARED_ALARMS: Final = {"different": "bad", "missing": "bad", "unexpected": "bad", "unverified": "warn"}
_SUMS: Final = ("counts", "outcomes", "compared")


def page(certificate: Certificate, verdict: Verdict, rows: Iterable[Row]) -> str:
    """The whole page. `rows`: those that differ, of which the first 200 are shown."""
    title = f"Certificate of migration {certificate.migration}"
    lists = "".join(_list(place, one) for place, one in enumerate(certificate.lists, start=1))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{text(title)}</title><meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<meta name='referrer' content='no-referrer'><style>{STYLE}</style></head><body>"
        f"<header><h1>{text(title)}</h1>{_signature(verdict)}{_who(certificate)}</header><main>"
        f"{_totals(certificate)}{_beyond(certificate)}{lists}{_rows(certificate, rows)}</main></body></html>\n"
    )


def _signature(verdict: Verdict) -> str:
    kind, title = _SIGNATURES[verdict.state]
    key = verdict.fingerprint
    told = [f"It names the key {code(key)}."] if key and key not in verdict.why else []
    return note(kind, title, text(verdict.why), *told)


def _who(one: Certificate) -> str:
    """From where to where, by whom and when."""
    source = ", ".join(
        f"{key} {value if isinstance(value, str) else _plain(value)}" for key, value in one.source.items()
    )
    left = [
        ("Tenant", name(one.tenant)),
        ("From", name(source)),
        ("To", f"{name(one.target)} <span class='dim'>({text(one.adapter)}, API {text(one.api_version)})</span>"),
        ("Contacts", text(_INCLUDED[one.include])),
    ]
    right = [
        ("By", name(one.by)),
        ("Planned", text(one.planned_at)),
        ("Applied", text(one.applied_at)),
        ("Certificate", text(one.made_at)),
        ("Plan", digest(one.plan)),
    ]
    return f"<div class='sides'>{facts(left)}{facts(right)}</div>"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _totals(one: Certificate) -> str:
    wrong = list(does_not_hold(one))
    alarm = note("bad", "These numbers do not hold.", *map(text, wrong)) if wrong else ""
    return (
        f"<section><h2>In total</h2>{alarm}{_counts(one.counts, one.outcomes, one.compared)}"
        f"{_losses(one.losses)}</section>"
    )


def does_not_hold(one: Certificate) -> Iterator[str]:
    """What the numbers of the lists and of the whole must have in common, and do not; a sentence each."""
    for kind in _SUMS:
        whole = getattr(one, kind).model_dump()
        parts = [getattr(each if kind != "outcomes" else each.target, kind).model_dump() for each in one.lists]
        for key, value in whole.items():
            if value != (total := sum(part[key] for part in parts)):
                yield f"In total {number(value)} {key}, but the lists add up to {number(total)}."
    for each in one.lists:
        yield from (f"{each.name}: {why}" for why in _list_does_not_hold(each))


def _list_does_not_hold(one: ListCertificate) -> Iterator[str]:
    moves, found = one.counts.moves, one.compared
    if one.target.read == "nothing has left yet":
        return
    if one.target.outcomes.received != moves:
        yield f"{number(moves)} contacts move, and there are outcomes of {number(one.target.outcomes.received)}."
    if (compared := found.equal + found.different + found.missing + found.unverified) != moves:
        yield f"{number(moves)} contacts move, and {number(compared)} are accounted for in the comparison."


def _counts(fates: Fates, outcomes: Counts, compared: Compared) -> str:
    return (
        "<div class='sides'>"
        + numbers("What becomes of the source's rows", fates.model_dump(), FATES, _FATE_ALARMS, "received")
        + numbers("Outcomes at the target", outcomes.model_dump(), OUTCOMES, _OUTCOME_ALARMS, "received")
        + numbers("Target compared with source", compared.model_dump(), COMPARED, _COMPARED_ALARMS)
        + "</div>"
    )


def _losses(losses: list[LossEntry]) -> str:
    if not losses:
        return "<h3>What is lost</h3><p>Nothing.</p>"
    rows = (
        [
            code(loss.field),
            text(loss.kind),
            "the list" if loss.contacts is None else number(loss.contacts),
            text(loss.why),
        ]
        for loss in losses
    )
    header = [("field", ""), ("loss", ""), ("contacts", "number"), ("why", "long")]
    return f"<h3>What is lost</h3>{table('losses', header, rows)}"


def _beyond(one: Certificate) -> str:
    """What could not be verified, what was switched, the way back."""
    unverified = bullets(one.unverified) if one.unverified else "<p>Everything was verified.</p>"
    routing = bullets(one.routing) if one.routing else "<p>Nothing was switched.</p>"
    return (
        f"<section><h2>What could not be verified, and why</h2>{unverified}</section>"
        f"<section><h2>Routing</h2>{routing}</section>"
        f"<section><h2>How to go back</h2><p>{text(one.rollback)}</p></section>"
    )


def _list(place: int, one: ListCertificate) -> str:
    reference = f" <small class='dim'>{name(one.reference)}</small>" if one.reference else ""
    return (
        f"<section id='list-{place}'><h2>List {number(place)}: {name(one.name)}{reference}</h2>{_quiet(one)}"
        f"<div class='sides'><div><h3>At the source</h3>{_source(one.source)}</div>"
        f"<div><h3>At the target</h3>{_target(one.target)}</div></div>"
        f"{_counts(one.counts, one.target.outcomes, one.compared)}{_losses(one.losses)}{_unverified(one)}</section>"
    )


def _quiet(one: ListCertificate) -> str:
    """The proof that nobody is called from the source any more."""
    proof = one.proof
    kind, title = ("good", "The source is quiet.") if proof.proven else ("bad", "The source is not proven to be quiet.")
    if not one.target.list_id:
        kind, title = "warn", "The source was left as it is."
    by = f", on the word of {name(proof.by)}" if proof.by else ""
    return note(kind, title, f"{text(proof.how)} ({text(proof.at)}{by})")


def _source(one: SourceSide) -> str:
    pairs = [
        ("List", code(one.list_id)),
        ("Destinations", ", ".join(map(name, one.destinations))),
        ("At the vendor", _remotes(one.remote_lists)),
        ("Contacts", text(contacts_of_source(one))),
        ("Not ours", f"{number(one.unmanaged)} contacts that never came through the gateway" if one.unmanaged else ""),
        ("Digest", digest(one.digest)),
    ]
    return facts(pairs)


def _target(one: TargetSide) -> str:
    pairs = [
        ("List", code(one.list_id) if one.list_id else ""),
        ("Destination", name(one.destination)),
        ("At the vendor", _remotes(one.remote_lists)),
        ("Contacts", f"{number(one.contacts)} contacts, {READ[one.read]}"),
        ("Digest", digest(one.digest)),
    ]
    return facts(pairs)


def _remotes(lists: list[RemoteOut]) -> str:
    counts = ("" if one.count is None else f", {number(one.count)} by the vendor's count" for one in lists)
    return "<br>".join(f"{code(one.id)} {name(one.name)}{count}" for one, count in zip(lists, counts, strict=True))


def _unverified(one: ListCertificate) -> str:
    """What of this list was not read, and what became of the old one."""
    told = [
        ("Not read at the source", text(one.source.incomplete or "")),
        ("Not read back at the target", text(one.target.why or "")),
        ("The old list", text(one.source_deleted or "")),
    ]
    if not any(said for _, said in told):
        return ""
    return f"<h3>What was not verified, and what remains</h3>{facts(told)}"


_COLUMNS: Final = [
    ("row", "number"),
    ("contact", ""),
    ("key", ""),
    ("phone", "phone"),
    ("fate", ""),
    ("outcome", ""),
    ("compared", ""),
    ("why", "long"),
    ("lost", "long"),
    ("source", ""),
    ("target", ""),
]


def _rows(one: Certificate, rows: Iterable[Row]) -> str:
    shown = [_row(row) for row in islice(rows, MOST_ROWS)]
    where = f"{code(one.rows.href)}, SHA-256 {digest(one.rows.sha256)}"
    every = f"All {number(one.rows.count)} contacts, one by one: {where}"
    if not one.rows.differing:
        told = f"<p>None. {every}</p>"
    elif len(shown) == one.rows.differing:
        told = f"<p>{number(len(shown))}, these. {every}</p>"
    else:
        told = f"<p>{number(one.rows.differing)}, of which the first {number(len(shown))}. {every}</p>"
    listed = table("rows", _COLUMNS, shown) if shown else ""
    return f"<section><h2>Differences row by row</h2>{told}{listed}</section>"


def _row(row: Row) -> list[str]:
    ours = (row.contact_id, row.key, row.phone, row.fate, row.outcome, row.compared, row.why, row.losses)
    return [number(row.row) if row.row else "", *map(text, ours), digest(row.digest), digest(row.found)]
