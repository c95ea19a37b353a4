"""The certificate's page: everything that the certificate says, nothing that its texts could do to a browser."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.canonical import Counts
from gateway.migrating.documents import Certificate
from gateway.migrating.page import MOST_ROWS, does_not_hold, page
from gateway.migrating.signing import Signature, Verdict, check, sealed
from gateway.store.moves import Row
from tests.gateway.migrating.samples import CERTIFICATE, RENEWALS, ROWS, WELCOME
from tests.gateway.migrating.test_signing import KEY, MINE, OTHER, PUBLIC

VALID = check(sealed(CERTIFICATE, KEY), PUBLIC)
VOID = {"meta", "br"}
ALLOWED = {
    "html",
    "head",
    "title",
    "style",
    "body",
    "header",
    "main",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "div",
    "ul",
    "li",
}
ALLOWED |= {"strong", "dl", "dt", "dd", "span", "small", "bdi", "code", "i", "b", "table", "caption", "thead", "tbody"}
ALLOWED |= {"tr", "th", "td", *VOID}
HOSTILE = "<script>alert(1)</script>'\" onload='x' &amp;</title></style></td>\u202e\x1b[2J\0 javascript:x"


class Reading(HTMLParser):
    """A page taken apart: every tag must be one of ours and closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.cells: list[tuple[str, str]] = []
        self.pieces: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("td", "th", "tr", "div"):
            self.cells.append((f"{tag} {dict(attrs).get('class') or ''}".strip(), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
            return
        self.pieces.append(data)
        if self.cells and {"td", "th"} & set(self.open):
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


def leaves(value: object) -> Iterator[object]:
    """All texts and numbers of a document."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif value is not None and not isinstance(value, bool):
        yield value


WORDED = {"vendor", "store", "read back", "unreached"}
"""Values that the page puts in words of its own."""


def test_every_number_and_every_text_is_on_the_page() -> None:
    """Every number of the certificate is another one, so one that is missing cannot hide behind another."""
    found = Reading(page(CERTIFICATE, VALID, ROWS))
    titles = [value for _, name, value in found.attributes if name == "title"]
    words = found.text.split()
    shown = {word.strip(".,;()") for word in words}
    missing = [
        one
        for one in leaves(CERTIFICATE)
        if one not in WORDED
        and (f"{one:,}" not in shown if isinstance(one, int) else str(one) not in found.text and one not in titles)
    ]
    assert missing == []


def test_every_number_of_a_list_stands_beside_its_name() -> None:
    found = [(kind, text) for kind, text in Reading(page(CERTIFICATE, VALID, [])).cells if kind[:2] in ("td", "th")]
    for part in (RENEWALS.counts, RENEWALS.target.outcomes, RENEWALS.compared):
        for name, value in part.model_dump().items():
            places = [no for no, cell in enumerate(found) if cell == ("th", name)]
            assert ("td number", f"{value:,}") in [found[no + 2] for no in places], name


def test_the_full_digest_stands_behind_the_short_one() -> None:
    found = Reading(page(CERTIFICATE, VALID, ROWS[:1]))
    titles = [value for _, name, value in found.attributes if name == "title"]
    ours = [CERTIFICATE.plan]
    ours += [digest for one in CERTIFICATE.lists for digest in (one.source.digest, one.target.digest)]
    assert titles == [*ours, CERTIFICATE.rows.sha256, ROWS[0].digest, ROWS[0].found]
    assert f"{CERTIFICATE.plan[:12]} " in found.text


@pytest.mark.parametrize(
    ("verdict", "said", "kind"),
    [
        (VALID, "The signature is valid.", "good"),
        (check(sealed(CERTIFICATE, None), PUBLIC), "This certificate is not signed.", "warn"),
        (check(sealed(CERTIFICATE, KEY).replace("eva", "eve"), PUBLIC), "This certificate was tampered with:", "bad"),
        (check(sealed(CERTIFICATE, OTHER), PUBLIC), "it is not by the key that is trusted here.", "bad"),
    ],
)
def test_the_verdict_is_told_first(verdict: Verdict, said: str, kind: str) -> None:
    html = page(CERTIFICATE, verdict, [])
    head = html[html.index("<header>") : html.index("<main>")]
    assert f"<div class='note {kind}'><strong>" in head
    assert said in Reading(head).text
    assert verdict.why in Reading(head).text
    assert (verdict.fingerprint or MINE) in head or verdict.state == Signature.UNSIGNED


def hostile(value: Any) -> Any:
    """The document with a hostile text wherever a text may be anything."""
    fixed = {"read", "include", "kind"}
    if isinstance(value, dict):
        return {key: one if key in fixed else hostile(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_texts_stay_texts() -> None:
    evil = Certificate.model_validate(hostile(CERTIFICATE.model_dump(mode="json")) | {"source": {HOSTILE: [HOSTILE]}})
    texts = ("fate", "contact_id", "key", "phone", "why", "losses", "outcome", "compared", "digest", "found")
    rows = [Row(**dict.fromkeys(texts, HOSTILE))]
    html = page(evil, Verdict(Signature.TAMPERED, HOSTILE, HOSTILE), rows)
    found = Reading(html)
    names = {name for _, name, _ in found.attributes}
    assert names == {"lang", "charset", "name", "content", "class", "id", "title", "tabindex"}
    assert "<script>alert(1)</script>'\" onload='x' &amp;</title>" in found.text
    assert not re.search(r"[\0-\x08\x0b-\x1f\x7f]", html)
    assert found.style == Reading(page(CERTIFICATE, VALID, [])).style


def test_nothing_is_loaded_and_nothing_runs() -> None:
    html = page(CERTIFICATE, VALID, ROWS)
    found = Reading(html)
    assert not {"src", "href", "srcset", "style", "action"} & {name for _, name, _ in found.attributes}
    assert [word for word in ("url(", "@import", "http", "//", "expression") if word in found.style] == []
    for rule in ("@media(prefers-color-scheme:dark)", "@media print", "color-scheme:light dark"):
        assert rule in found.style
    assert html.startswith("<!doctype html><html lang='en'><head><meta charset='utf-8'>")


def test_differences_stand_out_and_zeroes_do_not() -> None:
    found = Reading(page(CERTIFICATE.model_copy(update={"lists": [WELCOME]}), VALID, []))
    kinds = [
        (found.cells[no][0], found.cells[no + 1][1], found.cells[no + 3][1])
        for no in range(len(found.cells) - 3)
        if found.cells[no][0].startswith("tr") and found.cells[no + 1][0] == "th"
    ]
    bad = {"different": "13", "missing": "38", "unexpected": "6", "rejected": "21", "unknown": "12"}
    assert {(key, value) for kind, key, value in kinds if kind == "tr bad"} == set(bad.items())
    warn = {("unclear", "31"), ("pending", "18"), ("unverified", "202"), ("pending", "2"), ("unverified", "2")}
    assert {(key, value) for kind, key, value in kinds if kind == "tr warn"} == warn
    assert {value for kind, _, value in kinds if kind == "tr nil"} == {"0"}
    assert "0" not in {value for kind, _, value in kinds if kind != "tr nil"}
    assert ("tr", "equal", "11,709") in kinds


def test_a_source_that_is_not_proven_quiet_stands_out() -> None:
    html = page(CERTIFICATE, VALID, [])
    assert html.count("<div class='note good'><strong>The source is quiet.") == 1
    assert html.count("<div class='note bad'><strong>The source is not proven to be quiet.") == 1
    assert "on the word of eva" in Reading(html).text


def test_numbers_that_do_not_hold() -> None:
    assert list(does_not_hold(CERTIFICATE)) == []
    few = RENEWALS.target.model_copy(update={"outcomes": Counts(received=11_959, accepted=11_959)})
    renewals = RENEWALS.model_copy(
        update={"target": few, "compared": RENEWALS.compared.model_copy(update={"missing": 37, "unexpected": 7})}
    )
    outcomes = few.outcomes + WELCOME.target.outcomes
    wrong = CERTIFICATE.model_copy(update={"lists": [renewals, WELCOME], "outcomes": outcomes})
    told = [
        "In total 38 missing, but the lists add up to 37.",
        "In total 6 unexpected, but the lists add up to 7.",
        "Renovações de novembro: 11,960 contacts move, and there are outcomes of 11,959.",
        "Renovações de novembro: 11,960 contacts move, and 11,959 are accounted for in the comparison.",
    ]
    assert list(does_not_hold(wrong)) == told
    assert " ".join(["These numbers do not hold.", *told]) in Reading(page(wrong, VALID, [])).text


def test_a_list_of_which_nothing_left_need_not_add_up() -> None:
    still = WELCOME.target.model_copy(update={"outcomes": Counts(), "list_id": ""})
    one = CERTIFICATE.model_copy(
        update={"lists": [RENEWALS, WELCOME.model_copy(update={"target": still})], "outcomes": RENEWALS.target.outcomes}
    )
    assert list(does_not_hold(one)) == []
    assert "<code></code>" not in page(one, VALID, [])


@pytest.mark.parametrize(
    ("given", "count", "shown", "said"),
    [
        (250, 1_234, MOST_ROWS, "1,234, of which the first 200. All 9,876 contacts, one by one: /v1/migrations"),
        (3, 3, 3, "3, these. All 9,876 contacts, one by one: /v1/migrations/mg_0005/rows"),
        (0, 0, 0, "None."),
        (0, 1_234, 0, "1,234, of which the first 0."),
    ],
)
def test_rows(given: int, count: int, shown: int, said: str) -> None:
    one = CERTIFICATE.model_copy(update={"rows": CERTIFICATE.rows.model_copy(update={"differing": count})})
    rows = iter(ROWS[:given])
    found = Reading(page(one, VALID, rows))
    assert [phone for kind, phone in found.cells if kind == "td phone"] == [row.phone for row in ROWS[:shown]]
    assert said in found.text
    assert len(list(rows)) == given - shown
