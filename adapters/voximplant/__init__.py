"""Voximplant call lists: Management API (https://api.voximplant.com/platform_api), as documented in November 2026.

A call list is an uploaded CSV file with dialling settings; each row starts a VoxEngine scenario that places the call.
**Creating a list dials.** Reference:
https://docs.voximplant.ai/api-reference/management-api/reference/call-lists/create-call-list and its siblings; the
API has no version number and no changelog of its own. The adapter's README has the rest.
"""

from adapters.voximplant import exchanges, findings, upkeep
from adapters.voximplant.columns import TASK_PRIORITY, TASK_UUID, TEXT_COLUMNS
from adapters.voximplant.fields import FIELDS, ORDINARY, examine, examine_list
from adapters.voximplant.mapping import echo
from adapters.voximplant.settings import Credentials, ListOptions, Options
from adapters.voximplant.tokens import token
from gateway.contract import (
    ActivationKind,
    Adapter,
    Auth,
    Capability,
    Evidence,
    Fact,
    Limits,
    Passthrough,
    Support,
    Verb,
    hookimpl,
)
from gateway.contract.simulation import Simulator

API_VERSION = "platform_api, read 2026-11"

CAPABILITIES = {
    Verb.DELIVER: Capability(Support.NATIVE, "creating a list dials at once, or at schedule.start_at"),
    Verb.CREATE: Capability(Support.NONE, "a list is made with its first contacts (deliver)", Evidence.JUDGED),
    Verb.APPEND: Capability(Support.NATIVE, "appended contacts are dialled as well"),
    Verb.FIND: Capability(
        Support.EMULATED,
        "the list by its exact name, then its contacts by __task_uuid: a call per 1000 contacts on the list",
        Evidence.VENDOR_CODE,
    ),
    Verb.BROWSE: Capability(Support.NATIVE, "1000 lists a call", Evidence.VENDOR_CODE),
    Verb.READ: Capability(
        Support.NATIVE, "1000 contacts a call, and one more that shows the end", Evidence.VENDOR_CODE
    ),
    Verb.STATUS: Capability(Support.NATIVE, "the vendor gives no count of contacts", Evidence.DOCUMENTED),
    Verb.RENAME: Capability(Support.NATIVE, "the name; call lists have no description"),
    Verb.DELETE: Capability(Support.NATIVE, "a list in progress is stopped first", Evidence.VENDOR_CODE),
    Verb.REMOVE: Capability(
        Support.EMULATED, "the contact is cancelled and stays on the list as Canceled", Evidence.VENDOR_CODE
    ),
    Verb.STOP: Capability(Support.NATIVE, upkeep.STILL_DIALLING, Evidence.VENDOR_CODE),
    Verb.RESUME: Capability(
        Support.NATIVE,
        "whether it brings back contacts that were removed one by one is not documented",
        Evidence.VENDOR_CODE,
    ),
    Verb.CHECK: Capability(Support.NATIVE, "asks for one list", Evidence.VENDOR_CODE),
}

LIMITS = Limits(
    # Rows per file, per list and requests per second are not documented: these are ours, on the careful side.
    batch_size=10_000,
    contacts_per_list=100_000,
    requests_per_minute=120,
    concurrency=2,
    page_size=1_000,
    visibility_delay=30.0,
    timeout=60.0,
)

FACTS = (
    Fact("account balance", "at least 1 USD, else a list does not start, or stops"),
    Fact("attempts per contact", "1 to 5"),
    Fact("list name", "255 characters, no slash, no backslash"),
    Fact("list priority", "0 (highest) to 2147483647"),
    Fact("key of a contact (__task_uuid)", "40 letters, digits, hyphens and colons; unique within the list"),
    Fact("token", "a service-account JWT (RS256), valid for at most an hour"),
    Fact("role", "Owner, Admin, Developer or Call list manager"),
    Fact("lists per page", "1000", Evidence.VENDOR_CODE),
    Fact("contacts per page", "1000", Evidence.VENDOR_CODE),
    Fact("rows and bytes per file, contacts per list", "not documented; 10 000 and 100 000 are used", Evidence.JUDGED),
    Fact("request rate", "not documented; 120 a minute, 2 at once are used", Evidence.JUDGED),
    Fact("time until a new list can be found", "not documented; 30 s are used", Evidence.JUDGED),
)

PASSTHROUGH = (
    # What the canonical model lacks and what makes nobody be called.
    Passthrough("POST", "/GetCallLists", "lists with all of the vendor's filters"),
    Passthrough("POST", "/GetCallListDetails", "contacts of one upload (batch_id), or as a CSV file"),
    Passthrough("POST", "/EditCallListTasksPriority", "priorities of contacts on a list"),
    Passthrough("POST", "/CancelCallListBatch", "cancel one upload"),
)

ADAPTER = Adapter(
    name="voximplant",
    title="Voximplant call lists",
    api_version=API_VERSION,
    documentation="https://docs.voximplant.ai/api-reference/management-api/reference/call-lists/create-call-list",
    auth=Auth("Authorization", "Bearer ", token),
    credentials=Credentials,
    options=Options,
    list_options=ListOptions,
    capabilities=CAPABILITIES,
    limits=LIMITS,
    fields=FIELDS,
    activation=ActivationKind.DIALS,
    activation_note="a delivered list dials at once, or from schedule.start_at on, within schedule.daily_window",
    examine_list=examine_list,
    examine=examine,
    ordinary=ORDINARY,
    deliver=exchanges.deliver,
    append=exchanges.append,
    find=findings.find,
    browse=upkeep.browse,
    read=upkeep.read,
    echo=echo,
    status=upkeep.status,
    rename=upkeep.rename,
    delete=upkeep.delete,
    remove=upkeep.remove,
    stop=upkeep.stop,
    resume=upkeep.resume,
    check=upkeep.check,
    export={"phone": "phone_number", "id": TASK_UUID, **TEXT_COLUMNS, "priority": TASK_PRIORITY},
    facts=FACTS,
    passthrough=PASSTHROUGH,
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    return ADAPTER


@hookimpl
def provide_simulator() -> Simulator:
    from adapters.voximplant.simulator import VoximplantSimulation

    return Simulator("voximplant", VoximplantSimulation)
