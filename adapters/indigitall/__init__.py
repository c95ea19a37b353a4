"""indigitall chat campaigns (WhatsApp): the chat API's `Send campaign from CSV`, read 2026-11.

There is no stored list: each request sends an existing campaign to the rows of a CSV file, and messages people.
https://documentation.indigitall.com/reference/sendcampaigncsv
https://documentation.indigitall.com/reference/sendcampaignlist
https://documentation.iurny.com/docs/server-keys
"""

from datetime import datetime

from adapters.indigitall.exchanges import append, check, deliver, plan
from adapters.indigitall.mapping import FIELDS, ORDINARY, VARIABLES, examine, examine_list
from adapters.indigitall.settings import Credentials, ListOptions, Options
from gateway.contract import (
    ActivationKind,
    Adapter,
    Auth,
    Capability,
    Evidence,
    Fact,
    Limits,
    Support,
    Token,
    Verb,
    hookimpl,
)
from gateway.contract.simulation import Simulator

_NOTHING_STORED = "indigitall stores no list; the gateway keeps it, with what was sent"
_NO_REPORT = "no send can be looked up: see the console, then give the outcome with `resolve`"
_NO_CANCEL = "no documented call stops a send: pause or archive the campaign in the console"

CAPABILITIES = {
    Verb.DELIVER: Capability(
        Support.NATIVE,
        "each file is one send that messages people; asked once, never repeated when its outcome is unclear",
    ),
    Verb.CREATE: Capability(Support.NONE, "a list cannot be stored without being sent; `hold` keeps it in the gateway"),
    Verb.APPEND: Capability(
        Support.EMULATED, "a further send of the campaign that messages only the added contacts", Evidence.JUDGED
    ),
    Verb.FIND: Capability(Support.NONE, _NO_REPORT, Evidence.JUDGED),
    Verb.BROWSE: Capability(Support.NONE, _NOTHING_STORED),
    Verb.READ: Capability(Support.NONE, _NOTHING_STORED),
    Verb.STATUS: Capability(Support.NONE, "no report of a send is documented: see the campaign in the console"),
    Verb.RENAME: Capability(Support.NONE, _NOTHING_STORED),
    Verb.DELETE: Capability(
        Support.NONE, "there is no list to delete; messages that went out stay with their receivers"
    ),
    Verb.REMOVE: Capability(Support.NONE, "a sent row cannot be taken back; suppress the number before the next send"),
    Verb.STOP: Capability(Support.NONE, _NO_CANCEL),
    Verb.RESUME: Capability(
        Support.NONE, "nothing can be stopped, so nothing resumed; send what is missing as a new list"
    ),
    Verb.CHECK: Capability(
        Support.EMULATED,
        "a GET of the operator's choice (option check_path); without it there is no harmless call",
        Evidence.OBSERVED,
    ),
}

LIMITS = Limits(batch_size=10_000, contacts_per_list=10_000, requests_per_minute=60, concurrency=1, timeout=120.0)
"""All our own judgement: the vendor documents neither rows, nor bytes, nor a rate. A small file keeps an unclear
outcome small."""

FACTS = (
    Fact("identity of a send", "none; the gateway's own key stands in for a list id"),
    Fact("after an accepted send", "submitted, unknown afterwards: no id, no counts, no report", Evidence.JUDGED),
    Fact("rows per file", "not documented; 10 000 here (limits.contacts_per_list)", Evidence.JUDGED),
    Fact("contacts in one JSON send", "100"),
    Fact("scheduleAt", "up to 3 months ahead; at most 89 days here"),
    Fact("delay", "not together with scheduleAt; sent as scheduleAt unless its field's name is configured"),
    Fact("request rate", "not documented; 60 a minute here", Evidence.JUDGED),
    Fact("campaign", "only a proactive campaign can be sent"),
    Fact("send path", "not documented; option send_csv_path, or send_json_path"),
    Fact("authorisation", "ServerKey header", Evidence.OBSERVED),
    Fact(
        "duplicates", "not documented whether a repeated number is messaged twice; assume that it is", Evidence.JUDGED
    ),
    Fact("blocked contacts", "not documented whether a send skips them; assume that it does not", Evidence.JUDGED),
)


def _token(credentials: Credentials, _now: datetime, _nonce: str) -> Token:
    return Token(credentials.server_key)


ADAPTER = Adapter(
    name="indigitall",
    title="indigitall",
    api_version="chat API v1, read 2026-11",
    documentation="https://documentation.indigitall.com/reference/sendcampaigncsv",
    auth=Auth("Authorization", "ServerKey ", _token),
    credentials=Credentials,
    options=Options,
    list_options=ListOptions,
    capabilities=CAPABILITIES,
    limits=LIMITS,
    fields=FIELDS,
    activation=ActivationKind.DIALS,
    activation_note="Every accepted call messages people, at once or at `scheduleAt`; nothing is started afterwards.",
    examine_list=examine_list,
    examine=examine,
    ordinary=ORDINARY,
    plan=plan,
    deliver=deliver,
    append=append,
    check=check,
    export={"phone": "contactCode", **{field: field for field in VARIABLES}},
    facts=FACTS,
    passthrough=(),
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    """The indigitall adapter."""
    return ADAPTER


@hookimpl
def provide_simulator() -> Simulator:
    """The indigitall simulator, loaded only where one is wanted."""
    from adapters.indigitall.simulator import IndigitallSimulation

    return Simulator("indigitall", IndigitallSimulation)
