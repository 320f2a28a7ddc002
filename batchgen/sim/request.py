"""Read the body of a create call into a typed request, as tolerantly as the vendor does."""

import json
from dataclasses import dataclass
from typing import Self

_TEXTS = ("model", "prompt", "ratio", "resolution", "quality", "mask_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Hold the fields of a create call that the simulator looks at; None means not sent."""

    model: str
    prompt: str
    ratio: str | None = None
    resolution: str | None = None
    quality: str | None = None
    mask_url: str | None = None
    images: tuple[str, ...] = ()
    n: int = 1

    @property
    def references(self) -> int:
        """Return how many reference images were sent."""
        return len(self.images)

    @classmethod
    def of(cls, body: dict[str, object]) -> Self | None:
        """Return the request in a parsed body, or None when a field has the wrong type."""
        sent = {name: value for name in _TEXTS if (value := body.get(name)) is not None}
        texts = {name: value for name, value in sent.items() if isinstance(value, str)}
        images, n = body.get("images") or [], body.get("n", 1)
        if sent != texts or not isinstance(images, list) or not isinstance(n, int) or isinstance(n, bool):
            return None
        references = tuple(image for image in images if isinstance(image, str))
        if len(references) < len(images):
            return None
        return cls(**{"model": "", "prompt": ""} | texts, images=references, n=n)


def parse_body(raw: bytes) -> dict[str, object] | None:
    """Return the JSON object in the raw body, or None when there is none."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
