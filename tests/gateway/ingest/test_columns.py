"""Which column becomes which field, and what is said when none does."""

import pytest

from gateway.ingest import SourceError
from gateway.ingest.columns import map_columns, name_columns
from gateway.ingest.synonyms import FIELD_OF, SYNONYMS, fold


def mapping_of(header: str, mapping: dict[str, str] | None = None) -> dict[str, str]:
    return map_columns(name_columns(header.split(",")), mapping).mapping


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        ("Teléfono,NOMBRE,Apellido", {"phone": "Teléfono", "first_name": "NOMBRE", "last_name": "Apellido"}),
        (
            "Celular,Primeiro Nome,e-mail,Fuso Horário,ID Cliente",
            {
                "phone": "Celular",
                "first_name": "Primeiro Nome",
                "email": "e-mail",
                "time_zone": "Fuso Horário",
                "id": "ID Cliente",
            },
        ),
        ("telefone,phone", {"phone": "phone", "attributes.telefone": "telefone"}),
        ("celular,telefone", {"phone": "celular", "attributes.telefone": "telefone"}),
        ("phone,Data de Vencimento,2ª via,日本", {
            "phone": "phone",
            "attributes.Data_de_Vencimento": "Data de Vencimento",
            "attributes._2a_via": "2ª via",
            "attributes.column_4": "日本",
        }),
        ("phone,due date,due_date,due-date", {
            "phone": "phone",
            "attributes.due_date_2": "due date",
            "attributes.due_date": "due_date",
            "attributes.due_date_3": "due-date",
        }),
        ("phone,attributes.plan", {"phone": "phone", "attributes.plan": "attributes.plan"}),
        ("phone,," + "x" * 70, {"phone": "phone", "attributes." + "x" * 64: "x" * 70}),
    ],
)  # fmt: skip
def test_columns_are_mapped(header: str, mapping: dict[str, str]) -> None:
    assert mapping_of(header) == mapping


def test_an_explicit_mapping_wins() -> None:
    assert mapping_of("phone,mobile,note", {"phone": "mobile", "attributes.x": "note"}) == {
        "phone": "mobile",
        "attributes.x": "note",
        "attributes.phone": "phone",
    }


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"phone": "fon"}, 'no such column: "fon"'),
        ({"phon": "phone"}, 'no such field: "phon"'),
        ({"attributes.1x": "phone"}, 'no such field: "attributes.1x"'),
        ({"phon": "a", "mail": "b"}, 'no such field: "phon", "mail"; no such column: "a", "b"'),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_by_name(mapping: dict[str, str], named: str) -> None:
    with pytest.raises(SourceError) as caught:
        mapping_of("phone,name", mapping)
    assert (caught.value.code, caught.value.status) == ("source.mapping", 400)
    assert named in caught.value.detail


def test_empty_headers_and_our_own_columns_are_ignored_with_their_reason() -> None:
    layout = map_columns(name_columns(["", "phone", "", "error_code", "error_detail", "", ""]), None)
    assert layout.columns == ("", "phone", " ", "error_code", "error_detail")
    assert layout.ignored == {
        "": "the header is empty",
        " ": "the header is empty",
        "error_code": "a column of our own rejections file",
        "error_detail": "a column of our own rejections file",
    }
    assert layout.corrections
    assert layout.mapping == {"phone": "phone"}


def test_synonyms_name_one_field_each() -> None:
    names = [fold(name) for words in SYNONYMS.values() for name in words.split()]
    assert len(names) == len(set(names)) == len(FIELD_OF)
