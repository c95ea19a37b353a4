"""Reading lists and tasks until what is looked for is seen, or the vendor has no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.voximplant import calls
from adapters.voximplant.codes import UNKNOWN_LIST
from adapters.voximplant.mapping import task_uuid, uuid_of
from adapters.voximplant.wire import CallList
from gateway.canonical import Outcome
from gateway.contract import Batch, Exchange, Item, Refused, ask


def one_list(list_id: str) -> Exchange[CallList | None]:
    """The list with this id; None when the vendor has none. How it says so is not documented: 251, 255 or no list."""
    try:
        page = yield from ask(calls.lists(list_id=list_id, count=1))
    except Refused as error:
        if error.code in UNKNOWN_LIST:
            return None
        raise
    return next((one for one in page.result if str(one.list_id) == list_id), None)


def every_list(name: str | None) -> Exchange[list[CallList]]:
    """All lists that the vendor finds for this name, or all that there are."""
    found: dict[int, CallList] = {}
    offset = 0
    while True:
        page = yield from ask(calls.lists(name=name, count=calls.MOST_IN_A_PAGE, offset=offset))
        fresh = {one.list_id: one for one in page.result if one.list_id not in found}
        found |= fresh
        offset += len(page.result)
        if not fresh or offset == page.total_count:
            return list(found.values())


@dataclass(slots=True)
class Sighting:
    """The contacts seen, and why those not seen may be there all the same."""

    items: Mapping[str, Item] = field(default_factory=dict)
    doubt: str = ""


def look_for(list_id: str, batch: Batch) -> Exchange[Sighting]:
    """The contacts of a batch among the tasks of a list, by their `__task_uuid`."""
    keys = {task_uuid(contact.key): contact.key for contact in batch.contacts}
    items: dict[str, Item] = {}
    ids: set[int] = set()
    doubt = ""
    offset = 0
    while len(items) < len(keys):
        page = yield from ask(calls.tasks(list_id, count=calls.MOST_IN_A_PAGE, offset=offset))
        for task in page:
            uuid = uuid_of(task)
            if uuid is None:
                doubt = "the vendor shows tasks without their keys"
            elif uuid in keys:
                items[keys[uuid]] = Item(Outcome.ACCEPTED, str(task.task_id))
        if page and not ids.isdisjoint(task.task_id for task in page):
            # Order is not documented: a task that comes twice means that another may not have come at all.
            doubt = "the vendor's pages overlap"
        fresh = {task.task_id for task in page} - ids
        ids |= fresh
        offset += len(page)
        if not fresh:
            break
    return Sighting(items, doubt)
