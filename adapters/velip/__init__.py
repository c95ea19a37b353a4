"""Velip (Brazil), voice campaigns, Public API v2: https://developers.velip.com.br/api/v2/overview/ (read 2026-10).

A list is a stored, passive object that a campaign refers to. It is made in one call with all its contacts; Velip counts
them, and never says which it left out.
"""

from datetime import datetime
from types import MappingProxyType

from adapters.velip.deactivation import delete
from adapters.velip.exchanges import browse, check, deliver, find, status
from adapters.velip.fidelity import ORDINARY, examine, examine_list
from adapters.velip.mapping import EXPORT, FIELDS
from adapters.velip.settings import Credentials, ListOptions, Options
from gateway.canonical import ListHead, Profile
from gateway.contract import (
    ActivationKind,
    Adapter,
    Auth,
    Capability,
    Evidence,
    Fact,
    Limits,
    Passthrough,
    Plan,
    Style,
    Support,
    Token,
    Verb,
    hookimpl,
)
from gateway.contract.simulation import Simulator

API_VERSION = "v2"
DOCUMENTATION = "https://developers.velip.com.br/api/v2/destinations/CreateDestinationBase/"

_JUDGED = Evidence.JUDGED
_NO_CALL = "Velip has no such call; "

CAPABILITIES = MappingProxyType(
    {
        Verb.DELIVER: Capability(Support.NATIVE, "one call with all contacts; counts only, no word on single contacts"),
        Verb.CREATE: Capability(Support.NONE, "a list is made together with its contacts: deliver it"),
        Verb.APPEND: Capability(Support.EMULATED, "costs one more list at Velip, which a campaign takes on its own"),
        Verb.FIND: Capability(Support.NATIVE, "by our key (ctid); compares counts, not contacts"),
        Verb.BROWSE: Capability(Support.NATIVE, "the newest lists; no paging"),
        Verb.READ: Capability(Support.NONE, _NO_CALL + "read the contacts from the gateway, which keeps what it sent"),
        Verb.STATUS: Capability(Support.NATIVE),
        Verb.RENAME: Capability(Support.NONE, _NO_CALL + "deliver the list again under the new name"),
        Verb.DELETE: Capability(
            Support.EMULATED, "deactivates the list, in one write between four reads; its contacts stay at Velip"
        ),
        Verb.REMOVE: Capability(
            Support.NONE,
            _NO_CALL + "suppress the number and deliver a new list, or block it in Velip's portal before a campaign",
        ),
        Verb.STOP: Capability(
            Support.NONE, "a list never dials; pause its campaign: passthrough ChangeCampaign active=0"
        ),
        Verb.RESUME: Capability(
            Support.NONE, "a list never dials; resume its campaign: passthrough ChangeCampaign active=1"
        ),
        Verb.CHECK: Capability(Support.NATIVE, "one attempt of GetUserID; failures count towards Velip's bans"),
    }
)

LIMITS = Limits(
    batch_size=500_000,
    contacts_per_list=500_000,
    requests_per_minute=60,
    concurrency=2,
    page_size=500,
    visibility_delay=30.0,
    timeout=120.0,
)

FACTS = (
    Fact("contacts per list", "500 000, recommended maximum of the older manual and the MCP pages"),
    Fact("free columns", "extra1 to extra4 (portal), extra1 to extra3 (older manual)"),
    Fact("our key of a list", "ctid, at most 15 alphanumerics; the limit is documented for calls", _JUDGED),
    Fact("length of a list's name", "not documented; option name_length, 50 as for campaigns", _JUDGED),
    Fact("requests per minute on list endpoints", "not documented; 60", _JUDGED),
    Fact("visibility of a new list", "import is asynchronous, the period is not documented; 30 s", _JUDGED),
    Fact("unknown-token errors", "15 in 10 minutes ban the address for ever"),
    Fact("failed attempts", "20 in 10 minutes block the address for a while, 100 in 60 minutes ban it for ever"),
    Fact("duplicates", "kept in the list; Velip removes them, by a rule it does not document, when a campaign is made"),
    Fact("block lists", "applied when a campaign is made; no_block=1 of a campaign may switch all of them off"),
    Fact("numbers outside Brazil", "not documented for lists; option foreign_numbers", _JUDGED),
)

_CAMPAIGN = "dials unless cp_ativo is 0; dates and hours are the campaign's; takes active lists only"
PASSTHROUGH = (
    Passthrough("POST", r"/?CreateCampaign(\.php)?", _CAMPAIGN),
    Passthrough("POST", r"/?ChangeCampaign(\.php)?", "pause, resume, reschedule; not while a campaign is loading"),
    Passthrough("POST", r"/?GetCampaignsList(\.php)?", "three keys of the answer end with a space"),
    Passthrough("POST", r"/?GetCallStatus(\.php)?", "200 list requests an hour; numbers may be masked"),
)
"""Campaign calls. GetDestinationsList is left out: its `setactive` writes to every match, which no path can forbid."""


def plan(_head: ListHead, _profile: Profile, _options: Options, limits: Limits) -> Plan:
    """All contacts of a remote list in one call, since Velip cannot append."""
    most = min(limits.contacts_per_list, limits.batch_size)
    return Plan(Style.DELIVER, most, most)


def token(credentials: Credentials, _now: datetime, _nonce: str) -> Token:
    """The permanent token itself."""
    return Token(credentials.tsid)


ADAPTER: Adapter[Credentials, Options] = Adapter(
    name="velip",
    title="Velip",
    api_version=API_VERSION,
    documentation=DOCUMENTATION,
    auth=Auth("Authorization", "Bearer ", token, locks=True),
    credentials=Credentials,
    options=Options,
    list_options=ListOptions,
    capabilities=CAPABILITIES,
    limits=LIMITS,
    fields=FIELDS,
    activation=ActivationKind.PASSIVE,
    activation_note="start a campaign on the list in Velip's portal, or with passthrough CreateCampaign and cdlc_id",
    examine_list=examine_list,
    examine=examine,
    ordinary=ORDINARY,
    plan=plan,
    deliver=deliver,
    find=find,
    browse=browse,
    status=status,
    delete=delete,
    check=check,
    export=EXPORT,
    counts_only=True,
    facts=FACTS,
    passthrough=PASSTHROUGH,
    secrets_in_body=("tsid",),
    secrets_why="the endpoint pages require tsid in the body, the authentication page the header: both are sent",
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    return ADAPTER


@hookimpl
def provide_simulator() -> Simulator:
    from adapters.velip.simulator import VelipSimulation

    return Simulator("velip", VelipSimulation)
