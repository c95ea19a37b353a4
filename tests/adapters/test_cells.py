"""The toolkit's cells: every source in its place, whatever the order."""

from itertools import permutations

import pytest

from adapters.toolkit.cells import cells_of
from gateway.canonical import Contact

ONE = Contact(row=1, key="k", phone="+5511990000001", company="Acme", attributes={"plan": "gold", "city": "Santos"})
HAS = {"phone": "+5511990000001", "company": "Acme", "email": None, "attributes.plan": "gold", "attributes.x": None}


@pytest.mark.parametrize("number", range(len(HAS) + 1))
def test_each_source_has_its_place(number: int) -> None:
    for sources in permutations(HAS, number):
        assert list(cells_of(sources)(ONE)) == [HAS[source] for source in sources]
