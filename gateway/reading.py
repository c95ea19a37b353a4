"""Long files: the upload is stored first, then read, judged and stored as contacts, all in constant memory.

A file is read anew from its beginning when the process that read it died: nothing of it has been sent by then.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from gateway import creating
from gateway.canonical import ListHead, Profile
from gateway.creating import Created, Planned, StoredNumbers, StoredSuppressions
from gateway.dispatch import Cancelled, Leg
from gateway.host import Host
from gateway.ingest import Intake, Normaliser, SourceError, collect
from gateway.problem import Problem
from gateway.settings import Tenant
from gateway.sources import FileParameters, open_file, source_problem
from gateway.store import chunk_writing, chunks, keys, reroutings, uploads
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.database import new_id
from gateway.store.operations import StoredOperation
from gateway.store.uploads import open_upload


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is stored, and how it is to be read."""

    id: str
    media_type: str
    parameters: FileParameters

    def input(self) -> dict[str, Any]:
        return {
            "upload": self.id,
            "media_type": self.media_type,
            "parameters": self.parameters.model_dump(exclude_none=True),
        }

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Upload":
        return cls(given["upload"], given["media_type"], FileParameters.model_validate(given["parameters"]))


async def create(host: Host, tenant: Tenant, head: ListHead, upload: Upload, key: str | None = None) -> Created:
    """Store a list whose contacts stand in an upload, and start the work: durable when this returns."""
    creating.check_head(host, tenant, head, await host.database.run(reroutings.in_force, tenant.name))
    created = Created(new_id("cl"), new_id("op"))

    def write(connection: Connection) -> None:
        creating.add_list(connection, tenant, head, created.list_id, Profile(0), None)
        _add_operation(connection, host, tenant, created, "create", upload, key)

    await host.database.run(write)
    await host.operations.submit(created.operation_id, tenant.name)
    return created


async def append(host: Host, tenant: Tenant, one: store.StoredList, upload: Upload, key: str | None = None) -> Created:
    """Add the contacts of an upload to a list: durable when this returns."""
    created = Created(one.id, new_id("op"))

    def write(connection: Connection) -> None:
        now = store.get_list(connection, one.tenant, one.id, to_change=True)
        if now is None or now.deleted_at:
            raise Problem("not_found", "the list is deleted")
        creating.refuse_if_emptied(now)
        creating.refuse_if_moving(now)
        _add_operation(connection, host, tenant, created, "append", upload, key)

    await host.database.run(write)
    await host.operations.submit(created.operation_id, tenant.name)
    return created


def _add_operation(
    connection: Connection, host: Host, tenant: Tenant, created: Created, kind: str, upload: Upload, key: str | None
) -> None:
    owner, given = host.operations.owner, upload.input()
    work.add_operation(
        connection, created.operation_id, tenant.name, created.list_id, kind, owner, stage="reading", input=given
    )
    if key is not None:
        keys.key_operation(connection, tenant.name, key, created.operation_id)


async def read(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    """Read the upload of an operation and store its contacts with their deliveries.

    Raises `Problem` for what refuses the list as a whole, and `Cancelled`; then nothing of it stays.
    """
    assert one.input is not None
    upload = Upload.of(one.input)
    try:
        await host.database.run(_forget, one)
        found = await host.database.run(store.get_list, tenant.name, one.list_id)
        assert found is not None
        intake = await asyncio.to_thread(_take_in, host, tenant, found, upload, append=one.kind == "append")
        while True:
            await leg.go_on()
            rules = await host.database.run(reroutings.in_force, tenant.name)
            planned = await asyncio.to_thread(creating.plan, host, tenant, found.head, intake, rules)
            if await asyncio.to_thread(_store, host, one, planned):
                break
            await host.database.run(_forget, one)
    except (Problem, Cancelled):
        await host.database.run(discard, one)
        raise


def _take_in(host: Host, tenant: Tenant, one: store.StoredList, upload: Upload, *, append: bool) -> Intake:
    region = one.head.default_region or tenant.default_region
    suppressed = StoredSuppressions(host.database, tenant.name)
    source = open_file(upload.media_type, open_upload(host.database, upload.id), upload.parameters)
    try:
        if append:
            earlier = StoredNumbers(host.database, one.id)
            return collect(source, Normaliser(region), one.head.duplicates, suppressed, earlier)
        return collect(source, Normaliser(region), one.head.duplicates, suppressed)
    except SourceError as error:
        raise source_problem(error) from None


def _store(host: Host, one: StoredOperation, planned: Planned) -> bool:
    """In many small transactions, so that others get their turn; the last one makes it count.

    False when the tenant was rerouted meanwhile: then nothing of it counts.
    """
    call = host.database.call
    layout = call(creating.lay_out, one.list_id, planned)
    writer = call(chunk_writing.writer, one.list_id, one.id)
    for rows in creating.fill(planned, writer, layout.fillings(planned, writer)):
        call(chunk_writing.write, writer, rows)

    def finish(connection: Connection) -> bool:
        if reroutings.in_force(connection, one.tenant, to_act=True) != planned.router.reroutings:
            return False
        creating.store_deliveries(connection, one.list_id, one.id, planned, layout)
        if one.kind == "create":
            source = planned.intake.info.model_dump(mode="json")
            store.describe(connection, one.list_id, planned.profile, source)
        work.change_operation(connection, one.id, stage="delivering", input=None)
        assert one.input is not None
        uploads.discard(connection, one.input["upload"])
        return True

    return call(finish)


def _forget(connection: Connection, one: StoredOperation) -> None:
    """Take back what an earlier run of the same reading has stored."""
    chunks.drop(connection, chunks.of_operation(one.list_id, one.id))


def discard(connection: Connection, one: StoredOperation) -> None:
    """As if the call had never been: an append leaves the list as it was, a create leaves none."""
    _forget(connection, one)
    assert one.input is not None
    uploads.discard(connection, one.input["upload"])
    work.change_operation(connection, one.id, input=None, stage="refused")
    if one.kind == "create":
        store.discard(connection, one.list_id)
