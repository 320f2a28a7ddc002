"""Check declared reference images: small regular image files below the manifest's folder, or public https addresses."""

import hashlib
import ipaddress
import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from batchgen.planning.findings import Findings
from batchgen.planning.manifest import Manifest, Reference
from batchgen.planning.opening import UnreadableError, open_regular
from batchgen.planning.settings import ReferenceSettings

MAX_BYTES: Final = 32 * 1024 * 1024
_LONGEST_URL: Final = 8000


class _RefusedError(ValueError):
    """A reference cannot be used; the message says why."""


def check_references(manifest: Manifest, findings: Findings, folder: Path) -> dict[str, ReferenceSettings]:
    """Check and hash every declared reference; those that cannot be used are reported and left out."""
    found: dict[str, ReferenceSettings] = {}
    for name, reference in manifest.references.items():
        key = "path" if reference.path is not None else "url"
        try:
            found[name] = _resolved(reference, folder)
        except (_RefusedError, UnreadableError) as error:
            findings.error("E207", f"the reference {name!r} {error}", ("references", name, key))
    return found


def _resolved(reference: Reference, folder: Path) -> ReferenceSettings:
    if reference.path is None:
        return ReferenceSettings(url=_checked_url(reference.url or ""), send=reference.send)
    path = _confined(reference.path, folder)
    with open_regular(path, follow_links=False) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _RefusedError(f"is bigger than {MAX_BYTES // 1024 // 1024} MiB")
    if not _is_image(content):
        raise _RefusedError("is not a PNG, JPEG or WebP image")
    return ReferenceSettings(path=path.as_posix(), sha256=hashlib.sha256(content).hexdigest(), send=reference.send)


def _confined(written: str, folder: Path) -> Path:
    """Give the absolute path; raise when it leaves the folder or passes a symbolic link."""
    root = os.path.realpath(folder)
    path = os.path.normpath(Path(root) / written)
    if os.path.commonpath([root, path]) != root:
        raise _RefusedError("must lie below the manifest's folder")
    if os.path.realpath(path) != path:
        raise _RefusedError("must not pass through a symbolic link")
    return Path(path)


def _is_image(content: bytes) -> bool:
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or is_webp


def _checked_url(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _LONGEST_URL:
        raise _RefusedError("has an address that is not printable ASCII")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _RefusedError("has an address that is not well-formed") from None
    if parts.scheme != "https" or not host or "@" in parts.netloc or port not in {None, 443}:
        raise _RefusedError("needs a plain https address")
    if not _is_public(host):
        raise _RefusedError("has an address that is not public")
    return url


def _is_public(host: str) -> bool:
    if "." not in host.rstrip(".") and ":" not in host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return not host.rstrip(".").rsplit(".", 1)[-1].isdecimal()
