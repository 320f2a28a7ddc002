"""The list of hashes that ``sha256sum -c`` reads: one file a line, names that hold line ends or backslashes escaped as coreutils does."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

NAME: Final = "SHA256SUMS"

_LINE: Final = re.compile(rb"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)
_ESCAPES: Final = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_CHARS: Final = {escape: char for char, escape in _ESCAPES.items()}


def render(name: str, sha256: str) -> bytes:
    """Write the line of one file."""
    plain = name.encode(errors="surrogateescape")
    escaped = re.sub(rb"[\\\n\r]", lambda found: _ESCAPES[found[0]], plain)
    return (b"\\" if escaped != plain else b"") + sha256.encode() + b"  " + escaped + b"\n"


def read(content: bytes) -> tuple[Mapping[str, str], Sequence[str]]:
    """Give the hash of each listed file, and in words what is wrong with the list: lines that are none, names that stand twice."""
    sums: dict[str, str] = {}
    troubles: list[str] = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            troubles.append(f"line {number} of {NAME} is no hash and name")
            continue
        name = (_unescaped(found[3]) if found[1] else found[3]).decode(errors="surrogateescape")
        sha256 = found[2].decode().lower()
        if sums.setdefault(name, sha256) != sha256:
            troubles.append(f"line {number} of {NAME} gives a file a second hash")
    return sums, troubles


def _unescaped(name: bytes) -> bytes:
    return re.sub(rb"\\[\\nr]", lambda found: _CHARS[found[0]], name)
