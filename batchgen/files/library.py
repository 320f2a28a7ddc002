"""The local reference images of one batch: read when an order needs them, and believed only while they are what was planned."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from batchgen.core.errors import StopRunError
from batchgen.core.exits import Exit
from batchgen.core.ports import ReferenceFile
from batchgen.files.folders import open_regular

_MAX_BYTES: Final = 32 * 1024 * 1024
_HELD_BYTES: Final = 64 * 1024 * 1024
"""Contents are held up to this sum, since a handful of references serves thousands of orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A reference as the plan knows it."""

    path: Path
    media_type: str
    send: Literal["auto", "base64", "upload"]


@dataclass(slots=True)
class ReferenceLibrary:
    """Reads references by hash; implements ``core.ports.Library``. Safe to use from several threads."""

    planned: Mapping[str, Planned]
    _held: dict[str, ReferenceFile] = field(default_factory=dict)

    def read(self, sha256: str) -> ReferenceFile:
        """Give a reference image; raise StopRunError when its file is gone or holds other bytes than were planned."""
        held = self._held.get(sha256)
        if held is not None:
            return held
        planned = self.planned.get(sha256)
        if planned is None:
            raise _stop(f"the reference image {sha256[:8]} is not in the latest plan")
        content = _content(planned.path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _stop(f"the reference image {planned.path} is not the file that was planned any more")
        file = ReferenceFile(content=content, filename=planned.path.name, media_type=planned.media_type, send=planned.send)
        if sum(len(other.content) for other in tuple(self._held.values())) + len(content) <= _HELD_BYTES:
            self._held[sha256] = file
        return file


def _content(path: Path) -> bytes:
    """Read a regular file, never through a link in its last component and never waiting on a pipe."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            file = open_regular(folder, path.name)
        finally:
            os.close(folder)
        if file is None:
            raise _stop(f"the reference image {path} is no regular file any more")
        with file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _stop(f"the reference image {path} cannot be read: {error.strerror}") from error


def _stop(message: str) -> StopRunError:
    return StopRunError(f"{message}; put it back, or run the manifest again to plan anew", exit_code=Exit.INPUT, reason="reference")
