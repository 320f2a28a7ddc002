"""Keep the vendor's bill: an append-only file of JSON lines that outlives the process.

A line is in the file before the answer it belongs to leaves the server, so after any crash the file says what was billed.
On start an existing file is replayed. A torn last line belongs to an answer that never left; it is cut off.
"""

import json
import os
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Literal, Self

Call = Literal["image", "video", "generation", "edit", "upscale", "remove-bg", "openai.generation", "openai.edit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """Record one charge or refund; a charge carries all that a restarted server needs to carry on with the task.

    `call` says which call was paid for; a synchronous one is charged when it succeeds. `preview` is the first reference
    image, small, as base64 JPEG, and empty where there is none.
    """

    event: Literal["charge", "refund"]
    task_id: str
    model: str
    body_sha256: str
    prompt_sha256: str
    cost: Decimal
    at: datetime
    request: dict[str, object]
    latency_s: float
    ending: str
    call: Call = "image"
    preview: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the line as it stands in the file; money is a decimal string, time is ISO-8601 UTC."""
        return {
            "event": self.event,
            "task_id": self.task_id,
            "model": self.model,
            "body_sha256": self.body_sha256,
            "prompt_sha256": self.prompt_sha256,
            "cost": str(self.cost),
            "at": self.at.isoformat(timespec="microseconds"),
            "request": self.request,
            "latency_s": self.latency_s,
            "ending": self.ending,
            "call": self.call,
            "preview": self.preview,
        }

    def refund(self, at: datetime) -> Self:
        """Return the line that gives this charge back."""
        return replace(self, event="refund", at=at, request={}, preview="")

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Return the line that the file holds."""
        fields = json.loads(raw)
        return cls(**fields | {"cost": Decimal(fields["cost"]), "at": datetime.fromisoformat(fields["at"])})


class Ledger:
    """Append lines to the bill and keep the running total.

    `append` hands the line to the kernel, which survives a kill of the process; `sync` also survives a power cut.
    """

    def __init__(self, path: Path | None = None, *, fsync: bool = True) -> None:
        self.lines: list[BillLine] = []
        self.spent = Decimal()
        self._fsync = fsync and path is not None
        self._file = path.open("a+b") if path else None
        self._sync_lock = threading.Lock()
        self._synced = 0
        if self._file:
            self._replay(self._file)

    def append(self, line: BillLine) -> int:
        """Write and flush one line; return the position to hand to `sync`."""
        if self._file:
            self._file.write(json.dumps(line.as_json()).encode() + b"\n")
            self._file.flush()
        self._count(line)
        return len(self.lines)

    def sync(self, position: int) -> None:
        """Return once the lines up to the position are on the disk; one fsync serves all who wait."""
        if self._file is None or not self._fsync:
            return
        with self._sync_lock:
            if position > self._synced:
                written = len(self.lines)
                os.fsync(self._file.fileno())
                self._synced = written

    def close(self) -> None:
        """Close the file; appending afterwards is an error."""
        if self._file:
            self._file.close()

    def _count(self, line: BillLine) -> None:
        self.lines.append(line)
        self.spent += line.cost if line.event == "charge" else -line.cost

    def _replay(self, file: IO[bytes]) -> None:
        file.seek(0)
        raw = file.read()
        whole = raw.rfind(b"\n") + 1
        file.truncate(whole)
        for line in raw[:whole].splitlines():
            self._count(BillLine.of(line))
