"""One model in one operation, and the checks over it. No table stands here, and no name of a model."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from batchgen.api.dialects.jimmyai.fields import Field
from batchgen.api.dialects.jimmyai.references import IMAGES, MASK, FileLimits, file_complaints, in_role, mask_complaints
from batchgen.core.dialects import Complaint, Model, Reference
from batchgen.core.jobs import Params

GENERAL: Final = ("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21")
WIDE: Final = ("16:9", "9:16", "2:1", "1:2", "21:9", "9:21")

_PIXELS: Final = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")

Rule = Callable[["Capability", Params, Sequence[Reference]], Iterator[Complaint]]
"""A check of one family; its arguments are the capability, the parameters and the references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A model with what its public description cannot say.

    ``unsure`` parameters only warn; ``fields`` are those that the description has no list for; ``rules`` are the family's own.
    """

    model: Model
    moderations: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    unsure: tuple[str, ...] = ()
    ratio_severity: Literal["error", "warning"] = "error"
    ratio_hint: str = ""
    takes_pixels: bool = False
    may_lack_prompt: bool = False
    needs_reference: bool = False
    reference_hint: str = ""
    image_limits: FileLimits | None = None
    mask_limits: FileLimits | None = None
    rules: tuple[Rule, ...] = ()


def complaints(capability: Capability, params: Params, *, prompt_chars: int, references: Sequence[Reference]) -> Iterator[Complaint]:
    """Check an order against all that is known of the model."""
    yield from _listed_complaints(capability, params)
    yield from _form_complaints(capability, params)
    yield from _prompt_complaints(capability, prompt_chars, references)
    yield from _reference_complaints(capability, references)
    for rule in capability.rules:
        yield from rule(capability, params, references)


def _listed_complaints(capability: Capability, params: Params) -> Iterator[Complaint]:
    """Check each value on its own against the model's lists."""
    model, others = capability.model, {field.name for field in capability.fields}
    allowed = {
        "ratio": model.ratios,
        "resolution": model.resolutions,
        "quality": model.qualities,
        "background": model.backgrounds,
        "output_format": model.output_formats,
        "moderation": capability.moderations,
    }
    for name, values in allowed.items():
        value = params.get(name)
        if value is None or name in others or value in values or (name == "ratio" and _is_pixels(capability, value)):
            continue
        yield _misfit(capability, name, value, values)


def _misfit(capability: Capability, name: str, value: str, values: tuple[str, ...]) -> Complaint:
    model = capability.model.name
    if name in capability.unsure:
        return Complaint(param=name, message=f"{model} is not known to read {name}; it may be ignored", severity="warning")
    if not values:
        return Complaint(param=name, message=f"{name} is not a field of {model}", hint=f"leave {name} out for this model")
    if name == "ratio" and value in GENERAL and capability.ratio_severity == "warning":
        return Complaint(param=name, message=f"{model} maps ratio {value} to the nearest of {', '.join(values)}", severity="warning")
    hint = f"{model} takes {', '.join(values)}" + (capability.ratio_hint if name == "ratio" else "")
    return Complaint(param=name, message=f"{model} does not take {name} {value!r}", hint=hint)


def _form_complaints(capability: Capability, params: Params) -> Iterator[Complaint]:
    model = capability.model.name
    for field in capability.fields:
        value = params.get(field.name)
        if value is not None and not field.fits(value):
            yield Complaint(param=field.name, message=f"{model} does not take {field.name} {value!r}", hint=f"{model} takes {field.takes}")


def _prompt_complaints(capability: Capability, prompt_chars: int, references: Sequence[Reference]) -> Iterator[Complaint]:
    model = capability.model
    if prompt_chars == 0 and not (capability.may_lack_prompt and references):
        yield Complaint(param="prompt", message=f"{model.name} needs a prompt")
    if model.max_prompt_chars is not None and prompt_chars > model.max_prompt_chars:
        message = f"the prompt has {prompt_chars} characters"
        yield Complaint(param="prompt", message=message, hint=f"{model.name} takes at most {model.max_prompt_chars}")


