"""Rows to contacts: all faults of a row at once, under the sender's own row and column."""

import io
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.canonical import Contact, ContactIn
from gateway.ingest import Normaliser, Rejected, derive_key, normalise_phone, open_csv, open_items, open_ndjson
from gateway.ingest.phones import Phone

NORMALISER = Normaliser("BR")


def take_csv(text: str, **how: Any) -> list[Contact | Rejected]:
    return [NORMALISER.take(row) for row in open_csv(io.BytesIO(text.encode()), **how)]


def take_json(*items: object) -> list[Contact | Rejected]:
    return [NORMALISER.take(row) for row in open_items(items)]


def faults_of(taken: Contact | Rejected) -> list[tuple[str, str | None]]:
    assert isinstance(taken, Rejected)
    return [(fault.code, fault.column) for fault in taken.faults]


FULL = Contact(
    row=1,
    key="A-1",
    phone="+5511999990001",
    region="BR",
    phone_text="(11) 99999-0001",
    id="A-1",
    first_name="Ana",
    last_name="Lima",
    company="Acme",
    email="ana@example.com",
    language="pt-BR",
    time_zone="America/Sao_Paulo",
    priority=10,
    tag="gold",
    attributes={"due_date": "2026-05-10"},
)


def test_a_full_contact_is_the_same_from_csv_and_json() -> None:
    [from_csv] = take_csv(
        "id,phone,first_name,last_name,company,email,language,time_zone,priority,tag,due_date,empty\n"
        "A-1,(11) 99999-0001, Ana ,\xa0Lima\xa0,Acme,ana@example.com,pt-BR,America/Sao_Paulo,10.0,gold,2026-05-10, \n"
    )
    document = {name: getattr(FULL, name) for name in ContactIn.model_fields} | {"phone": FULL.phone_text}
    document["attributes"] = {"due_date": "2026-05-10", "empty": None}
    assert from_csv == msgspec.structs.replace(FULL, row=2)
    assert take_json(document, msgspec.Raw(msgspec.json.encode(document | {"priority": 10.0}))) == [
        FULL,
        msgspec.structs.replace(FULL, row=2),
    ]


def test_all_faults_of_a_csv_row_come_at_once_under_its_own_columns() -> None:
    [row] = take_csv(
        "Telefone;E-mail;Idioma;Fuso Horário;Prioridade;Nome;Obs\n"
        f"123;nobody;portugues;Brasilia;alta;{'x' * 201};{'y' * 2001}\n"
    )
    assert faults_of(row) == [
        ("phone.invalid", "Telefone"),
        ("field.too_long", "Nome"),
        ("email.invalid", "E-mail"),
        ("language.invalid", "Idioma"),
        ("priority.invalid", "Prioridade"),
        ("field.too_long", "Obs"),
        ("time_zone.invalid", "Fuso Horário"),
    ]
    assert isinstance(row, Rejected)
    assert (row.row, row.phone_text, row.cells["Fuso Horário"]) == (2, "123", "Brasilia")


def test_all_faults_of_a_json_contact_come_at_once_under_its_own_keys() -> None:
    sent = {
        "phone": "123",
        "id": "",
        "email": "",
        "priority": -1,
        "first_name": 7,
        "nickname": "x",
        "time_zone": "Mars/Olympus",
        "attributes": {"1x": "a", "n": 3, "ok": "fine", "gone": None},
    }
    [row] = take_json(sent)
    assert sorted(faults_of(row), key=str) == [
        ("attribute.name_invalid", "attributes.1x"),
        ("field.empty", "email"),
        ("field.empty", "id"),
        ("field.unknown", "nickname"),
        ("field.wrong_type", "attributes.n"),
        ("field.wrong_type", "first_name"),
        ("phone.invalid", "phone"),
        ("priority.invalid", "priority"),
        ("time_zone.invalid", "time_zone"),
    ]
    assert isinstance(row, Rejected)
    assert row.cells == sent


@pytest.mark.parametrize(
    ("item", "faults"),
    [
        ({}, [("phone.missing", "phone")]),
        ({"phone": None}, [("phone.missing", "phone")]),
        ({"phone": " "}, [("phone.missing", "phone")]),
        ({"phone": 5511999990001}, [("field.wrong_type", "phone")]),
        ({"phone": "+5511999990001", "priority": "5"}, [("field.wrong_type", "priority")]),
        ({"phone": "+5511999990001", "priority": True}, [("field.wrong_type", "priority")]),
        ({"phone": "+5511999990001", "attributes": []}, [("field.wrong_type", "attributes")]),
        ({"phone": "+5511999990001", "attributes": {"a": True}}, [("field.wrong_type", "attributes.a")]),
        (
            {"phone": "+5511999990001", "attributes": {f"a{n}": "x" for n in range(101)}},
            [("attribute.too_many", "attributes")],
        ),
        ({"phone": "+5511999990001", "tag": "a\0b"}, [("row.control_character", "tag")]),
        ({"phone": "+5511999990001", "attributes": {"a": "\x1b"}}, [("row.control_character", "attributes.a")]),
        ([], [("row.not_an_object", None)]),
        (None, [("row.not_an_object", None)]),
        (msgspec.Raw(b"{"), [("row.broken_json", None)]),
        (msgspec.Raw(b'{"phone": "+5511999990001", "tag": "\\ud800"}'), [("row.bad_encoding", None)]),
        (msgspec.Raw(b'{"phone": "\xff"}'), [("row.bad_encoding", None)]),
        (msgspec.Raw(b"[" * 100_000), [("row.broken_json", None)]),
        (msgspec.Raw(b'{"phone": NaN}'), [("row.broken_json", None)]),
    ],
)
def test_odd_json_contacts_are_rejected_by_name(item: object, faults: list[tuple[str, str | None]]) -> None:
    [row] = take_json(item)
    assert faults_of(row) == faults


