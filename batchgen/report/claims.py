"""Ordered against delivered: what a vendor can be told about what came. Pure; rows and looks come in, sentences go out.

Only what was ordered without doubt is compared. A ratio such as ``16:9`` is; ``auto`` is not. Pixels such as ``1600x1200`` are, under
whatever name. ``1k``, ``2k`` and ``720p`` are not, for no vendor says how many pixels they are; but a higher one that brings no more
pixels than the same model brings for a lower one, at the same ratio, is no doubt either. ``quality`` says nothing of pixels.

A picture has one claim for its shape and size, and a blank one is not also a duplicate of every other blank one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from batchgen.report.likeness import groups_alike

Kind = Literal["wrong_ratio", "wrong_size", "wrong_format", "blank", "duplicate", "near_duplicate", "missing", "changed", "not_decodable"]
Row = Mapping[str, Any]  # the values of a view's columns are of many types
"""A job as ``v_jobs`` shows it, with ``params`` read from their JSON."""

_NOTHING: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
_RATIO: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,2})?):([0-9]{1,4}(?:\.[0-9]{1,2})?)")
_PIXELS: Final = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
_STEP: Final = re.compile(r"([1-9][0-9]{0,3})([kp])")
_SHAPES: Final = ("ratio", "aspect_ratio", "size")
_TOLERANCE: Final = 0.02
_GRID: Final = 32
_SMALLEST_ON_GRID: Final = 480
_MEDIA_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
_HERE: Final = "; that is a matter of the disk here, not of the vendor"


class Seen(Protocol):
    """What a claim needs to know of a look at a picture; ``problem`` is empty, or a word such as ``missing``."""

    @property
    def problem(self) -> str:
        """Say why there is nothing to show."""

    @property
    def width(self) -> int:
        """Give the width of the upright picture."""

    @property
    def height(self) -> int:
        """Give its height."""

    @property
    def media_type(self) -> str:
        """Give what it is encoded as."""

    @property
    def dhash(self) -> int | None:
        """Give its difference hash of 64 bits."""

    @property
    def is_blank(self) -> bool:
        """Say whether it shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing to tell: a sentence about one job, or about several that are alike, with the vendor's ids of their tasks."""

    kind: Kind
    keys: tuple[str, ...]
    task_ids: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class _Delivered:
    """A saved job and the look at it."""

    row: Row
    look: Seen

    @property
    def params(self) -> Mapping[str, str]:
        params: Mapping[str, str] = self.row["params"]
        return params

    @property
    def model(self) -> str:
        return str(self.row["model"])

    @property
    def size(self) -> tuple[int, int]:
        """Give width and height, as looked at or else as noted when the picture came; 0 where neither tells."""
        return self.look.width or self.row["width"] or 0, self.look.height or self.row["height"] or 0

    @property
    def order(self) -> tuple[object, ...]:
        """Give all that was ordered; samples of one prompt have the same."""
        row = self.row
        return row["operation"], self.model, row["prompt"], tuple(sorted(self.params.items())), str(row["refs"])


def claims_of(rows: Iterable[Row], looks: Mapping[str, Seen], *, ratios: Mapping[str, Collection[str]] = _NOTHING) -> list[Claim]:
    """List every claim, kind by kind and in the order of the rows; ``looks`` has one for each key, and rows without one are passed over.

    ``ratios`` says, for some models, which ratios they take as they are: another one is documented to become the nearest of these, so
    that nothing is claimed for it. A model without any is taken at its word.
    """
    delivered = [_Delivered(row, look) for row in rows if (look := looks.get(row["key"])) is not None]
    misshapen = list(_wrong_ratios(delivered, ratios))
    claimed = {claim.keys[0] for claim in misshapen}
    return [
        *misshapen,
        *_wrong_sizes([one for one in delivered if one.row["key"] not in claimed]),
        *_wrong_formats(delivered),
        *_blanks(delivered),
        *_duplicates(delivered),
        *_near_duplicates(delivered),
        *_not_here(delivered),
    ]


# --- shape, size, format ---


def _wrong_ratios(delivered: Sequence[_Delivered], ratios: Mapping[str, Collection[str]]) -> Iterator[Claim]:
    for one in delivered:
        width, height = one.size
        ordered = _ordered_shape(one.params)
        if ordered is None or not width or not height or (":" in ordered and ordered not in (ratios.get(one.model) or (ordered,))):
            continue
        wanted = _quotient(ordered)
        if _is_off(width, height, wanted):
            came = f"{width}x{height} pixels came, which is {width / height:.2f}:1 instead of {wanted:.2f}:1"
            yield _claim("wrong_ratio", [one], f"{ordered} was ordered of {one.model} and {came}")


