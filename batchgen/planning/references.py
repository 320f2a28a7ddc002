"""Check declared reference images: small regular image files below the allowed folders, or public https addresses."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from batchgen.core.dialects import ImageFacts
from batchgen.core.errors import BadImageError
from batchgen.core.hosts import is_public_host
from batchgen.planning.findings import Findings
from batchgen.planning.manifest import Manifest, Reference
from batchgen.planning.opening import UnreadableError, is_folder, open_regular
from batchgen.planning.settings import ReferenceSettings

Measure = Callable[[bytes], ImageFacts]
"""Decode an image in full and say what it is; raises BadImageError."""

MAX_BYTES: Final = 32 * 1024 * 1024
_LONGEST_URL: Final = 8000


class _RefusedError(ValueError):
    """A reference cannot be used; the message says why."""


def check_references(manifest: Manifest, findings: Findings, folder: Path, measure: Measure | None) -> dict[str, ReferenceSettings]:
    """Check, hash and measure every declared reference; those that cannot be used are reported and left out."""
    roots = _roots(manifest.references_root, folder, findings)
    found: dict[str, ReferenceSettings] = {}
    for name, reference in manifest.references.items():
        key = "path" if reference.path is not None else "url"
        try:
            found[name] = _resolved(reference, roots, measure)
        except (_RefusedError, UnreadableError) as error:
            findings.error("E207", f"the reference {name!r} {error}", ("references", name, key))
    return found


def _roots(written: str | None, folder: Path, findings: Findings) -> Sequence[str]:
    """Give the folders that references may lie below, the manifest's first."""
    home = os.path.realpath(folder)
    if written is None:
        return [home]
    root = os.path.normpath(Path(home) / written)
    if os.path.realpath(root) != root:
        findings.error("E207", "the folder must not pass through a symbolic link", ("references_root",))
    elif not is_folder(Path(root)):
        findings.error("E207", "there is no such folder", ("references_root",))
    return [home, root]


def _resolved(reference: Reference, roots: Sequence[str], measure: Measure | None) -> ReferenceSettings:
    if reference.path is None:
        return ReferenceSettings(url=_checked_url(reference.url or ""), send=reference.send)
    path = _confined(reference.path, roots)
    content = _content_of(path)
    facts = _measured(content, measure)
    return ReferenceSettings(path=path.as_posix(), sha256=hashlib.sha256(content).hexdigest(), send=reference.send, **facts)


def _confined(written: str, roots: Sequence[str]) -> Path:
    """Give the absolute path; raise when it leaves the allowed folders or passes a symbolic link."""
    path = os.path.normpath(Path(roots[0]) / written)
    if not any(os.path.commonpath([root, path]) == root for root in roots):
        raise _RefusedError("must lie below the manifest's folder or below `references_root`")
    if os.path.realpath(path) != path:
        raise _RefusedError("must not pass through a symbolic link")
    return Path(path)


def _content_of(path: Path) -> bytes:
    """Read a small image file; raise when it is anything else."""
    with open_regular(path, follow_links=False) as file:
        try:
            content = file.read(MAX_BYTES + 1) or b""
        except OSError as error:
            raise _RefusedError(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _RefusedError(f"is bigger than {MAX_BYTES // 1024 // 1024} MiB")
    if not _is_image(content):
        raise _RefusedError("is not a PNG, JPEG or WebP image")
    return content


def _measured(content: bytes, measure: Measure | None) -> Mapping[str, object]:
    """Give what ReferenceSettings holds of an image's facts; nothing where nobody can measure."""
    if measure is None:
        return {}
    try:
        return asdict(measure(content))
    except BadImageError as error:
        raise _RefusedError(f"cannot be decoded: {error}") from error


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
    if not is_public_host(host):
        raise _RefusedError("has an address that is not public")
    return url
