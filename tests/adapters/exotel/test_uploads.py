"""CSV uploads to Exotel (sheet 3.4, 3.5): states, counts that add up or not, and what the list shows in the end."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.exotel import ADAPTER, csv_path
from adapters.exotel.csv_path import receipt_of
from adapters.exotel.paths import way_of
from adapters.exotel.wire import UploadStats, UploadStatus
from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    Receipt,
    Refused,
    Unclear,
)
from tests.adapters.exotel.talks import outcomes
from tests.harness import Bench, batch, contact, contacts, job

pytestmark = pytest.mark.anyio


async def test_the_address_to_poll_alone_names_the_upload(there: Bench) -> None:
    there.simulation.names_upload_id = False
    people = contacts(2)
    opened = await there.talk(there.adapter.deliver(there.job(people, {"path": "csv"}), batch(people)))
    assert (opened.remote.id, opened.remote.extra["upload_id"]) == (next(iter(there.ledger.lists)), "u-1")
    assert opened.receipt == Receipt(rest=Outcome.ACCEPTED)


async def test_an_unknown_state_counts_as_running(there: Bench) -> None:
    there.simulation.running_word = "queued-for-scrubbing"
    there.simulation.looks_until_done = 3
    people = contacts(2)
    opened = await there.talk(there.adapter.deliver(there.job(people, {"path": "csv"}), batch(people)))
    assert opened.receipt == Receipt(rest=Outcome.ACCEPTED)
    assert sum("csv-status" in line for line in there.ledger.requests) == 4


@pytest.mark.parametrize("shapes", ["reference", "guide"])
async def test_rows_that_failed_are_told_apart_by_reading_the_list(there: Bench, shapes: str) -> None:
    there.simulation.shapes = shapes
    people = [*contacts(30), contact(31, phone="+5")]
    work = there.job(people, {"path": "csv"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    detail = "upload u-1 completed: sent 31, the vendor counts 31: 30 added, 0 duplicate, 1 failed"
    assert opened.receipt == Receipt(detail=detail)
    finding = await there.talk(there.adapter.find(work, opened.remote, batch(people)))
    assert finding.verdict is Verdict.ACCEPTED
    assert outcomes(finding.receipt, people) == ["accepted"] * 30 + ["rejected"]


async def test_repeats_that_exotel_drops_are_duplicates(there: Bench) -> None:
    people = [contact(1), contact(2), contact(3, phone="+5511900000001")]
    work = there.job(people, {"path": "csv"}, head={"duplicates": "keep_all"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    assert outcomes(opened.receipt, people) == ["accepted", "accepted", "duplicate"]
    again = await there.talk(there.adapter.append(work, opened.remote, batch(people[:2], 2)))
    assert outcomes(again, people[:2]) == ["unknown", "unknown"]
    finding = await there.talk(there.adapter.find(work, opened.remote, batch(people[:2], 2)))
    assert (finding.verdict, outcomes(finding.receipt, people[:2])) == (Verdict.ACCEPTED, ["accepted", "accepted"])


async def test_a_row_that_vanished_makes_no_other_row_wrong(there: Bench) -> None:
    people = contacts(3)
    there.simulation.break_next("drop_row", "csv-upload")
    work = there.job(people, {"path": "csv"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    assert opened.receipt.detail.endswith("sent 3, the vendor counts 2: 2 added, 0 duplicate, 0 failed")
    finding = await there.talk(there.adapter.find(work, opened.remote, batch(people)))
    assert (finding.verdict, outcomes(finding.receipt, people)) == (
        Verdict.UNKNOWN,
        ["accepted", "accepted", "unknown"],
    )


async def test_a_failed_upload_without_counts_is_unknown(there: Bench) -> None:
    there.simulation.upload_fails = True
    people = contacts(2)
    work = there.job(people, {"path": "csv"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    assert opened.receipt == Receipt(detail="upload u-1 failed: sent 2, the vendor gives no counts")
    assert (await there.talk(there.adapter.find(work, opened.remote, batch(people)))).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("state", "stats", "receipt"),
    [
        ("completed", (2, 2, 0, 0), Receipt(rest=Outcome.ACCEPTED)),
        ("Completed", (2, 2, 0, 0), Receipt(rest=Outcome.ACCEPTED)),
        ("failed", (2, 2, 0, 0), Receipt(detail="2 added, 0 duplicate, 0 failed")),
        ("failed", (2, 0, 0, 2), Receipt(rest=Outcome.REJECTED, detail="0 added, 0 duplicate, 2 failed")),
        ("completed", (2, 1, 0, 0), Receipt(detail="1 added, 0 duplicate, 0 failed")),
        ("completed", (2, 3, -1, 0), Receipt(detail="3 added, -1 duplicate, 0 failed")),
        ("completed", (3, 2, 0, 1), Receipt(detail="2 added, 0 duplicate, 1 failed")),
        ("completed", (3, 1, 0, 2), Receipt(detail="1 added, 0 duplicate, 2 failed")),
        ("completed", (2, 1, 1, 0), Receipt(detail="1 added, 1 duplicate, 0 failed")),
    ],
)
def test_only_counts_that_add_up_settle_anything(state: str, stats: Any, receipt: Receipt) -> None:
    total, success, duplicate, failed = stats
    upload = UploadStatus(
        state=state, stats=UploadStats(total=total, success=success, duplicate=duplicate, failed=failed)
    )
    found = receipt_of(upload, "u", batch(contacts(2)))
    prefix = f"upload u {state}: sent 2, the vendor counts {stats[0]}: "
    assert found == replace(receipt, detail=receipt.detail and prefix + receipt.detail)


@pytest.mark.parametrize(("fault", "verdict"), [("drop_after", Verdict.ACCEPTED), ("drop_before", Verdict.NOT_SENT)])
async def test_an_upload_whose_answer_was_lost_is_found_by_its_list(there: Bench, fault: str, verdict: Verdict) -> None:
    people = contacts(2)
    work = there.job(people, {"path": "csv"})
    there.simulation.break_next(fault, "csv-upload")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.deliver(work, batch(people)))
    finding = await there.talk(there.adapter.find(work, None, batch(people)))
    assert finding.verdict is verdict
    assert sum("csv-upload" in line for line in there.ledger.requests) == 1


async def test_a_list_whose_rows_are_still_coming_is_not_absent(there: Bench) -> None:
    there.simulation.looks_until_done = 1
    people = contacts(2)
    work = there.job(people, {"path": "csv"})
    there.simulation.break_next("drop_after", "csv-upload")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.deliver(work, batch(people)))
    assert (await there.talk(there.adapter.find(work, None, batch(people)))).verdict is Verdict.UNKNOWN
    assert (await there.talk(there.adapter.find(work, None, batch(people)))).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(("proof", "verdict"), [(False, Verdict.UNKNOWN), (True, Verdict.NOT_SENT)])
async def test_an_upload_into_an_old_list_is_absent_only_by_option(there: Bench, proof: bool, verdict: Verdict) -> None:
    people = contacts(4)
    work = there.job(people, {"path": "csv", "absence_is_proof": proof})
    remote = (await there.talk(there.adapter.deliver(work, batch(people[:2])))).remote
    there.simulation.break_next("drop_before", "csv-upload")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.append(work, remote, batch(people[2:], 2)))
    assert (await there.talk(there.adapter.find(work, remote, batch(people[2:], 2)))).verdict is verdict


async def test_a_tag_that_fails_harms_no_contact(there: Bench) -> None:
    people = contacts(2)
    there.simulation.break_next("ok_with_error", "acme1/lists")
    opened = await there.talk(there.adapter.deliver(there.job(people, {"path": "csv"}), batch(people)))
    assert opened.receipt == Receipt(rest=Outcome.ACCEPTED)
    assert opened.remote.extra["tag"] == "not set: Invalid parameter: simulated refusal"


async def test_a_lost_status_leaves_the_upload_pending(there: Bench) -> None:
    people = contacts(2)
    there.simulation.break_next("garbage", "csv-status", times=5)
    opened = await there.talk(there.adapter.deliver(there.job(people, {"path": "csv"}), batch(people)))
    assert opened.receipt.rest is Outcome.PENDING
    assert opened.remote.extra["upload_id"] == "u-1"


def test_a_file_that_is_not_under_60_mb_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_path, "CSV_BYTES", 8 + 15 * 10)  # header and ten rows: "not under"
    fits, over = batch(contacts(9, phone="+551190000000")), batch(contacts(10, phone="+551190000000"))
    work = job(ADAPTER, contacts(10), {"account_sid": "acme1", "path": "csv", "bytes_per_row": 16})
    way = way_of(work.profile, work.options)
    csv_path.refuse_if_too_large(way, fits)
    with pytest.raises(Refused, match="not under 60 MB"):
        next(ADAPTER.deliver(work, over))
