"""Rejected rows come back as JSON, or as the sender's own file that can be corrected and sent again."""

from typing import Any

import httpx
import pytest

from tests.gateway.web.shapes import LISTS, counts, create, problem, refusal

HEADER = "Código;Telefone;Nome;Observação"
FILE = "\r\n".join(
    [
        HEADER,
        "1;+5511999990001;João;ok",
        '2;+55119;Conceição;=HYPERLINK("x")',
        "3;;Zé;-1",
        "4;11 99999-0004;Ana;@casa",
    ]
).encode("cp1252")


async def upload(client: httpx.AsyncClient, content: bytes, **query: Any) -> dict[str, Any]:
    params = {"name": "Renovações", "destination": "velip"} | query
    answer = await client.post(LISTS, params=params, content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_corrected_rejections_file_is_recognised_when_it_comes_back(acme: httpx.AsyncClient) -> None:
    one = await upload(acme, FILE)
    assert (one["source"]["charset"], one["source"]["delimiter"]) == ("cp1252", ";")
    assert one["counts"] == counts(accepted=2, rejected=2)
    answer = await acme.get(f"{LISTS}/{one['id']}/rejections", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=cp1252"
    assert answer.headers["content-disposition"] == f'attachment; filename="{one["id"]}-rejected.csv"'
    lines = answer.content.decode("cp1252").split("\r\n")
    details = {fault["code"]: fault["detail"] for row in await rejected(acme, one) for fault in row["faults"]}
    assert lines == [
        f"{HEADER};error_code;error_detail",
        f'2;+55119;Conceição;"\'=HYPERLINK(""x"")";phone.invalid;Telefone: {details["phone.invalid"]}',
        f"3;;Zé;'-1;phone.missing;Telefone: {details['phone.missing']}",
        "",
    ]
    corrected = answer.content.replace(b"2;+55119;", b"2;+5511999990002;").replace(b"3;;", b"3;11999990003;")
    again = await upload(acme, corrected, name="Again")
    assert (again["source"]["corrections"], again["counts"]) == (True, counts(accepted=2))
    assert again["source"]["ignored"] == dict.fromkeys(
        ("error_code", "error_detail"), "a column of our own rejections file"
    )
    found = (await acme.get(f"{LISTS}/{again['id']}/contacts")).json()["items"]
    assert [(each["phone"], each["first_name"], each["attributes"]) for each in found] == [
        ("+5511999990002", "Conceição", {"Observacao": '=HYPERLINK("x")'}),
        ("+5511999990003", "Zé", {"Observacao": "-1"}),
    ]


async def rejected(client: httpx.AsyncClient, one: dict[str, Any]) -> list[dict[str, Any]]:
    return (await client.get(f"{LISTS}/{one['id']}/rejections")).json()["items"]


async def test_every_fault_of_a_row_is_told_at_once(acme: httpx.AsyncClient) -> None:
    row = {"phone": "12", "email": "none", "priority": -1, "colour": "red", "attributes": {"9": "x"}}
    one = await create(acme, "velip", contacts=[row, {"phone": "+5511999990001"}])
    (found,) = await rejected(acme, one)
    assert (found["row"], found["phone"], found["outcome"]) == (1, "12", "rejected")
    assert {(fault["code"], fault["column"]) for fault in found["faults"]} == {
        ("phone.invalid", "phone"),
        ("email.invalid", "email"),
        ("priority.invalid", "priority"),
        ("field.unknown", "colour"),
        ("attribute.name_invalid", "attributes.9"),
    }


async def test_rows_of_another_outcome_can_be_fetched_the_same_way(acme: httpx.AsyncClient) -> None:
    one = await upload(acme, b"phone,name\r\n+5511999990001,Ana\r\n+5511999990001,Bia\r\n")
    path = f"{LISTS}/{one['id']}/rejections"
    answer = await acme.get(path, params={"outcome": "duplicate"}, headers={"Accept": "text/csv"})
    assert answer.content == b"phone,name,error_code,error_detail\r\n+5511999990001,Bia,,\r\n"
    found = (await acme.get(path, params={"outcome": "duplicate"})).json()["items"]
    assert [each["first_name"] for each in found] == ["Bia"]
    assert await rejected(acme, one) == []


JSON, CSV = "application/json", "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/csv", CSV),
        ("Text/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("text/html, text/csv;q=0.2", CSV),
        ("application/json;q=0.1, text/csv", CSV),
        ("text/csv;q=0.1, application/json;q=0.9", JSON),
        ("text/csv;q=0, */*", JSON),
        ("", JSON),
        ("text/html", None),
        ("text/csv;q=0", None),
        ("application/json;q=0", None),
        ("nonsense", None),
    ],
)
async def test_the_accept_header_chooses_between_json_and_csv(
    acme: httpx.AsyncClient, accept: str | None, given: str | None
) -> None:
    one = await create(acme, "velip")
    headers = {} if accept is None else {"Accept": accept}
    answer = await acme.get(f"{LISTS}/{one['id']}/rejections", headers=headers)
    if given is None:
        assert problem(answer) == refusal(406, "not_acceptable")
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, given)
