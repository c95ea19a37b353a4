"""Kore.ai Contact Center AI, campaign contact lists filled by API (`source` `passiveApi`).

List calls of API v2, adding contacts by API 1.1 (there is no other):
https://docs.kore.ai/ai-for-service/apis/contact-center/api-list, read 2025-12. A list is made empty, then filled by its
*name*; adds are queued without a word on what became of them, at 60 calls a minute for the whole account.
"""

from typing import TYPE_CHECKING

from adapters.koreai.examination import ORDINARY, examine, examine_list
from adapters.koreai.exchanges import append, create, find
from adapters.koreai.mapping import FIELDS, RECORD_KEYS, START_NOTE, echo
from adapters.koreai.settings import Credentials, ListOptions, Options
from adapters.koreai.tokens import AUTH
from adapters.koreai.upkeep import browse, check, delete, read, rename, status
from gateway.contract import (
    ActivationKind,
    Adapter,
    Capability,
    Evidence,
    Fact,
    Limits,
    Passthrough,
    Support,
    Verb,
    hookimpl,
)

if TYPE_CHECKING:
    from gateway.contract.simulation import Simulator

API_VERSION = "lists v2, addContacts 1.1"
DOCUMENTATION = "https://docs.kore.ai/ai-for-service/apis/contact-center/api-list"

CAPABILITIES = {
    Verb.CREATE: Capability(Support.NATIVE, "a list is born empty"),
    Verb.APPEND: Capability(
        Support.NATIVE, "queued by the vendor: a look-up before and looks at the count after, at least 3 calls a batch"
    ),
    Verb.FIND: Capability(
        Support.EMULATED, "our key in the list's name, then its count; one or two calls", Evidence.JUDGED
    ),
    Verb.BROWSE: Capability(Support.NATIVE, "all lists in one answer; by name is a search through it"),
    Verb.READ: Capability(
        Support.NATIVE, "the first 50 contacts; later ones only with the option page_parameter", Evidence.VENDOR_CODE
    ),
    Verb.STATUS: Capability(Support.NATIVE, "count and state; whether its campaign is calling is not shown"),
    Verb.RENAME: Capability(Support.NATIVE, "one call a list; our key stays in the name"),
    Verb.DELETE: Capability(Support.NATIVE, "not while a campaign uses the list; three calls"),
    Verb.CHECK: Capability(Support.NATIVE, "reads all lists"),
    Verb.DELIVER: Capability(Support.NONE, "a list is made empty, then filled"),
    Verb.REMOVE: Capability(
        Support.NONE,
        "Kore.ai documents no removal of one contact: put the number on the campaign's DNC list, or make a new list",
    ),
    Verb.STOP: Capability(Support.NONE, "a list does not dial; pause the campaign in the campaign console"),
    Verb.RESUME: Capability(Support.NONE, START_NOTE),
}

FACTS = (
    Fact("list name", "48 characters"),
    Fact("list description", "256 characters, required"),
    Fact("rate", "60 requests a minute for all Contact Center AI calls of an account"),
    Fact("contacts a page when reading", "50; how to ask for the next page is not documented", Evidence.VENDOR_CODE),
    Fact("contacts an add", "not documented; 100 unless `limits.batch_size` says otherwise", Evidence.JUDGED),
    Fact("contacts a list", "not documented; 100 000 unless `limits` say otherwise", Evidence.JUDGED),
    Fact("names", "told apart without regard to case", Evidence.JUDGED),
    Fact("what makes two contacts duplicates", "not documented; repeats of a number are removed here", Evidence.JUDGED),
    Fact("token", "HS256, one for each request: a jti may not be used twice"),
)

PASSTHROUGH = (
    Passthrough("GET", r"/campaign/api/v2/public/[\w.-]+/campaign/contactList/[\w.-]+", "one list"),
    Passthrough("GET", r"/campaign/api/v2/public/[\w.-]+/campaign/contactList/[\w.-]+/getAllContacts", "its contacts"),
    Passthrough(
        "POST", r"/campaign/api/v2/public/[\w.-]+/campaign/[\w.-]+/status", "state of a campaign, or outcome by contact"
    ),
)
"""Reads only: creating, scheduling and starting campaigns are left to the console, since they can make calls."""

ADAPTER = Adapter(
    name="koreai",
    title="Kore.ai",
    api_version=API_VERSION,
    documentation=DOCUMENTATION,
    auth=AUTH,
    credentials=Credentials,
    options=Options,
    list_options=ListOptions,
    capabilities=CAPABILITIES,
    limits=Limits(
        batch_size=100,
        contacts_per_list=100_000,
        requests_per_minute=60,
        concurrency=2,
        page_size=50,
        visibility_delay=10.0,
    ),
    fields=FIELDS,
    activation=ActivationKind.PASSIVE,
    activation_note=START_NOTE,
    examine_list=examine_list,
    examine=examine,
    ordinary=ORDINARY,
    create=create,
    append=append,
    find=find,
    browse=browse,
    read=read,
    echo=echo,
    status=status,
    rename=rename,
    delete=delete,
    check=check,
    export={"phone": "phoneNumber", "id": "uniqueId", **RECORD_KEYS, "priority": "contactPriority"},
    counts_only=True,
    facts=FACTS,
    passthrough=PASSTHROUGH,
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    """Kore.ai."""
    return ADAPTER


@hookimpl
def provide_simulator() -> "Simulator":
    """The simulator, imported only when one is wanted."""
    from adapters.koreai.simulator import KoreaiSimulation
    from gateway.contract.simulation import Simulator

    return Simulator("koreai", KoreaiSimulation)
