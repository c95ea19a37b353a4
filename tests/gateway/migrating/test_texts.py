"""The plan for a terminal: everything that it says, in columns, and nothing that moves a cursor."""

import pytest

from gateway.migrating.documents import ListPlan, PlanOut
from gateway.migrating.texts import plan_text
from tests.gateway.migrating.samples import PLAN
from tests.gateway.migrating.test_page import leaves

HEAD = """\
  Plan           pl_0006
  Digest         0707070707070707070707070707070707070707070707070707070707070707
  Made           2026-11-20T09:58:00Z
  To             exotel-in (exotel, API v2)
  Takes          1,197 calls, at least 1 h 2 min
  Activation     the target starts when a campaign takes the list
  Rows           /v1/migrations/mg_0005/plan/rows
  Note           nobody is called by both

  12,354  rows at the source
  11,962  moves       go to the target
     207  reached     the source has called or messaged them, or is just doing so
      31  unclear     nobody knows whether the source, which dials, has them
      43  gone        the source does not show them any more
      59  refused     the target cannot take them
       3  suppressed  on the do-not-contact list
      41  absent      never came to the source
       8  invalid     no valid contacts at the source

Lost
  field        loss       contacts  why
  email        dropped      11,861  the target has no field for an address
  description  truncated  the list  the target keeps 128 characters

Not carried as it is
  field  carried  to  why
  email  none     -   there is no field for an address
"""
LAST = """\
List 2: Welcome
  List           cl_0003
  From           vox-main
  Contacts       2 contacts, known from our own store
  Refused        its name is too long for the target
  Takes          599 calls, 2 lists there, at least 1 min 59 s
  Stop           the vendor stops it, and list 2 says so
  Activation     passive
  Note           note 2

  2  rows at the source
  2  moves       go to the target
"""


def test_the_whole_plan() -> None:
    head, _, last = plan_text(PLAN).replace("\nList 2", "\nList 1", 1).split("\nList 1")
    assert (head, "List 2" + last) == (HEAD, LAST)


def test_everything_of_every_list_is_told() -> None:
    text = " ".join(plan_text(PLAN).split())
    silent = {0, 59.5, 119.0, "vendor", "store"}
    missing = [
        one
        for one in leaves(PLAN.lists)
        if one not in silent
        and one not in {each.source.digest for each in PLAN.lists}
        and (f"{one:,}" if isinstance(one, int) else str(one)) not in text
    ]
    assert missing == []


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_lines_are_wrapped_beside_their_column(width: int) -> None:
    lines = plan_text(PLAN.model_copy(update={"notes": ["word " * 60]}), width).splitlines()
    start = next(no for no, line in enumerate(lines) if line.startswith("  Note"))
    end = lines.index("", start)
    assert "".join(line[17:] + " " for line in lines[start:end]).split() == ["word"] * 60
    assert {line[:17].strip() for line in lines[start + 1 : end]} <= {""}
    assert all(len(line) <= max(width, 17 + 24) for line in lines[start:end])


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;owned\x07", "a\nb\r", "\u202egnitar", "\x9b31m", "Renovações"])
def test_no_text_moves_the_cursor(name: str) -> None:
    first: ListPlan = PLAN.lists[0].model_copy(update={"name": name, "notes": [name]})
    plan: PlanOut = PLAN.model_copy(update={"lists": [first], "notes": [name], "target": name})
    text = plan_text(plan)
    assert [one for one in text if not one.isprintable() and one != "\n"] == []
    assert text.count("\n") == plan_text(plan.model_copy(update={"target": "x"})).count("\n")
    assert (name in text) is name.isprintable()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59.5, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_599.5, "1 h 0 min"),
        (3_601, "1 h 1 min"),
        (7_199, "2 h 0 min"),
        (36_000_000, "10,000 h 0 min"),
    ],
)
def test_time_is_never_less_than_it_is(seconds: float, said: str) -> None:
    assert f"at least {said}\n" in plan_text(PLAN.model_copy(update={"seconds": seconds, "lists": []}))
