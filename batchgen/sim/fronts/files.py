"""Answer uploads and downloads; the storage speaks like a storage, and no key belongs there."""

from dataclasses import dataclass
from functools import partial
from time import time

from starlette.requests import Request
from starlette.responses import Response

from batchgen.sim import multipart
from batchgen.sim.codes import BAD_KEY, BAD_PARAMETERS, UNSUPPORTED_FILE_MSG
from batchgen.sim.desk import Desk, base_of, key_of
from batchgen.sim.fronts.jimmyai import refuse
from batchgen.sim.misbehaviour import SERVED, UPLOADED, envelope, expired, no_such_file, refusal, served
from batchgen.sim.order import misfit
from batchgen.sim.storage import Storage
from batchgen.sim.uploads import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFront:
    """Take files in and hand files out."""

    desk: Desk
    storage: Storage

    async def upload(self, request: Request) -> Response:
        """Keep one file for a while, free of charge, and tell its signed URL."""
        self.desk.seen["uploads"] += 1
        if not self.desk.vendor.authorize(key_of(request)):
            return refusal(BAD_KEY, "")
        fault = self.desk.plan.draw("upload") or ""
        parts = multipart.parse(request.headers.get("content-type", ""), await request.body())
        files = [part for part in parts or () if part.name == "file" and part.filename is not None]
        if len(files) != 1:
            return refuse(misfit("file"))
        filename = files[0].filename or ""
        kept = self.storage.uploads.keep(filename, files[0].body, time())
        if kept is None:
            return refusal(BAD_PARAMETERS, UNSUPPORTED_FILE_MSG)
        return UPLOADED.get(fault, envelope)(self._told(base_of(request), filename, kept))

    async def download(self, request: Request) -> Response:
        """Serve a file to whoever holds a valid signature; a key sent here is noted as a leak."""
        self.desk.seen["downloads"] += 1
        self.desk.seen["authorization_on_files"] += "authorization" in request.headers
        name, query = request.path_params["name"], request.query_params
        if not self.storage.has(name):
            return no_such_file()
        if not self.storage.opens(name, query.get("Expires", ""), query.get("Signature", "")):
            return expired()
        fault = self.desk.plan.draw("download")
        file = await self.desk.draw(partial(self.storage.file, name))
        return SERVED.get(fault or "", served)(file)

    def _told(self, base: str, filename: str, kept: Upload) -> dict[str, object]:
        return {
            "url": self.storage.upload_url(base, kept),
            "filename": filename,
            "size": len(kept.file.body),
            "mime_type": kept.file.media_type,
        }
