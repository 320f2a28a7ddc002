"""Get an order's reference images ready to travel: by address, inside the request, or uploaded first. Nothing here can cost money.

An upload happens just before the first order that needs it, is remembered by content in the job table, and serves every later order until
shortly before it expires. Orders that need the same upload wait for one of them to do it.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

from batchgen.core import readings as r
from batchgen.core.dialects import Attachment, Dialect, Uploads
from batchgen.core.errors import ExchangeError
from batchgen.core.jobs import Job
from batchgen.core.ports import Client, Clock, Ledger, Library, Upload
from batchgen.core.references import way_for

_TRIES: Final = 3
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_MARGIN: Final = timedelta(hours=1)
"""An upload that expires sooner than this is not used for another order: the task may wait before it is fetched."""

Obstacle = r.Throttled | r.Stopped | r.Rejected | r.Trouble
"""Why references could not be uploaded; no order was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacher:
    """Gives each order its attachments. ``vendor`` names dialect and address: an upload is good only where it was sent."""

    client: Client
    dialect: Dialect
    ledger: Ledger
    library: Library
    clock: Clock
    random: Random
    threads: Executor
    vendor: str
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def attach(self, job: Job) -> tuple[Attachment, ...] | Obstacle:
        """Give the job's attachments in the order of its references, or say why they cannot be had; uploads are durable by then.

        Raises StopRunError when a reference file is not what was planned any more.
        """
        attachments: list[Attachment] = []
        for reference in job.references:
            found = await self._attachment(reference, job.operation)
            if not isinstance(found, Attachment):
                return found
            attachments.append(found)
        return tuple(attachments)

    async def _attachment(self, reference: Mapping[str, str], operation: str) -> Attachment | Obstacle:
        role = reference.get("role", "images")
        if "url" in reference:
            return Attachment(role=role, url=reference["url"])
        sha256 = reference["sha256"]
        file = await asyncio.get_running_loop().run_in_executor(self.threads, self.library.read, sha256)
        whole = Attachment(role=role, filename=file.filename, media_type=file.media_type, content=file.content)
        way = way_for(is_address=False, send=file.send, ways=self.dialect.ways(operation), size_bytes=len(file.content))
        if way != "upload" or not isinstance(self.dialect, Uploads):
            return whole
        async with self._turns.setdefault(sha256, asyncio.Lock()):
            return await self._uploaded(whole, sha256, self.dialect)

    async def _uploaded(self, whole: Attachment, sha256: str, vendor: Uploads) -> Attachment | Obstacle:
        now = self.clock.now()
        known = await asyncio.wrap_future(self.ledger.upload_of(sha256, vendor=self.vendor))
        if known is not None and known.expires_at - _MARGIN > now:
            return Attachment(role=whole.role, url=known.url)
        reading = await self._upload(whole, vendor)
        if not isinstance(reading, r.Uploaded):
            return reading
        until = now + timedelta(seconds=vendor.upload_ttl_s)
        upload = Upload(sha256=sha256, vendor=self.vendor, url=reading.url, expires_at=until, created_at=now)
        await asyncio.wrap_future(self.ledger.keep_upload(upload))
        return Attachment(role=whole.role, url=reading.url)

    async def _upload(self, whole: Attachment, vendor: Uploads) -> r.UploadReading:
        """Send the content, again after a short wait when that did not work: an upload is free, and one too many does no harm."""
        reading: r.UploadReading = r.Trouble(message="not tried")
        for tried in range(_TRIES):
            if tried:
                await asyncio.sleep(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 4.0**tried) * self.random.random())
            try:
                reading = vendor.read_upload(await self.client.ask(vendor.upload(whole)))
            except ExchangeError as error:
                reading = r.Trouble(message=str(error))
            if not isinstance(reading, r.Trouble):
                break
        return reading
