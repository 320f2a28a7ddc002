"""Every JimmyAI model in every operation that has it (api notes 2.1, 2.3, 2.4, 2.9). Tables only."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from batchgen.api.dialects.jimmyai.capability import (
    GENERAL,
    WIDE,
    Capability,
    Rule,
    auto_only_when_editing,
    four_k,
    last_is_doubtful,
    pixels_win,
    quality_in_name,
    transparency,
)
from batchgen.api.dialects.jimmyai.fields import Field
from batchgen.api.dialects.jimmyai.references import EDIT_IMAGE, EDIT_MASK, SEEDREAM
from batchgen.core.dialects import Model

ALIASES: Final[Mapping[str, str]] = {
    "seedream-5-0-pro": "doubao-seedream-5-0-pro",
    "grok-imagine-image-2.0": "grok-imagine-image-2",
    "grok-imagine-image-quality": "grok-imagine-image-2",
}

_SYNC_FIELDS: Final = ("model", "size", "quality", "background", "output_format", "response_format")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("model", "ratio", "resolution", "quality", "background", "output_format", "moderation"),
    "generate": _SYNC_FIELDS,
    "edit": _SYNC_FIELDS,
    "upscale": (
        "model",
        "upscale_mode",
        "upscale_factor",
        "target_resolution",
        "noise_scale",
        "output_format",
        "seed",
        "response_format",
    ),
    "remove-bg": ("model", "operating_resolution", "output_format", "refine_foreground", "response_format"),
}
"""The parameters of each operation: tasks to follow, and four kinds of call that are answered at once."""

_GROK: Final = ("auto", "2:1", "20:9", "19.5:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:19.5", "9:20", "1:2")
_SEEDREAM: Final = ("auto", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9")
_RESOLUTIONS: Final = ("1k", "2k", "4k")
_BACKGROUNDS: Final = ("auto", "opaque", "transparent")
_FORMATS: Final = ("png", "jpeg", "webp")
_MODERATIONS: Final = ("auto", "low")
_QUALITIES: Final = ("low", "medium", "high", "auto")
_QUALITIES_25: Final = ("auto", "low", "medium", "high", "xhigh", "max")

_RESPONSE_FORMAT: Final = Field(name="response_format", values=("b64_json", "url"))
_SIDE: Final = "(6[4-9]|[7-9][0-9]|[1-9][0-9]{2}|[1-7][0-9]{3}|80[0-9]{2}|81[0-8][0-9]|819[0-2])"
_SIZE: Final = Field(
    name="size",
    values=("auto",),
    form=re.compile(f"{_SIDE}x{_SIDE}"),
    described="pixels such as 1024x1024, 64 to 8192 a side",
)
TOOL_FIELDS: Final = (
    Field(name="upscale_mode", values=("factor", "target")),
    Field(name="upscale_factor", shape="number", bounds=(1, 20)),
    Field(name="target_resolution", values=("720p", "1080p", "1440p", "2160p")),
    Field(name="noise_scale", shape="number", bounds=(0, 1)),
    Field(name="seed", shape="whole", bounds=(-(2**31), 2**32 - 1)),
    Field(name="operating_resolution", values=("1024x1024", "2048x2048", "2304x2304")),
    Field(name="refine_foreground", shape="boolean", values=("true", "false")),
    _RESPONSE_FORMAT,
)
"""The parameters of the two tools, with their types on the wire."""


def _gpt_image_15(name: str, *rules: Rule) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=("1:1", "2:3", "3:2"),
            qualities=("auto", "low", "medium", "high"),
            max_references=15,
            backgrounds=_BACKGROUNDS,
            output_formats=("png", "jpeg"),
            takes_mask=True,
            remarks="other general ratios are mapped to the nearest; no resolution field",
        ),
        moderations=_MODERATIONS,
        ratio_severity="warning",
        may_lack_prompt=True,
        rules=(transparency, *rules),
    )


def _gpt_image_25(name: str) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=GENERAL,
            resolutions=_RESOLUTIONS,
            qualities=_QUALITIES_25,
            max_references=16,
            backgrounds=_BACKGROUNDS,
            output_formats=_FORMATS,
            remarks="ratio may be exact pixels such as 1600x1200",
        ),
        moderations=_MODERATIONS,
        ratio_hint=", or exact pixels such as 1600x1200",
        takes_pixels=True,
        rules=(transparency, pixels_win),
    )


def _nano_banana(name: str) -> Capability:
    return Capability(
        model=Model(
            name=name,
            ratios=GENERAL,
            resolutions=_RESOLUTIONS,
            max_references=6,
            remarks="quality is ignored; which variants do 4k is not documented",
        ),
        unsure=("quality", "output_format"),
        rules=(last_is_doubtful,),
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
            output_formats=_FORMATS,
            remarks="ratio auto only with references",
        ),
        rules=(auto_only_when_editing,),
    )


def _synchronous(name: str, qualities: tuple[str, ...], operation: Literal["generate", "edit"]) -> Capability:
    is_edit = operation == "edit"
    return Capability(
        model=Model(
            name=name,
            operations=(operation,),
            sizes=("1024x1024",),
            qualities=qualities,
            max_references=16 if is_edit else 0,
            backgrounds=_BACKGROUNDS,
            output_formats=_FORMATS,
            takes_mask=is_edit,
            remarks="answered at once; of the sizes only the default is documented, others of the form WxH may do",
        ),
        fields=(_SIZE, _RESPONSE_FORMAT),
        needs_reference=is_edit,
        reference_hint="" if is_edit else "generate takes none; use operation: edit",
        image_limits=EDIT_IMAGE,
        mask_limits=EDIT_MASK,
        rules=(transparency,),
    )


def _tool(name: str, operation: str, formats: tuple[str, ...], remarks: str) -> Capability:
    return Capability(
        model=Model(name=name, operations=(operation,), max_references=1, output_formats=formats, remarks=remarks),
        fields=tuple(field for field in TOOL_FIELDS if field.name in FIELDS[operation]),
        may_lack_prompt=True,
        needs_reference=True,
    )


CAPABILITIES: Final = (
    Capability(
        model=Model(
            name="gpt-image-2",
            ratios=GENERAL,
            resolutions=_RESOLUTIONS,
            qualities=_QUALITIES,
            max_references=16,
            remarks=f"4k only with {', '.join(WIDE)}",
        ),
        unsure=("output_format",),
        rules=(four_k,),
    ),
    _gpt_image_15("gpt-image-1.5"),
    *(_gpt_image_15(f"gpt-image-1.5-{quality}", quality_in_name) for quality in ("low", "medium", "high")),
    *(_gpt_image_25(f"gpt-image-2.5-{variant}") for variant in ("flare", "sunburst")),
    *(_nano_banana(name) for name in ("nano-banana", "nano-banana-2", "nano-banana-pro")),
    Capability(
        model=Model(
            name="doubao-seedream-5-0-pro",
            ratios=_SEEDREAM,
            resolutions=("1k", "2k"),
            max_references=10,
            remarks="the vendor's default resolution is 2k",
        ),
        unsure=("output_format",),
        image_limits=SEEDREAM,
    ),
    _grok("grok-imagine-image", ()),
    _grok("grok-imagine-image-2", ("low", "medium")),
    *(_synchronous("gpt-image-2", _QUALITIES, operation) for operation in ("generate", "edit")),
    *(
        _synchronous(f"gpt-image-2.5-{variant}", _QUALITIES_25, operation)
        for variant in ("flare", "sunburst")
        for operation in ("generate", "edit")
    ),
    _tool("upscale", "upscale", ("jpg", "png", "webp"), "enlarges one image; the prompt is a label and is not sent"),
    _tool("remove-bg", "remove-bg", ("png", "webp", "gif"), "cuts out one image; the prompt is a label and is not sent"),
    *(
        _tool(name, "remove-bg", ("png", "webp", "gif"), "remove-bg by another method")
        for name in ("general_light", "general_light_2k", "general_heavy", "matting", "portrait", "general_dynamic")
    ),
)
"""What is known, one entry for a model in an operation."""

MODELS: Final = tuple(capability.model for capability in CAPABILITIES)
"""The known models, without their aliases; a name stands once for each operation that treats it differently."""
