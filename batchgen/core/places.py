"""Where images are kept: a folder of this machine, or a place in an object storage that an address such as ``s3://bucket/prefix`` names.

Both are one text, ``output_dir``; only here is it told apart what it is. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

Scheme = Literal["s3", "gs", "az"]

_MARK: Final = "://"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SHOWN_CHARS: Final = 12
MAX_KEY_BYTES: Final = 1024
"""How long the key of an object may be in each of the three storages."""


def is_address(place: str) -> bool:
    """Say whether an output place is meant as an address and not as a folder."""
    return _MARK in place


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """A bucket (of Azure: a container) and what the keys of a batch's objects begin with."""

    scheme: Scheme
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, address: str) -> Self:
        """Read an address; raise ValueError with a sentence that never quotes what may be a secret."""
        scheme, _, rest = address.partition(_MARK)
        bucket, _, path = rest.partition("/")
        if scheme not in {"s3", "gs", "az"}:
            shown = scheme[:_SHOWN_CHARS]
            raise ValueError(f"{shown!r} is no object storage that is known: write s3://bucket/prefix, gs://bucket/prefix or az://…")
        if "@" in bucket or {"?", "#"} & set(rest):
            raise ValueError(
                "the address of an object storage holds a bucket and a prefix only, no name, key or query: those come from the environment"
            )
        if not _BUCKET.fullmatch(bucket):
            raise ValueError(f"{bucket!r} is no bucket's name: 3 or more of a-z, 0-9, '.', '_' and '-'")
        prefix = path.removesuffix("/")
        if prefix and any(part.strip() in {"", ".", ".."} for part in prefix.split("/")):
            raise ValueError(f"the prefix {prefix!r} must not hold '..', '.' or empty parts")
        return cls(scheme=scheme, bucket=bucket, prefix=prefix)  # type: ignore[arg-type] # checked above

    @property
    def address(self) -> str:
        """Give the address in its one spelling, without a slash at its end."""
        return f"{self.scheme}{_MARK}{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
