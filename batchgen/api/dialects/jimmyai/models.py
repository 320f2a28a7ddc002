"""What each JimmyAI model takes (api notes 2.1). A table and the checks over it; unknown models pass with a warning."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from batchgen.core.jobs import Params
from batchgen.core.ports import Complaint, Model

PARAMS: Final = ("model", "ratio", "resolution", "quality", "background", "output_format", "moderation")

_GENERAL: Final = ("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21")
_WIDE: Final = ("16:9", "9:16", "2:1", "1:2", "21:9", "9:21")
_GROK: Final = ("auto", "2:1", "20:9", "19.5:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:19.5", "9:20", "1:2")
_SEEDREAM: Final = ("auto", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9")
_ALL_SIZES: Final = ("1k", "2k", "4k")
_BACKGROUNDS: Final = ("auto", "opaque", "transparent")
_MODERATIONS: Final = ("auto", "low")
_PIXELS: Final = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")

Rule = Callable[["Capability", Params, int], Iterator[Complaint]]
"""A check of one family; its arguments are the capability, the parameters and the number of references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One model with what its public description cannot say: unsure parameters (they only warn) and the family's own rules."""

    model: Model
    moderations: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    ratio_severity: Literal["error", "warning"] = "error"
    ratio_hint: str = ""
    takes_pixels: bool = False
    may_lack_prompt: bool = False
    rules: tuple[Rule, ...] = ()


def complaints(params: Params, *, prompt_chars: int, references: int) -> Sequence[Complaint]:
    """List what the vendor is known to refuse in this combination; warnings pass."""
    name = params.get("model", "")
    if not name:
        return [Complaint(param="model", message="no model is named", hint="set model, such as gpt-image-2")]
    capability = _BY_NAME.get(_ALIASES.get(name, name))
    if capability is None:
        return [_unknown(name)]
    return [
        *_strangers(params),
        *_field_complaints(capability, params),
        *_count_complaints(capability, prompt_chars, references),
        *(complaint for rule in capability.rules for complaint in rule(capability, params, references)),
    ]


def _unknown(name: str) -> Complaint:
    near = difflib.get_close_matches(name, [*_BY_NAME, *_ALIASES], n=1)
    return Complaint(
        param="model",
        message=f"model {name!r} is unknown; its parameters are not checked",
        hint=f"did you mean {near[0]}?" if near else "",
        severity="warning",
    )


def _strangers(params: Params) -> Iterator[Complaint]:
    for name in params:
        if name == "n":
            yield Complaint(param="n", message="n cannot be set: one row is one image", hint="use samples")
        elif name not in PARAMS:
            yield Complaint(param=name, message=f"{name!r} is not a parameter of jimmyai", hint=f"known are {', '.join(PARAMS)}")


def _field_complaints(capability: Capability, params: Params) -> Iterator[Complaint]:
    """Check each value on its own against the model's lists."""
    model = capability.model
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
        if value is not None and value not in values and not (name == "ratio" and _is_pixels(capability, value)):
            yield _misfit(capability, name, value, values)


def _misfit(capability: Capability, name: str, value: str, values: tuple[str, ...]) -> Complaint:
    model = capability.model.name
    if name in capability.unsure:
        return Complaint(param=name, message=f"{model} is not known to read {name}; it may be ignored", severity="warning")
    if not values:
        return Complaint(param=name, message=f"{name} is not a field of {model}", hint=f"leave {name} out for this model")
    if name == "ratio" and value in _GENERAL and capability.ratio_severity == "warning":
        return Complaint(param=name, message=f"{model} maps ratio {value} to the nearest of {', '.join(values)}", severity="warning")
    hint = f"{model} takes {', '.join(values)}" + (capability.ratio_hint if name == "ratio" else "")
    return Complaint(param=name, message=f"{model} does not take {name} {value!r}", hint=hint)


def _count_complaints(capability: Capability, prompt_chars: int, references: int) -> Iterator[Complaint]:
    model = capability.model
    if prompt_chars == 0 and not (capability.may_lack_prompt and references):
        yield Complaint(param="prompt", message=f"{model.name} needs a prompt")
    if model.max_prompt_chars is not None and prompt_chars > model.max_prompt_chars:
        yield Complaint(
            param="prompt",
            message=f"the prompt has {prompt_chars} characters",
            hint=f"{model.name} takes at most {model.max_prompt_chars}",
        )
    if references > model.max_references:
        yield Complaint(param="references", message=f"{references} references", hint=f"{model.name} takes at most {model.max_references}")


def _four_k(capability: Capability, params: Params, _references: int) -> Iterator[Complaint]:
    ratio = params.get("ratio")
    if params.get("resolution") == "4k" and ratio not in _WIDE and (ratio is None or ratio in capability.model.ratios):
        named = "no ratio" if ratio is None else f"ratio {ratio}"
        yield Complaint(param="ratio", message=f"{capability.model.name} cannot do 4k with {named}", hint=f"at 4k only {', '.join(_WIDE)}")


