"""Who goes where in a whole list: what is remembered of others' ways changes nobody's, nor any profile."""

import random
from typing import Any

import pytest

from gateway.canonical import Contact, DuplicatePolicy
from gateway.ingest import Intake, JsonRow, Normaliser, Source, SourceInfo, Suppressed, collect
from gateway.planning import Chain, Router, profile_of, profiles_of
from gateway.routing import Asked, Reroutings, destinations_for
from gateway.settings import RouteIn, Tenant
from gateway.store.reroutings import Rerouting
from tests.harness import head

COUNTRY, TAG = {"when": {"country": ["IN"]}, "to": ["india"]}, {"when": {"tag": ["gold", "red"]}, "to": ["gold", "b"]}
SHARE, REST = {"when": {"percent": 40}, "to": ["canary"]}, {"to": ["main"]}
FIXED = {"when": {"channel": "voice", "min_contacts": 1}, "to": ["voice"]}
ROUTES = {
    "country": [COUNTRY, REST],
    "tag": [TAG, REST],
    "both": [TAG, COUNTRY, REST],
    "a share": [SHARE, REST],
    "all": [COUNTRY, SHARE, TAG, REST],
    "the same for all": [FIXED, COUNTRY],
    "only some have one": [COUNTRY],
    "none": [],
}
PERCENT = Rerouting(1, "acme", "main", "other", "percent", 50.0, None, "me", "2026-11-21T00:00:00Z")
FULL = Rerouting(2, "acme", "main", "other", "full", None, None, "me", "2026-11-21T00:00:00Z")
REROUTINGS: list[Reroutings] = [{}, {"main": PERCENT}, {"main": FULL}]


class Barred(Suppressed):
    def among(self, phones: Any) -> Any:
        return {phone for phone in phones if phone.endswith("7")}


def taken_in(barred: bool = False, repeats: bool = False) -> Intake:
    """People of two countries with and without tags, in no order; the last ones alone bring more fields."""
    chance = random.Random(20_261_121)
    rows: list[dict[str, Any]] = []
    for number in range(200):
        phone = chance.choice(("+55119{:08d}", "+9198{:08d}")).format(10_000_000 + number)
        tag = chance.choice((None, "gold", "red", f"own-{number}"))
        rows.append({"phone": phone, "tag": tag} | ({"attributes": {f"a{number % 3}": "x"}} if number % 7 else {}))
    if barred:
        rows.append({"phone": "+5511910009997", "email": "ana@example.org"})
    if repeats:
        rows.append({**rows[0], "company": "Acme", "attributes": {"again": "x"}})
    source = Source.of_rows(SourceInfo(format="json"), (JsonRow(row, item) for row, item in enumerate(rows, 1)))
    return collect(source, Normaliser(None), DuplicatePolicy.KEEP_FIRST, Barred() if barred else Suppressed())


def naively(tenant: Tenant, named: str | None, intake: Intake, reroutings: Reroutings) -> dict[Chain, list[Contact]]:
    groups: dict[Chain, list[Contact]] = {}
    for one in intake.contacts():
        asked = Asked("acme", head(destination=named), intake.kept, one)
        groups.setdefault(destinations_for(tenant, asked, reroutings), []).append(one)
    return groups


@pytest.mark.parametrize("reroutings", REROUTINGS, ids=["as routed", "a share elsewhere", "all elsewhere"])
@pytest.mark.parametrize("named", [None, "main"])
@pytest.mark.parametrize("routes", ROUTES)
def test_everybody_goes_where_the_routes_say(routes: str, named: str | None, reroutings: Reroutings) -> None:
    tenant = Tenant("acme", None, {}, tuple(RouteIn.model_validate(route) for route in ROUTES[routes]))
    intake = taken_in()
    wanted = naively(tenant, named, intake, reroutings)
    router = Router(tenant, head(destination=named), intake.kept, reroutings)
    found: dict[Chain, list[Contact]] = {}
    for one in intake.contacts():
        found.setdefault(router.chain_of(one), []).append(one)
    assert found == wanted
    profiles = profiles_of(router, intake)
    assert list(profiles.items()) == [(chain, profile_of(people)) for chain, people in wanted.items()]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("barred", [False, True])
def test_a_profile_is_that_of_the_contacts_that_are_sent(barred: bool, repeats: bool) -> None:
    """Not that of suppressed ones and repeats, which may bring fields of their own."""
    intake = taken_in(barred, repeats)
    sent = list(intake.contacts())
    assert (len(sent) < intake.valid) is (barred or repeats)
    assert intake.profile() == profile_of(sent)
