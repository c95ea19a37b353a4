"""What is known of the vendors, from the adapters' data: for the API, the command line and the README."""

from typing import Any

from pydantic import Field

from gateway.contract import ActivationKind, AnyAdapter, Evidence, Fidelity, Limits, Support, Verb
from gateway.resources import Resource


class LimitsOut(Resource):
    """Times in seconds."""

    requests_per_minute: int
    concurrency: int
    page_size: int
    batch_size: int
    contacts_per_list: int
    visibility_delay: float
    timeout: float


class VerbOut(Resource):
    support: Support
    note: str
    evidence: Evidence


class FieldOut(Resource):
    field: str
    to: str
    fidelity: Fidelity
    why: str


class FactOut(Resource):
    name: str
    value: str
    evidence: Evidence


class VendorOut(Resource):
    """What one vendor can do, as far as it is known, with the level of evidence."""

    name: str
    title: str
    api_version: str
    documentation: str
    activation: ActivationKind
    activation_note: str
    verbs: dict[Verb, VerbOut]
    limits: LimitsOut
    fields: list[FieldOut]
    facts: list[FactOut]
    credentials: list[str]
    options: dict[str, Any] = Field(description="JSON Schema of a destination's options")
    list_options: dict[str, Any] = Field(description="JSON Schema of vendor_options.<name>")
    passthrough: list[str]


def limits_out(limits: Limits) -> LimitsOut:
    return LimitsOut(**{name: getattr(limits, name) for name in LimitsOut.model_fields})


def fields_out(adapter: AnyAdapter) -> list[FieldOut]:
    """Where each canonical field goes."""
    return [
        FieldOut(field=rule.field, to=rule.to, fidelity=rule.fidelity, why=rule.why) for rule in adapter.fields.rules
    ]


def vendor_out(adapter: AnyAdapter) -> VendorOut:
    """An adapter's data as the API shows it."""
    return VendorOut(
        name=adapter.name,
        title=adapter.title,
        api_version=adapter.api_version,
        documentation=adapter.documentation,
        activation=adapter.activation,
        activation_note=adapter.activation_note,
        verbs={
            verb: VerbOut(support=known.support, note=known.note, evidence=known.evidence)
            for verb in Verb
            for known in [adapter.capability(verb)]
        },
        limits=limits_out(adapter.limits),
        fields=fields_out(adapter),
        facts=[FactOut(name=fact.name, value=fact.value, evidence=fact.evidence) for fact in adapter.facts],
        credentials=list(adapter.credentials.model_fields),
        options=adapter.options.model_json_schema(),
        list_options=adapter.list_options.model_json_schema(),
        passthrough=[f"{one.method} {one.path}" for one in adapter.passthrough],
    )
