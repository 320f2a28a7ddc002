"""What is known to be refused of reference images before one is sent: how many, in which roles, and what their files are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from batchgen.core.dialects import Complaint, ImageFacts, Reference

IMAGES: Final = "images"
MASK: Final = "mask"

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What the vendor takes of one file. ``over_px`` is a side that is too short already, ``aspect`` the longest side over the shortest."""

    max_bytes: int
    media_types: tuple[str, ...]
    over_px: int = 0
    max_px: int | None = None
    aspect: int | None = None


EDIT_IMAGE: Final = FileLimits(max_bytes=20 * _MIB, media_types=("image/png", "image/jpeg", "image/webp"))
EDIT_MASK: Final = FileLimits(max_bytes=20 * _MIB, media_types=("image/png",))
SEEDREAM: Final = FileLimits(
    max_bytes=30 * _MIB,
    media_types=tuple(f"image/{kind}" for kind in ("jpeg", "png", "webp", "bmp", "tiff", "gif", "heic", "heif")),
    over_px=14,
    max_px=6000,
    aspect=16,
)


def in_role(references: Sequence[Reference], role: str) -> tuple[Reference, ...]:
    """Give the references of one role in their order."""
    return tuple(reference for reference in references if reference.role == role)


def file_complaints(references: Sequence[Reference], limits: FileLimits) -> Iterator[Complaint]:
    """Check files against the limits; those that nobody has seen pass."""
    for reference in references:
        if reference.facts is not None:
            for fault, takes in _faults(reference.facts, limits):
                yield Complaint(param=reference.role, message=f"the reference {reference.name!r} {fault}", hint=takes)


def mask_complaints(references: Sequence[Reference]) -> Iterator[Complaint]:
    """Check the mask against the first image: it needs one, its size, and a way to be transparent."""
    images, masks = in_role(references, IMAGES), in_role(references, MASK)
    if len(masks) > 1:
        yield Complaint(param=MASK, message=f"{len(masks)} masks", hint="one order takes one mask")
    if masks and not images:
        yield Complaint(param=MASK, message="a mask needs an image to lie on", hint="set images too")
    for mask in masks:
        if mask.facts is not None:
            yield from _mask_faults(mask.name, mask.facts, images[0].facts if images else None)


def _mask_faults(name: str, mask: ImageFacts, image: ImageFacts | None) -> Iterator[Complaint]:
    if not mask.has_alpha:
        yield Complaint(param=MASK, message=f"the mask {name!r} has no alpha channel", hint="where it is transparent the image is changed")
    if image is not None and (mask.width, mask.height) != (image.width, image.height):
        message = f"the mask {name!r} has {mask.width}x{mask.height} pixels, the first image {image.width}x{image.height}"
        yield Complaint(param=MASK, message=message, hint="both must have the same size")


def _faults(facts: ImageFacts, limits: FileLimits) -> Iterator[tuple[str, str]]:
    if facts.media_type not in limits.media_types:
        known = ", ".join(kind.removeprefix("image/") for kind in limits.media_types)
        yield f"is {facts.media_type}", f"only {known}"
    if facts.bytes > limits.max_bytes:
        yield f"has {facts.bytes} bytes", f"at most {limits.max_bytes // _MIB} MiB"
    yield from _pixel_faults(facts, limits)


def _pixel_faults(facts: ImageFacts, limits: FileLimits) -> Iterator[tuple[str, str]]:
    short, long = sorted((facts.width, facts.height))
    size = f"has {facts.width}x{facts.height} pixels"
    if short <= limits.over_px:
        yield size, f"each side must have more than {limits.over_px}"
    if limits.max_px is not None and long > limits.max_px:
        yield size, f"at most {limits.max_px}x{limits.max_px}"
    if limits.aspect is not None and long > short * limits.aspect:
        yield size, f"at most {limits.aspect} times as long as wide"