def _transparency(capability: Capability, params: Params, _references: int) -> Iterator[Complaint]:
    formats = tuple(name for name in capability.model.output_formats if name != "jpeg")
    chosen = params.get("output_format")
    if params.get("background") == "transparent" and chosen == "jpeg":
        yield Complaint(
            param="output_format",
            message="a transparent background cannot be stored as jpeg",
            hint=f"with transparent only {', '.join(formats)}",
        )


def _pixels_win(capability: Capability, params: Params, _references: int) -> Iterator[Complaint]:
    if "resolution" in params and _is_pixels(capability, params.get("ratio", "")):
        yield Complaint(param="resolution", message="resolution is ignored beside a ratio in exact pixels", severity="warning")


def _auto_only_when_editing(capability: Capability, params: Params, references: int) -> Iterator[Complaint]:
    if params.get("ratio") == "auto" and not references:
        hint = f"without references only {', '.join(ratio for ratio in capability.model.ratios if ratio != 'auto')}"
        yield Complaint(param="ratio", message=f"{capability.model.name} takes ratio auto only with references", hint=hint)


def _quality_in_name(capability: Capability, params: Params, _references: int) -> Iterator[Complaint]:
    quality = params.get("quality")
    if quality is not None and not capability.model.name.endswith(f"-{quality}"):
        message = f"the name {capability.model.name} already says the quality; {quality!r} may be ignored"
        yield Complaint(param="quality", message=message, severity="warning")


def _is_pixels(capability: Capability, ratio: str) -> bool:
    return capability.takes_pixels and _PIXELS.fullmatch(ratio) is not None


def _gpt_image_15(name: str, *rules: Rule) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=("1:1", "2:3", "3:2"),
            resolutions=(),
            qualities=("auto", "low", "medium", "high"),
            max_references=15,
            backgrounds=_BACKGROUNDS,
            output_formats=("png", "jpeg"),
            remarks="other general ratios are mapped to the nearest; no resolution field",
        ),
        moderations=_MODERATIONS,
        ratio_severity="warning",
        may_lack_prompt=True,
        rules=(_transparency, *rules),
    )


def _gpt_image_25(name: str) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=_GENERAL,
            resolutions=_ALL_SIZES,
            qualities=("auto", "low", "medium", "high", "xhigh", "max"),
            max_references=16,
            backgrounds=_BACKGROUNDS,
            output_formats=("png", "jpeg", "webp"),
            remarks="ratio may be exact pixels such as 1600x1200",
        ),
        moderations=_MODERATIONS,
        ratio_hint=", or exact pixels such as 1600x1200",
        takes_pixels=True,
        rules=(_transparency, _pixels_win),
    )


def _nano_banana(name: str) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=_GENERAL,
            resolutions=_ALL_SIZES,
            qualities=(),
            max_references=6,
            remarks="quality is ignored; which variants do 4k is not documented",
        ),
        unsure=("quality", "output_format"),
    )


def _grok(name: str, qualities: tuple[str, ...]) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=_GROK,
            resolutions=("1k", "2k"),
            qualities=qualities,
            max_references=3,
            max_prompt_chars=5000,
            output_formats=("png", "jpeg", "webp"),
            remarks="ratio auto only with references",
        ),
        rules=(_auto_only_when_editing,),
    )


_CAPABILITIES: Final = (
    Capability(
        model=Model(
            name="gpt-image-2",
            ratios=_GENERAL,
            resolutions=_ALL_SIZES,
            qualities=("low", "medium", "high", "auto"),
            max_references=16,
            remarks=f"4k only with {', '.join(_WIDE)}",
        ),
        unsure=("output_format",),
        rules=(_four_k,),
    ),
    _gpt_image_15("gpt-image-1.5"),
    *(_gpt_image_15(f"gpt-image-1.5-{quality}", _quality_in_name) for quality in ("low", "medium", "high")),
    *(_gpt_image_25(f"gpt-image-2.5-{variant}") for variant in ("flare", "sunburst")),
    *(_nano_banana(name) for name in ("nano-banana", "nano-banana-2", "nano-banana-pro")),
    Capability(
        model=Model(
            name="doubao-seedream-5-0-pro",
            ratios=_SEEDREAM,
            resolutions=("1k", "2k"),
            qualities=(),
            max_references=10,
            remarks="the vendor's default resolution is 2k",
        ),
        unsure=("output_format",),
    ),
    _grok("grok-imagine-image", ()),
    _grok("grok-imagine-image-2", ("low", "medium")),
)

MODELS: Final = tuple(capability.model for capability in _CAPABILITIES)
"""The known models, without their aliases."""

_BY_NAME: Final = {capability.model.name: capability for capability in _CAPABILITIES}
_ALIASES: Final = {
    "seedream-5-0-pro": "doubao-seedream-5-0-pro",
    "grok-imagine-image-2.0": "grok-imagine-image-2",
    "grok-imagine-image-quality": "grok-imagine-image-2",
}
