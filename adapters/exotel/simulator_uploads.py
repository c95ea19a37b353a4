"""CSV uploads of the simulated Exotel."""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.exotel import simulator_rules as rules
from adapters.exotel.simulator_contacts import AddressBook
from adapters.exotel.simulator_frame import done
from adapters.exotel.simulator_rules import Bad


class Uploads(AddressBook):
    """`/contacts/csv-upload` and `/csv-status`."""

    async def upload(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Bad(415, 1011, "send multipart/form-data")
        async with request.form(max_part_size=rules.MAX_CSV_BYTES) as form:
            name, kind, file = form.get("list_name"), form.get("type", "static"), form.get("file_name")
            if not isinstance(name, str) or not name or not isinstance(file, UploadFile):
                raise Bad(400, 1001, "list_name and the file part file_name are needed")
            if set(form) - {"list_name", "type", "file_name"} or kind not in ("static", "dynamic"):
                raise Bad(400, 1002, "an unknown field, or an unknown type")
            if not file.filename or (file.content_type or "").split(";")[0] != "text/csv":
                raise Bad(400, 1002, "the file needs a name and the type text/csv")
            rows = rules.csv_content(await file.read(), str(kind))
        one = self._named(name) or self._new_list(name, None, str(kind))
        if one.facts["kind"] != kind:
            raise Bad(400, 1002, f"the list is {one.facts['kind']}")
        upload = rules.Upload(f"u-{len(self.uploads) + 1}", one.id, str(kind), rows, self.looks_until_done)
        if self.takes("drop_row", request.url.path) and rows:
            rows.pop()
        self.uploads[upload.id] = upload
        if not upload.looks:
            self._process(upload)
        return JSONResponse(self._upload_taken(upload))

    def _upload_taken(self, upload: rules.Upload) -> dict[str, Any]:
        ids = {"upload_id": upload.id, "list_sid": upload.list_sid}
        if self.shapes == "guide":
            data = {**ids, "status": "processing"}
            return {"request_id": "r", "response": [done(data)]}
        summary = {"url": f"https://api.in.exotel.com/v2/accounts/acme1/csv-status/{upload.id}"}
        if self.names_upload_id:
            summary |= ids
        return {"request_id": "r", "response": {"data": {"summary": summary}}}

    def _look(self, upload: rules.Upload) -> None:
        if upload.looks:
            upload.looks -= 1
            return
        if not upload.counts:
            self._process(upload)

    def _process(self, upload: rules.Upload) -> None:
        counts = {"total": len(upload.rows), "success": 0, "duplicate": 0, "failed": 0}
        one = self.ledger.lists.get(upload.list_sid)
        seen = set(one.phones) if one else set()
        for row in upload.rows if not self.upload_fails else ():
            if row is None or one is None or len(one.phones) >= rules.CEILING[upload.kind]:
                counts["failed"] += 1
            elif row["number"] in seen:
                counts["duplicate"] += 1
            else:
                seen.add(row["number"])
                sid = self.sids_of.get(row["number"]) or self._sid()
                self.contacts[sid] = {name: text for name, text in row.items() if text}
                self.sids_of[row["number"]] = sid
                self._link(one, sid)
                counts["success"] += 1
        upload.counts = counts

    async def upload_status(self, request: Request) -> Response:
        upload = self.uploads.get(request.path_params["upload"])
        if upload is None:
            raise Bad(404, 1000, "no such upload")
        self._look(upload)
        guide = self.shapes == "guide"
        data: dict[str, Any] = {"upload_id": upload.id}
        if not guide:
            data["list_sid"] = upload.list_sid
        if not upload.counts:
            data["status"] = self.running_word or ("processing" if guide else "in-progress")
        elif self.upload_fails:
            data["status"] = "failed"
        else:
            data["status"] = "completed"
            counts = upload.counts
            data |= _guide_counts(counts) if guide else {"stats": counts}
        return JSONResponse({"request_id": "r", "response": [done(data)] if guide else {"data": data}})


def _guide_counts(counts: dict[str, int]) -> dict[str, int]:
    names = {"total": "total_records", "success": "success_count", "duplicate": "duplicate_count"}
    return {names.get(name, "failure_count"): number for name, number in counts.items()}
