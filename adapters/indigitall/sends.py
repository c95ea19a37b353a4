"""The requests that message people: `Send campaign from CSV`, or from JSON where only that path is configured."""

from adapters.indigitall.mapping import Shape, file_name, shape_of, to_items, to_layout, to_rows
from adapters.indigitall.schedule import timing_fields
from adapters.indigitall.settings import Options
from adapters.toolkit.csv_rows import csv_chunks
from gateway.contract import Batch, File, Job, Json, Multipart, Request

MOST_IN_JSON = 100
"""Contacts of one JSON send (page `sendcampaignlist`)."""


def send_request(job: Job[Options], batch: Batch) -> Request:
    """The one send of this batch; a path must be configured."""
    options, shape = job.options, shape_of(job.profile, job.options)
    extras = timing_fields(job.head, options, job.now)
    if options.slicing_condition is not None and options.slicing_field is not None:
        extras += ((options.slicing_field, options.slicing_condition.value),)
    if options.send_csv_path is not None:
        return Request("POST", address(options.send_csv_path, options), body=_form(job, batch, shape, extras))
    if options.send_json_path is not None:
        contacts = [item.model_dump(exclude_none=True) for item in to_items(batch.contacts, shape, options)]
        return Request(
            "POST", address(options.send_json_path, options), body=Json({"contacts": contacts} | dict(extras))
        )
    raise ValueError("no path of a send is configured")


def _form(job: Job[Options], batch: Batch, shape: Shape, extras: tuple[tuple[str, str], ...]) -> Multipart:
    """The layout and its file, and when and how the messages go out."""
    options, header = job.options, tuple(shape.columns.values())
    layout = (options.layout_field, to_layout(shape, options).text())
    file = File(
        options.file_field,
        file_name(job.head, batch.key),
        "text/csv",
        lambda: csv_chunks(header, to_rows(batch.contacts, shape)),
    )
    return Multipart(batch.boundary, (layout, *extras), (file,))


def address(template: str, options: Options) -> str:
    """A configured path with the ids of application and campaign put in."""
    path = template.replace("{application_id}", str(options.application_id))
    return path.replace("{campaign_id}", str(options.campaign_id))
