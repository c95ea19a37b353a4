"""What the adapters share: names of attributes, and places in lists that are read by offset."""

import pytest

from adapters.toolkit.attribute_names import as_attributes
from adapters.toolkit.pages import Place


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["plan", "due_date"], ["plan", "due_date"]),
        (["Due date", "2nd", "é", ""], ["Due_date", "_2nd", "_", "__2"]),
        (["a b", "a-b", "a_b"], ["a_b_2", "a_b_3", "a_b"]),
        (["x" * 70, "x" * 80], ["x" * 64, "x" * 60 + "_2"]),
    ],
)
def test_every_column_keeps_a_name_of_its_own(columns: list[str], names: list[str]) -> None:
    assert as_attributes({column: column for column in columns}) == dict(zip(names, columns, strict=True))


def test_a_cursor_names_its_place() -> None:
    cursor = Place.of("40").after(["a", "b"])
    place = Place.of(cursor)
    assert (place.offset, place.overlapping, place.known) == (42, 41, 1)
    assert (place.moved(["b", "c"]), place.circle(["c", "d"])) == ("", "")
    assert [bool(place.moved(page)) for page in ([], ["c"], ["a", "b"])] == [True, True, True]
    assert [bool(place.circle(page)) for page in ([], ["a", "b"])] == [False, True]


def test_the_beginning_follows_on_nothing() -> None:
    place = Place.of(None)
    assert (place, place.overlapping, place.known) == (Place(), 0, 0)
    assert (place.moved([]), place.moved(["a"]), place.circle(["a"])) == ("", "", "")