def test_an_empty_text_in_json_is_not_given_where_text_is_free() -> None:
    [contact] = take_json({"phone": "+5511999990001", "first_name": "", "tag": "", "attributes": {"a": ""}})
    assert contact == Contact(
        row=1,
        key=derive_key("+5511999990001", None, 1),
        phone="+5511999990001",
        region="BR",
        phone_text="+5511999990001",
        attributes={"a": ""},
    )


@pytest.mark.parametrize(
    ("line", "code", "cells"),
    [
        ("1,2", "row.too_few_cells", {"phone": "1", "name": "2"}),
        ("1,2,3,4", "row.too_many_cells", {"phone": "1", "name": "2", "note": "3", "column 4": "4"}),
        ("1,2,3,,5", "row.too_many_cells", {"phone": "1", "name": "2", "note": "3", "column 4": "", "column 5": "5"}),
    ],
)
def test_rows_that_do_not_fit_the_header_keep_all_their_cells(line: str, code: str, cells: dict[str, str]) -> None:
    [row] = take_csv(f"phone,name,note\n{line}\n")
    assert faults_of(row) == [(code, None)]
    assert isinstance(row, Rejected)
    assert row.cells == cells


def test_empty_cells_beyond_the_header_are_ignored() -> None:
    [contact] = take_csv("phone,name,,\n+5511999990001,Ana,,\xa0,\n")
    assert isinstance(contact, Contact)
    assert (contact.first_name, contact.attributes) == ("Ana", {})


def test_ndjson_rows_are_lines_and_bad_lines_are_rows() -> None:
    content = b'\xef\xbb\xbf{"phone":"+5511999990001"}\r\n\n{"phone":"\xff"}\nnonsense\n{"phone":"+5511999990002"}'
    source = open_ndjson(io.BytesIO(content))
    taken = [NORMALISER.take(row) for row in source]
    assert [(row.row, isinstance(row, Contact)) for row in taken] == [(1, True), (3, False), (4, False), (5, True)]
    assert faults_of(taken[1]) == [("row.bad_encoding", None)]
    assert faults_of(taken[2]) == [("row.broken_json", None)]
    assert isinstance(taken[2], Rejected)
    assert taken[2].cells == {"line": "nonsense"}
    assert (source.info.format, source.info.charset, source.info.rows) == ("ndjson", "utf-8-sig", 4)


def test_an_unknown_default_region_is_as_good_as_none() -> None:
    [row] = [Normaliser("ZZ").take(raw) for raw in open_items([{"phone": "11999990001"}])]
    assert faults_of(row) == [("phone.no_region", "phone")]


odd_text = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "a@b", "a@b\n", "pt-BR", "pt_BR", "UTC", "utc ", "\x1c", "\x85", "x" * 36, "x" * 201, "\xa0"]),
)
documents = st.fixed_dictionaries(
    {"phone": st.sampled_from(["+5511999990001", "11999990001", "+5511"])},
    optional={
        **dict.fromkeys(("id", "first_name", "email", "language", "time_zone", "tag"), odd_text),
        "priority": st.one_of(st.integers(-1, 2**31), st.booleans(), st.floats(0, 3)),
        "attributes": st.dictionaries(st.one_of(odd_text, st.sampled_from(["a", "_b"])), odd_text, max_size=3),
        "surprise": st.none(),
    },
)


@settings(deadline=None)
@given(documents)
def test_the_quick_path_accepts_what_the_model_accepts(document: dict[str, Any]) -> None:
    [taken] = take_json(document)
    kept = {name: value for name, value in document.items() if value is not None}
    if isinstance(kept.get("priority"), float) and kept["priority"].is_integer():
        kept["priority"] = int(kept["priority"])
    texts = [value for value in [*kept.values(), *kept.get("attributes", {}).values()] if isinstance(value, str)]
    clean = not any((letter < " " and letter not in "\t\n\r") or letter == "\x7f" for text in texts for letter in text)
    try:
        model = ContactIn.model_validate(kept)
    except ValidationError:
        model = None
    zone = kept.get("time_zone")
    valid = (
        model is not None
        and clean
        and isinstance(normalise_phone(document["phone"], "BR"), Phone)
        and (zone is None or zone == "UTC")
    )
    assert isinstance(taken, Contact) == valid
