"""Exotel campaign lists and contacts, API v2 (https://developer.exotel.com/api/campaigns-lists, read 2025-11).

A list is a named set of references to contacts of the account's address book, filled by JSON (contacts, then
references, with a verdict for each) or by CSV (asynchronous, with counts only). It dials nobody: campaigns do.
"""

from base64 import b64encode
from datetime import datetime

from pydantic import SecretStr

from adapters.exotel.csv_path import deliver
from adapters.exotel.echoes import echo
from adapters.exotel.exchanges import append, browse, check, create, delete, read, remove, rename, status
from adapters.exotel.find import find
from adapters.exotel.losses import ORDINARY, examine, examine_list
from adapters.exotel.mapping import COLUMNS, FIELDS, NUMBER
from adapters.exotel.paths import plan
from adapters.exotel.settings import Credentials, ListOptions, Options
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
    Token,
    Verb,
    hookimpl,
)
from gateway.contract.simulation import Simulator

NO_DIALLER = "Exotel lists dial nobody; pause or resume the campaign (PUT /campaigns/{id}) through the pass-through"


def basic(credentials: Credentials, now: datetime, nonce: str) -> Token:  # noqa: ARG001
    """HTTP Basic of key and token, in the header and never in the URL; the account's sid stands in the path."""
    pair = f"{credentials.api_key.get_secret_value()}:{credentials.api_token.get_secret_value()}"
    return Token(SecretStr(b64encode(pair.encode()).decode()))


CAPABILITIES = {
    Verb.DELIVER: Capability(Support.NATIVE, "CSV upload, which makes the list; the vendor counts", Evidence.OBSERVED),
    Verb.CREATE: Capability(Support.NATIVE, "one call for all the lists of a delivery"),
    Verb.APPEND: Capability(Support.NATIVE, "by JSON two calls for each 5000 contacts, by CSV one and its status"),
    Verb.FIND: Capability(Support.NATIVE, "list by name, upload by its id, then the list's contacts page by page"),
    Verb.BROWSE: Capability(Support.NATIVE),
    Verb.READ: Capability(Support.NATIVE, "fields beyond the sid are presumed", Evidence.JUDGED),
    Verb.STATUS: Capability(Support.NATIVE, "the name of the contact count is not documented: it is among the facts"),
    Verb.RENAME: Capability(Support.NATIVE, "our key stays behind the name"),
    Verb.DELETE: Capability(Support.NATIVE, "the contacts stay in the account's address book"),
    Verb.REMOVE: Capability(
        Support.NATIVE, "by the contact's sid; without one, as after CSV, the list is read first, 20 contacts a call"
    ),
    Verb.CHECK: Capability(Support.NATIVE, "reads one list at most"),
    Verb.STOP: Capability(Support.NONE, NO_DIALLER),
    Verb.RESUME: Capability(Support.NONE, NO_DIALLER),
}

LIMITS = Limits(
    batch_size=500_000,  # the plan cuts JSON at 5000 and CSV below 60 MB
    contacts_per_list=500_000,  # the plan cuts static lists at 100 000
    requests_per_minute=30,
    concurrency=4,
    page_size=20,
    visibility_delay=30.0,
    timeout=120.0,
)

FACTS = (
    Fact("contacts per create call", "5000"),
    Fact("references per add call", "5000"),
    Fact("lists per bulk update", "5000"),
    Fact("contacts in a static list", "100 000"),
    Fact("contacts in a dynamic list", "500 000"),
    Fact("size of a CSV", "under 60 MB"),
    Fact("columns of a dynamic CSV besides number", "5", Evidence.JUDGED),
    Fact("page of a list's contacts", "20 by default, 500 at most"),
    Fact("rate", "30 a minute; the vendor's pages also say 200 and 300", Evidence.JUDGED),
    Fact("concurrent connections", "50", Evidence.VENDOR_CODE),
    Fact("time until a list is visible", "30 s assumed", Evidence.JUDGED),
    Fact("processing of an upload", "minutes, 15 are normal"),
)

_ACCOUNT = "/v2/accounts/[A-Za-z0-9_-]+"
_ID = "[A-Za-z0-9_-]+"
PASSTHROUGH = (
    Passthrough("GET", f"{_ACCOUNT}/contacts", "contacts of the address book, 20 a page"),
    Passthrough("GET", f"{_ACCOUNT}/contacts/{_ID}", "one contact"),
    Passthrough("PUT", f"{_ACCOUNT}/contacts", "change many contacts"),
    Passthrough("PUT", f"{_ACCOUNT}/contacts/{_ID}", "change one contact"),
    Passthrough("DELETE", f"{_ACCOUNT}/contacts/{_ID}", "delete a contact for good"),
    Passthrough("POST", f"{_ACCOUNT}/campaigns", "start a voice campaign over lists: this dials people"),
    Passthrough("PUT", f"{_ACCOUNT}/campaigns/{_ID}", "pause, resume or complete a campaign"),
    Passthrough("POST", f"{_ACCOUNT}/sms-campaigns", "start an SMS campaign (beta): this messages people"),
    Passthrough("POST", f"{_ACCOUNT}/message-campaigns", "start a message campaign: this messages people"),
)

ADAPTER = Adapter(
    name="exotel",
    title="Exotel campaign lists",
    api_version="v2",
    documentation="https://developer.exotel.com/api/campaigns-lists",
    auth=Auth("Authorization", "Basic ", basic),
    credentials=Credentials,
    options=Options,
    list_options=ListOptions,
    capabilities=CAPABILITIES,
    limits=LIMITS,
    fields=FIELDS,
    activation=ActivationKind.PASSIVE,
    activation_note="start a campaign over the list at Exotel (POST /v2/accounts/{account_sid}/campaigns)",
    examine_list=examine_list,
    examine=examine,
    ordinary=ORDINARY,
    plan=plan,
    deliver=deliver,
    create=create,
    append=append,
    find=find,
    browse=browse,
    read=read,
    echo=echo,
    status=status,
    rename=rename,
    delete=delete,
    remove=remove,
    check=check,
    export={"phone": NUMBER.header, **COLUMNS},
    facts=FACTS,
    passthrough=PASSTHROUGH,
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    return ADAPTER


@hookimpl
def provide_simulator() -> Simulator:
    from adapters.exotel.simulator import ExotelSimulation

    return Simulator("exotel", ExotelSimulation)
