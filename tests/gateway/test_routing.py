"""Routing: ordered rules, judged contact by contact, with a canary that sticks."""

from typing import Any

import pytest

from gateway.routing import Asked, Considered, destinations_for, explain, percentile
from gateway.settings import RouteIn, Tenant
from tests.harness import contact, head


def tenant(*routes: dict[str, Any]) -> Tenant:
    return Tenant("acme", None, {}, tuple(RouteIn.model_validate(route) for route in routes))


def asked(number: int = 10, *, list_: dict[str, Any] | None = None, **fields: Any) -> Asked:
    return Asked("acme", head(**(list_ or {})), number, contact(**fields))


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"channel": "whatsapp"}, asked(list_={"channel": "whatsapp"}), asked()),
        ({"channel": ["voice", "sms"]}, asked(), asked(list_={"channel": "whatsapp"})),
        ({"country": ["IN", "BR"]}, asked(region="BR"), asked(region="ES")),
        ({"country": ["IN"]}, asked(region="IN"), asked(region="")),
        ({"tag": "gold"}, asked(tag="gold"), asked()),
        ({"reference": "crm-*"}, asked(list_={"reference": "crm-7"}), asked(list_={"reference": "erp-7"})),
        ({"reference": "crm-*"}, asked(list_={"reference": "crm-"}), asked()),
        ({"min_contacts": 10}, asked(10), asked(9)),
        ({"max_contacts": 10}, asked(10), asked(11)),
        ({"percent": 100}, asked(), None),
        ({"percent": 0}, None, asked()),
        ({"tag": "gold", "country": ["BR"]}, asked(tag="gold", region="BR"), asked(tag="gold", region="IN")),
    ],
)
def test_conditions(when: dict[str, Any], yes: Asked | None, no: Asked | None) -> None:
    rules = tenant({"when": when, "to": ["a", "b"]})
    assert yes is None or destinations_for(rules, yes) == ("a", "b")
    assert no is None or destinations_for(rules, no) == ()


def test_the_first_match_wins_and_the_request_wins_over_all() -> None:
    rules = tenant({"when": {"tag": "gold"}, "to": ["a"]}, {"to": ["b"]}, {"to": ["c"]})
    assert destinations_for(rules, asked(tag="gold")) == ("a",)
    assert destinations_for(rules, asked()) == ("b",)
    assert destinations_for(rules, asked(tag="gold", list_={"destination": "z"})) == ("z",)


def test_a_canary_is_sticky_and_as_large_as_asked() -> None:
    rules = tenant({"when": {"percent": 10}, "to": ["canary"]}, {"to": ["main"]})
    chosen = [destinations_for(rules, asked(row=row)) for row in range(1, 10_001)]
    again = [destinations_for(rules, asked(row=row)) for row in range(1, 10_001)]
    assert chosen == again
    assert 900 <= chosen.count(("canary",)) <= 1_100


def test_a_larger_canary_keeps_those_it_had() -> None:
    shares = [percentile("acme", f"+55119{number:08d}") for number in range(2_000)]
    assert {place for place, share in enumerate(shares) if share < 10} <= {
        place for place, share in enumerate(shares) if share < 25
    }
    assert percentile("acme", "+5511900000001") != percentile("other", "+5511900000001")


def test_every_route_is_explained() -> None:
    rules = tenant({"when": {"country": ["IN"]}, "to": ["a"]}, {"to": ["b", "c"]}, {"to": ["d"]})
    assert explain(rules, asked(region="BR")) == [
        Considered(0, ("a",), False, "country is BR, the route wants IN"),
        Considered(1, ("b", "c"), True, "every condition holds"),
        Considered(2, ("d",), False, "an earlier route takes the contact"),
    ]
    assert explain(rules, asked(list_={"destination": "z"}))[0] == Considered(
        None, ("z",), True, "the request names this destination"
    )
