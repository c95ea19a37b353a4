"""Every call of the API in one table: path, method, handler, what goes in and what comes out. OpenAPI is made of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from gateway import previewing, rerouting, resources, suppressing
from gateway.migrating.documents import Sealed
from gateway.migrating.resources import MigrationOut
from gateway.migrating.wishes import RollbackIn
from gateway.sources import FileParameters
from gateway.vendors import VendorOut
from gateway.web import events_api, lists_api, migrations_api, routing_api, suppressions_api, vendors_api
from gateway.web.call import Answer, Call
from gateway.web.paging import PageQuery

Handler = Callable[[Call], Awaitable[Answer]]
List = resources.ListOut


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call. `answers` are the statuses of success with their models; problems are documented for all alike.

    `files`: the body may also be CSV, NDJSON or multipart, with `query` for what JSON would say.
    `events`: the model comes as the data of server-sent events.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body_optional: bool = False
    files: bool = False
    csv: bool = False
    events: bool = False
    prefer: bool = False
    idempotent: bool = False
    problems: tuple[int, ...] = field(default=())


TABLE: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/contact-lists",
        lists_api.create,
        "Create a contact list and deliver it",
        {201: List, 202: List},
        lists_api.ListIn,
        FileParameters,
        files=True,
        prefer=True,
        idempotent=True,
        problems=(400, 408, 409, 413, 415, 422),
    ),
    Endpoint(
        "GET",
        "/v1/contact-lists",
        lists_api.index,
        "The tenant's lists, newest first",
        {200: resources.PageOf[List]},
        query=PageQuery,
        problems=(400,),
    ),
    Endpoint("GET", "/v1/contact-lists/{list_id}", lists_api.show, "One list", {200: List}),
    Endpoint(
        "PATCH",
        "/v1/contact-lists/{list_id}",
        lists_api.patch,
        "Rename or describe a list, at its vendors too",
        {200: List},
        lists_api.ListPatch,
        problems=(400, 408, 413, 422, 502, 503, 504),
    ),
    Endpoint(
        "DELETE",
        "/v1/contact-lists/{list_id}",
        lists_api.delete,
        "Delete a list where its vendors can; the answer says what remains there",
        {200: List},
        problems=(409, 422, 502, 503, 504),
    ),
    Endpoint(
        "GET",
        "/v1/contact-lists/{list_id}/contacts",
        lists_api.contacts,
        "Contacts with outcome and vendor ids",
        {200: resources.PageOf[resources.ContactOut]},
        query=lists_api.ContactsQuery,
        problems=(400,),
    ),
    Endpoint(
        "POST",
        "/v1/contact-lists/{list_id}/contacts",
        lists_api.append,
        "Append contacts",
        {201: List, 202: List},
        lists_api.ContactsIn,
        FileParameters,
        files=True,
        prefer=True,
        idempotent=True,
        problems=(400, 408, 409, 413, 415, 422),
    ),
    Endpoint(
        "DELETE",
        "/v1/contact-lists/{list_id}/contacts/{contact_id}",
        lists_api.remove_contact,
        "Take a contact off the list, at its vendor too",
        {204: None},
        problems=(409, 422, 502, 503, 504),
    ),
    Endpoint(
        "GET",
        "/v1/contact-lists/{list_id}/rejections",
        lists_api.rejections,
        "Rejected rows (or those of another outcome); as CSV in the sender's own columns",
        {200: resources.PageOf[resources.ContactOut]},
        query=lists_api.RejectionsQuery,
        csv=True,
        problems=(400, 406),
    ),
    Endpoint(
        "POST",
        "/v1/contact-lists/{list_id}/activate",
        lists_api.activate,
        "Start what was held",
        {200: List, 202: List},
        prefer=True,
        idempotent=True,
        problems=(400, 409, 422, 502, 503, 504),
    ),
    Endpoint(
        "POST",
        "/v1/contact-lists/{list_id}/stop",
        lists_api.stop,
        "Stop a list that dials",
        {200: List, 202: List},
        prefer=True,
        idempotent=True,
        problems=(400, 409, 422, 502, 503, 504),
    ),
    Endpoint(
        "POST",
        "/v1/contact-lists/{list_id}/resolve",
        lists_api.resolve,
        "A person's word on an outcome that no look-up can settle",
        {200: List},
        lists_api.ResolveIn,
        problems=(400, 408, 409, 413),
    ),
    Endpoint(
        "POST",
        "/v1/preview",
        lists_api.preview,
        "The exact vendor requests, losses and fidelity; sends nothing",
        {200: previewing.Preview},
        lists_api.PreviewIn,
        FileParameters,
        files=True,
        problems=(400, 408, 413, 415, 422),
    ),
    Endpoint(
        "POST",
        "/v1/routes/explain",
        lists_api.explain,
        "Which route takes which contacts, and why not the others",
        {200: previewing.Explanation},
        lists_api.ListIn,
        FileParameters,
        files=True,
        problems=(400, 408, 413, 415, 422),
    ),
    Endpoint(
        "GET",
        "/v1/reroutings",
        routing_api.reroutings,
        "Which destinations stand in for others, and which did: every change, newest first",
        {200: resources.PageOf[rerouting.ReroutingOut]},
        query=PageQuery,
        problems=(400,),
    ),
    Endpoint(
        "GET",
        "/v1/reroutings/{name}",
        routing_api.rerouted,
        "Who stands in for one destination, and what the last shadow saw",
        {200: rerouting.ReroutingState},
    ),
    Endpoint(
        "PUT",
        "/v1/reroutings/{name}",
        routing_api.reroute,
        "Let another destination stand in for this one, or end it; for lists that come from now on",
        {200: rerouting.ReroutingOut},
        rerouting.ReroutingIn,
        problems=(400, 408, 413, 422),
    ),
    Endpoint(
        "POST",
        "/v1/migrations",
        migrations_api.create,
        "Plan a move of lists to another vendor, or apply a plan",
        {201: MigrationOut, 200: MigrationOut, 202: MigrationOut},
        migrations_api.MigrationIn,
        prefer=True,
        idempotent=True,
        problems=(400, 408, 409, 413, 422, 502, 503, 504),
    ),
    Endpoint(
        "GET",
        "/v1/migrations",
        migrations_api.index,
        "The tenant's migrations, newest first",
        {200: resources.PageOf[MigrationOut]},
        query=PageQuery,
        problems=(400,),
    ),
    Endpoint("GET", "/v1/migrations/{migration_id}", migrations_api.show, "One migration", {200: MigrationOut}),
    Endpoint(
        "GET",
        "/v1/migrations/{migration_id}/rows",
        migrations_api.rows,
        "Contact by contact: whom the plan leaves out or changes, or what the certificate compares; also as CSV",
        {200: resources.PageOf[migrations_api.RowOut]},
        query=migrations_api.RowsQuery,
        csv=True,
        problems=(400, 406),
    ),
    Endpoint(
        "GET",
        "/v1/migrations/{migration_id}/certificate",
        migrations_api.certificate,
        "What was at the source and what is at the target, signed; as text/html for people",
        {200: Sealed},
    ),
    Endpoint(
        "POST",
        "/v1/migrations/{migration_id}/rollback",
        migrations_api.rollback,
        "Go back: the target is made quiet first, then the old lists count again",
        {200: MigrationOut, 202: MigrationOut},
        RollbackIn,
        prefer=True,
        idempotent=True,
        problems=(400, 408, 409, 413, 422, 502, 503, 504),
    ),
    Endpoint(
        "POST",
        "/v1/migrations/{migration_id}/resolve",
        migrations_api.vouch,
        "A person's word that a source is quiet, where nobody can prove it",
        {200: MigrationOut},
        migrations_api.VouchIn,
        problems=(400, 408, 409, 413),
    ),
    Endpoint(
        "POST",
        "/v1/destinations/{name}/remote-lists/{remote_list}",
        migrations_api.adopt,
        "Keep a list that is at the vendor already, from the vendor's own export, so that it can be moved",
        {201: List},
        lists_api.ListIn,
        FileParameters,
        files=True,
        idempotent=True,
        problems=(400, 408, 409, 413, 415, 422),
    ),
    Endpoint(
        "GET", "/v1/operations/{operation_id}", lists_api.operation, "State and progress", {200: resources.OperationOut}
    ),
    Endpoint(
        "GET",
        "/v1/operations/{operation_id}/events",
        events_api.events,
        "The operation whenever it changes, as server-sent events; the last one when it is done",
        {200: resources.OperationOut, 204: None},
        events=True,
        problems=(406,),
    ),
    Endpoint(
        "POST",
        "/v1/operations/{operation_id}/cancel",
        lists_api.cancel,
        "Send no further batch",
        {202: resources.OperationOut},
    ),
    Endpoint(
        "GET",
        "/v1/destinations",
        vendors_api.destinations,
        "The tenant's destinations",
        {200: resources.PageOf[vendors_api.DestinationOut]},
    ),
    Endpoint(
        "POST",
        "/v1/destinations/{name}/check",
        vendors_api.check,
        "Prove address and credentials",
        {200: vendors_api.CheckOut},
        problems=(422, 502, 503, 504),
    ),
    Endpoint("GET", "/v1/vendors", vendors_api.vendors, "What every vendor can do", {200: resources.PageOf[VendorOut]}),
    Endpoint("GET", "/v1/vendors/{adapter}", vendors_api.vendor, "What one vendor can do", {200: VendorOut}),
    Endpoint(
        "PUT",
        "/v1/suppressions",
        suppressions_api.suppress,
        "Add do-not-contact numbers, or a file of them; a repeat changes nothing, so what was cut off is sent again",
        {200: suppressing.Added},
        suppressions_api.NumbersIn,
        suppressions_api.NumbersQuery,
        files=True,
        problems=(400, 408, 413, 415, 422),
    ),
    Endpoint(
        "GET",
        "/v1/suppressions",
        suppressions_api.suppressions,
        "The tenant's do-not-contact numbers, or whether one number is among them",
        {200: resources.PageOf[suppressions_api.SuppressionOut]},
        query=suppressions_api.SuppressionsQuery,
        problems=(400,),
    ),
    Endpoint(
        "DELETE",
        "/v1/suppressions",
        suppressions_api.unsuppress,
        "Remove do-not-contact numbers: `phone`, or a body as of PUT, or `all=true`",
        {200: suppressing.Removed},
        suppressions_api.NumbersIn,
        suppressions_api.RemoveQuery,
        body_optional=True,
        files=True,
        problems=(400, 408, 413, 415, 422),
    ),
)

PASSTHROUGH = "/v1/passthrough/{destination}/{path:path}"
"""Documented apart: its bodies are the vendor's."""
PASSTHROUGH_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
