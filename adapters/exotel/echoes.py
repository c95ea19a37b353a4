"""What a contact looks like when it is read back: made from the rendering of the way it takes and the reading of it."""

from adapters.exotel.mapping import csv_rows, from_record, to_record
from adapters.exotel.paths import way_of
from adapters.exotel.settings import Options
from gateway.canonical import Contact
from gateway.contract import Job, RemoteContact


def echo(job: Job[Options], contact: Contact) -> RemoteContact:
    """What `from_record` makes of this contact's own row or record."""
    way = way_of(job.profile, job.options)
    if not way.csv:
        return from_record(to_record(contact, job.options.custom_field).model_dump(exclude_none=True))
    row = dict(zip(way.header, next(csv_rows((contact,), way.columns)), strict=True))
    return from_record(row, [one.header for one in way.columns if one.attribute])
