"""Read the body of a create call into a typed request, as tolerantly as the vendor does."""

import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Hold the fields of a create call that the simulator looks at; None means not sent."""

    model: str
    prompt: str
    ratio: str | None = None
    resolution: str | None = None
    quality: str | None = None
    references: int = 0
    n: int = 1

    @classmethod
    def of(cls, body: dict[str, object]) -> Self | None:
        """Return the request in a parsed body, or None when a field has the wrong type."""
        images, n = body.get("images") or [], body.get("n", 1)
        texts = [body.get(name) for name in ("ratio", "resolution", "quality")]
        if not all(text is None or isinstance(text, str) for text in texts):
            return None
        if not (isinstance(images, list) and isinstance(n, int) and not isinstance(n, bool)):
            return None
        ratio, resolution, quality = (text if isinstance(text, str) else None for text in texts)
        return cls(
            model=str(body.get("model", "")),
            prompt=str(body.get("prompt", "")),
            ratio=ratio,
            resolution=resolution,
            quality=quality,
            references=len(images),
            n=n,
        )


def parse_body(raw: bytes) -> dict[str, object] | None:
    """Return the JSON object in the raw body, or None when there is none."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
