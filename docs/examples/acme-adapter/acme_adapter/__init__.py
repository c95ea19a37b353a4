"""Acme Dialer, lists API v3 (https://acme.example/docs/lists, read 2026-11). One call makes a list with contacts."""

from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr

from gateway.canonical import Contact, ListHead, Loss, LossKind, Outcome, Profile, Verdict
from gateway.contract import (
    LIST_FIELDS,
    ActivationKind,
    Adapter,
    Auth,
    Batch,
    Capability,
    CheckReport,
    Examination,
    Exchange,
    FieldTable,
    Finding,
    Job,
    Json,
    Limits,
    Opened,
    Receipt,
    RemoteList,
    Reply,
    Request,
    Settings,
    Step,
    Support,
    Token,
    Unclear,
    Verb,
    WireIn,
    ask,
    carried,
    dropped,
    dropped_fields,
    dropped_list_fields,
    expect_success,
    hookimpl,
    json_reply,
    partly,
)
from gateway.contract.simulation import Simulator

NAME_ROOM = 60  # of 76 at Acme: a blank and our key of 15 stand behind it
CAMPAIGN = "Acme lists only store contacts: it is set on the campaign"
NO_FIELD = "an Acme contact has no such field"
START = "start a campaign over the list in Acme's console"

FIELDS = FieldTable(
    (
        *(carried(field, field) for field in ("phone", "id", "first_name", "last_name")),
        carried("attributes", "vars"),
        *(dropped(field, NO_FIELD) for field in ("company", "email", "language", "time_zone", "priority", "tag")),
        partly("name", "name", f"at most {NAME_ROOM} characters"),
        dropped("reference", "an Acme list has a name and nothing else"),
        dropped("description", "an Acme list has a name and nothing else"),
        *(dropped(field, CAMPAIGN) for field in LIST_FIELDS if field.startswith(("schedule.", "dialing."))),
        dropped("activation.mode", START),
    )
)


class Credentials(Settings):
    api_key: SecretStr = Field(min_length=8, description="an API key of the workspace")


class Options(Settings):
    workspace: str = Field(pattern=r"^[a-z0-9-]+$", description="the workspace in which lists are made")


class Created(WireIn):
    id: str
    stored: int


class Listed(WireIn):
    id: str
    name: str
    contacts: int


def to_record(contact: Contact) -> dict[str, Any]:
    record = {"phone": contact.phone, "id": contact.id or contact.key, "vars": contact.attributes}
    names = {"first_name": contact.first_name, "last_name": contact.last_name}
    return record | {name: text for name, text in names.items() if text is not None}


def list_name(job: Job[Options]) -> str:
    """The list's name with our key behind it, by which `find` knows it again."""
    return f"{job.head.name[:NAME_ROOM]} {job.key}"


def deliver(job: Job[Options], batch: Batch) -> Exchange[Opened]:
    body = Json({"name": list_name(job), "contacts": [to_record(contact) for contact in batch.contacts]})
    sent = len(batch.contacts)
    created = yield from ask(
        Step(
            name="create",
            request=Request("POST", f"/v3/{job.options.workspace}/lists", body=body),
            read=lambda reply: Created.model_validate(answer(reply)),
            success=lambda: json_reply({"ok": True, "id": "1", "stored": sent}),
        )
    )
    return Opened(RemoteList(created.id, list_name(job), job.key, created.stored), receipt(sent, created.stored))


def receipt(sent: int, stored: int) -> Receipt:
    """Acme only counts: the right number settles every contact, another one settles none."""
    rest = Outcome.ACCEPTED if stored == sent else Outcome.UNKNOWN
    return Receipt(rest=rest, detail=f"sent {sent}, the vendor counts {stored}")


def find(job: Job[Options], remote: RemoteList | None, batch: Batch | None) -> Exchange[Finding]:  # noqa: ARG001
    """Whether the list was made, by the key in its name."""
    found = yield from ask(lists(job.options))
    ours = [one for one in found if one.name.endswith(job.key)]
    if not ours:
        return Finding(Verdict.NOT_SENT, detail="no list has our key in its name")
    there = RemoteList(ours[0].id, ours[0].name, job.key, ours[0].contacts)
    told = receipt(len(batch.contacts) if batch else 0, there.count or 0)
    verdict = Verdict.ACCEPTED if batch is None or told.rest is Outcome.ACCEPTED else Verdict.UNKNOWN
    return Finding(verdict, there, told, told.detail)


def lists(options: Options) -> Step[tuple[Listed, ...]]:
    return Step(
        name="lists",
        request=Request("GET", f"/v3/{options.workspace}/lists"),
        read=lambda reply: tuple(map(Listed.model_validate, answer(reply)["lists"])),
        success=lambda: json_reply({"ok": True, "lists": []}),
        repeatable=True,
    )


def check(options: Options) -> Exchange[CheckReport]:
    found = yield from ask(lists(options))
    return CheckReport({"lists": str(len(found))})


def answer(reply: Reply) -> Any:
    """The object of an explicit success: 2xx and `ok`. Errors may come in a 200."""
    expect_success(reply)
    said = reply.json()
    if said["ok"] is not True:
        raise Unclear("Acme answered without an ok")
    return said


def examine_list(head: ListHead, profile: Profile, options: Options, now: datetime) -> Examination:  # noqa: ARG001
    losses = list(dropped_list_fields(head, FIELDS.uncarried()))
    if len(head.name) > NAME_ROOM:
        losses.append(Loss("name", LossKind.TRUNCATED, FIELDS["name"].why))
    return Examination(tuple(losses))


def examine(head: ListHead, profile: Profile, options: Options, contact: Contact) -> Examination:  # noqa: ARG001
    return Examination(dropped_fields(contact, FIELDS.uncarried()))


USE_CONSOLE = Capability(Support.NONE, "the lists API v3 has no such call: use Acme's console")
CAPABILITIES = dict.fromkeys(Verb, USE_CONSOLE) | {
    Verb.DELIVER: Capability(Support.NATIVE, "one call with all contacts"),
    Verb.FIND: Capability(Support.NATIVE, "by our key in the name"),
    Verb.CHECK: Capability(Support.NATIVE, "reads the lists"),
}

ADAPTER: Adapter[Credentials, Options] = Adapter(
    name="acme",
    title="Acme Dialer",
    api_version="v3",
    documentation="https://acme.example/docs/lists",
    auth=Auth("Authorization", "Key ", lambda credentials, now, nonce: Token(credentials.api_key)),  # noqa: ARG005
    credentials=Credentials,
    options=Options,
    list_options=Settings,
    capabilities=CAPABILITIES,
    limits=Limits(batch_size=1_000, contacts_per_list=1_000, visibility_delay=2.0),
    fields=FIELDS,
    activation=ActivationKind.PASSIVE,
    activation_note=START,
    examine_list=examine_list,
    examine=examine,
    deliver=deliver,
    find=find,
    check=check,
    counts_only=True,
)


@hookimpl
def provide_adapter() -> Adapter[Credentials, Options]:
    return ADAPTER


@hookimpl
def provide_simulator() -> Simulator:
    from acme_adapter.simulator import AcmeSimulation

    return Simulator("acme", AcmeSimulation)
