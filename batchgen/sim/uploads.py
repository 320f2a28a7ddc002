"""Keep uploaded files for a while: in memory only, so that a restart forgets them as an expiry would."""

import mimetypes
import secrets
from dataclasses import dataclass

from batchgen.sim.encoding import File

LARGEST_BYTES = 100_000_000
_IMAGES = ("jpg", "jpeg", "png", "gif", "webp", "bmp", "svg")
_FILMS = ("mp4", "mov", "avi", "webm", "mkv", "m4v", "flv")
_SOUNDS = ("mp3", "wav", "aac", "m4a", "flac", "ogg")
EXTENSIONS = frozenset((*_IMAGES, *_FILMS, *_SOUNDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Hold one uploaded file and the instant at which it is forgotten."""

    name: str
    file: File
    expires_at: float


class Uploads:
    """Take files in and forget them when their time is over."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._kept: dict[str, Upload] = {}

    def keep(self, filename: str, body: bytes, now: float) -> Upload | None:
        """Return the upload under a name of its own, or None for a file of another kind, empty or too large."""
        extension = filename.rpartition(".")[2].lower() if "." in filename else ""
        if extension not in EXTENSIONS or not 0 < len(body) <= LARGEST_BYTES:
            return None
        self._forget(now)
        media_type = mimetypes.guess_type(f"x.{extension}")[0] or "application/octet-stream"
        upload = Upload(name=f"up_{secrets.token_hex(12)}.{extension}", file=File(body, media_type), expires_at=now + self._ttl_s)
        self._kept[upload.name] = upload
        return upload

    def get(self, name: str, now: float) -> Upload | None:
        """Return the upload of this name while it lives."""
        upload = self._kept.get(name)
        return upload if upload and now < upload.expires_at else None

    def _forget(self, now: float) -> None:
        self._kept = {name: upload for name, upload in self._kept.items() if now < upload.expires_at}