def _wrong_sizes(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    usual = _usual_pixels(delivered)
    for one in delivered:
        width, height = one.size
        ordered = _ordered_shape(one.params)
        if ordered is None or not width or not height:
            continue
        if _PIXELS.fullmatch(ordered):
            if ordered != f"{width}x{height}":
                yield _claim("wrong_size", [one], f"{ordered} pixels were ordered of {one.model} and {width}x{height} came")
        elif lower := _lower_step(one, ordered, usual):
            came = f"{width}x{height} pixels came, no more than it usually delivers for {lower}"
            yield _claim("wrong_size", [one], f"{one.params['resolution']} at {ordered} was ordered of {one.model} and {came}")


def _wrong_formats(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    for one in delivered:
        ordered = one.params.get("output_format", "")
        wanted, came = _MEDIA_TYPES.get(ordered.lower()), one.look.media_type
        if wanted and came and wanted != came:
            yield _claim("wrong_format", [one], f"{ordered} was ordered of {one.model} and {came.partition('/')[2]} came")


def _ordered_shape(params: Mapping[str, str]) -> str | None:
    """Give the ratio or the pixels that were ordered, if they are either."""
    values = (params.get(name, "") for name in _SHAPES)
    return next((value for value in values if _PIXELS.fullmatch(value) or (_RATIO.fullmatch(value) and _quotient(value) > 0)), None)


def _quotient(shape: str) -> float:
    wide, high = map(float, shape.replace("x", ":").split(":"))
    return wide / high if high else 0.0


def _is_off(width: int, height: int, wanted: float) -> bool:
    """Say whether a shape is another than the wanted one by more than 2 %, or than half a step of the grid that models draw on.

    Some draw multiples of 32 pixels only: 1184x864, the documented 4:3 of one of them, is off by 2.8 %.
    """
    if abs(width / height / wanted - 1) <= _TOLERANCE:
        return False
    if width % _GRID or height % _GRID or min(width, height) < _SMALLEST_ON_GRID:
        return True
    half = _GRID // 2
    return not (width - half) / (height + half) <= wanted <= (width + half) / (height - half)


def _group(one: _Delivered, shape: str) -> tuple[object, ...] | None:
    """Give what pixels are compared within: one model's orders of one shape, and how its resolutions are counted."""
    step = _STEP.fullmatch(one.params.get("resolution", "").lower())
    return (one.row["operation"], one.model, shape, step[2]) if step else None


def _usual_pixels(delivered: Sequence[_Delivered]) -> Mapping[tuple[object, ...], Mapping[int, tuple[str, int]]]:
    """Give, for each group, the name and the most frequent number of pixels of each resolution."""
    counted = defaultdict[tuple[object, ...], defaultdict[int, Counter[tuple[str, int]]]](lambda: defaultdict(Counter))
    for one in delivered:
        shape = _ordered_shape(one.params)
        width, height = one.size
        if shape is not None and (group := _group(one, shape)) and width and height:
            counted[group][_number(one)][one.params["resolution"], width * height] += 1
    return {group: {number: some.most_common(1)[0][0] for number, some in steps.items()} for group, steps in counted.items()}


def _number(one: _Delivered) -> int:
    return int(one.params["resolution"][:-1])


def _lower_step(one: _Delivered, shape: str, usual: Mapping[tuple[object, ...], Mapping[int, tuple[str, int]]]) -> str:
    """Name the lowest resolution that usually brings at least as many pixels as came here, where a higher one was ordered."""
    group = _group(one, shape)
    if group is None:
        return ""
    width, height = one.size
    lower = (name for number, (name, pixels) in sorted(usual[group].items()) if number < _number(one) and width * height <= pixels)
    return next(lower, "")


# --- what the pictures show ---


def _blanks(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    for one in delivered:
        if one.look.is_blank:
            width, height = one.size
            yield _claim("blank", [one], f"a picture was ordered of {one.model} and {width}x{height} pixels of one colour came")


def _duplicates(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    same = defaultdict[str, list[_Delivered]](list)
    for one in delivered:
        if one.look.problem in {"", "video"} and not one.look.is_blank:
            same[one.row["sha256"]].append(one)
    for some in same.values():
        if len(some) > 1:
            yield _claim("duplicate", some, f"{_several(some)} and the same file came for all of them, byte for byte")


def _near_duplicates(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    """Find pictures of one model that look alike and are not all one file."""
    models = defaultdict[str, list[tuple[int, _Delivered]]](list)
    for one in delivered:
        if not one.look.problem and not one.look.is_blank and one.look.dhash is not None:
            models[one.model].append((one.look.dhash, one))
    for shown in models.values():
        groups = enumerate(groups_alike(value for value, _ in shown))
        group_of = {value: number for number, group in groups for value in group}
        alike = defaultdict[int, list[_Delivered]](list)
        for value, one in shown:
            alike[group_of[value]].append(one)
        for some in alike.values():
            if len({one.row["sha256"] for one in some}) > 1:
                yield _claim("near_duplicate", some, f"{_several(some)} and pictures came that look alike, each like another one of them")


def _several(some: Sequence[_Delivered]) -> str:
    models = " and ".join(dict.fromkeys(one.model for one in some))
    if len({one.order for one in some}) == 1:
        return f"{len(some)} samples of one prompt were ordered of {models}"
    return f"{len(some)} pictures of different prompts or parameters were ordered of {models}"


# --- what is not here any more ---


def _not_here(delivered: Sequence[_Delivered]) -> Iterator[Claim]:
    for one in delivered:
        match one.look.problem:
            case "missing":
                yield _claim("missing", [one], f"a picture was saved as {one.row['path']} and the file is not there any more{_HERE}")
            case "changed":
                yield _claim("changed", [one], f"a picture was saved as {one.row['path']} and the file holds other bytes now{_HERE}")
            case "not_decodable":
                came = f"{one.row['path']} came, which does not decode within the limits"
                yield _claim("not_decodable", [one], f"a picture was ordered of {one.model} and {came}")
            case _:
                continue


def _claim(kind: Kind, some: Sequence[_Delivered], sentence: str) -> Claim:
    return Claim(
        kind=kind,
        keys=tuple(one.row["key"] for one in some),
        task_ids=tuple(one.row["task_id"] for one in some if one.row["task_id"]),
        sentence=sentence,
    )