def _reference_complaints(capability: Capability, references: Sequence[Reference]) -> Iterator[Complaint]:
    model, images, masks = capability.model, in_role(references, IMAGES), in_role(references, MASK)
    if len(images) > model.max_references:
        hint = capability.reference_hint or f"{model.name} takes at most {model.max_references}"
        yield Complaint(param=IMAGES, message=f"{len(images)} references", hint=hint)
    if capability.needs_reference and not images:
        yield Complaint(param=IMAGES, message="an image to work on is missing", hint="set images")
    if masks and not model.takes_mask:
        message = f"mask is not a field of {model.name} in operation {model.operations[0]}"
        yield Complaint(param=MASK, message=message, hint="leave mask out, or order an edit with a model that has operation: edit")
    elif masks:
        yield from mask_complaints(references)
    for files, limits in ((images, capability.image_limits), (masks, capability.mask_limits)):
        if limits is not None:
            yield from file_complaints(files, limits)


def four_k(capability: Capability, params: Params, _references: Sequence[Reference]) -> Iterator[Complaint]:
    """Refuse 4k with a ratio that is not wide."""
    ratio = params.get("ratio")
    if params.get("resolution") == "4k" and ratio not in WIDE and (ratio is None or ratio in capability.model.ratios):
        named = "no ratio" if ratio is None else f"ratio {ratio}"
        yield Complaint(param="ratio", message=f"{capability.model.name} cannot do 4k with {named}", hint=f"at 4k only {', '.join(WIDE)}")


def transparency(capability: Capability, params: Params, _references: Sequence[Reference]) -> Iterator[Complaint]:
    """Refuse a transparent background in a format that has none."""
    formats = tuple(name for name in capability.model.output_formats if name != "jpeg")
    if params.get("background") == "transparent" and params.get("output_format") == "jpeg":
        message = "a transparent background cannot be stored as jpeg"
        yield Complaint(param="output_format", message=message, hint=f"with transparent only {', '.join(formats)}")


def pixels_win(capability: Capability, params: Params, _references: Sequence[Reference]) -> Iterator[Complaint]:
    """Warn of a resolution beside exact pixels."""
    if "resolution" in params and _is_pixels(capability, params.get("ratio", "")):
        yield Complaint(param="resolution", message="resolution is ignored beside a ratio in exact pixels", severity="warning")


def auto_only_when_editing(capability: Capability, params: Params, references: Sequence[Reference]) -> Iterator[Complaint]:
    """Refuse ratio auto where there is no reference to take it from."""
    if params.get("ratio") == "auto" and not references:
        hint = f"without references only {', '.join(ratio for ratio in capability.model.ratios if ratio != 'auto')}"
        yield Complaint(param="ratio", message=f"{capability.model.name} takes ratio auto only with references", hint=hint)


def quality_in_name(capability: Capability, params: Params, _references: Sequence[Reference]) -> Iterator[Complaint]:
    """Warn of a quality that the model's name contradicts."""
    quality = params.get("quality")
    if quality is not None and not capability.model.name.endswith(f"-{quality}"):
        message = f"the name {capability.model.name} already says the quality; {quality!r} may be ignored"
        yield Complaint(param="quality", message=message, severity="warning")


def last_is_doubtful(capability: Capability, _params: Params, references: Sequence[Reference]) -> Iterator[Complaint]:
    """Warn of the last reference that only one of the vendor's two pages allows."""
    if len(in_role(references, IMAGES)) == capability.model.max_references:
        message = f"{capability.model.max_references} references; another page of the vendor's allows one less"
        yield Complaint(param=IMAGES, message=message, severity="warning")


def _is_pixels(capability: Capability, ratio: str) -> bool:
    return capability.takes_pixels and _PIXELS.fullmatch(ratio) is not None
