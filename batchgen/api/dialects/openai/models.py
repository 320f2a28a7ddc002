"""What each OpenAI image model takes, by the API reference as it stood on 2026-11-25. Unknown models pass with a warning.

Many hosts speak this API, so models that OpenAI itself has retired are still checked, with a warning.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from batchgen.core.dialects import Complaint, Model, Reference
from batchgen.core.jobs import Params

PARAMS: Final = (
    "model",
    "size",
    "quality",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "style",
    "input_fidelity",
    "response_format",
    "user",
)
ROLES: Final = ("images", "mask")
MIB: Final = 1024 * 1024

_PIXELS: Final = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
_FORMATS: Final = ("png", "jpeg", "webp")
_BACKGROUNDS: Final = ("auto", "opaque", "transparent")
_GPT_SIZES: Final = ("auto", "1024x1024", "1536x1024", "1024x1536")
_GPT_QUALITIES: Final = ("auto", "low", "medium", "high")
_MEDIA_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
_MASK_BYTES: Final = 4 * MIB

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One model with what its public description cannot say.

    ``pixels`` says what is known of sizes beyond the listed ones: none are taken, the documented limits hold, or they have none known.
    """

    model: Model
    moderations: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    fidelities: tuple[str, ...] = ()
    response_formats: tuple[str, ...] = ()
    pixels: Literal["none", "limited", "free"] = "none"
    unsure: tuple[str, ...] = ()
    media_types: tuple[str, ...] = _MEDIA_TYPES
    reference_bytes: int = 50 * MIB
    retired: str = ""

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Give the values that each parameter may have; none means that it is not a field of this model."""
        return {
            "quality": self.model.qualities,
            "background": self.model.backgrounds,
            "output_format": self.model.output_formats,
            "moderation": self.moderations,
            "style": self.styles,
            "input_fidelity": self.fidelities,
            "response_format": self.response_formats,
        }


def named(name: str) -> Capability | None:
    """Give what is known of a model; a dated name means the model without its date."""
    return _BY_NAME.get(re.sub(r"-20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z", "", name))


def complaints(params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Iterator[Complaint]:
    """List what the API is known to refuse in this combination; warnings pass."""
    name = params.get("model", "")
    yield from _strangers(params, operation)
    if not name:
        yield Complaint(param="model", message="no model is named", hint="set model, such as gpt-image-2")
        return
    if prompt_chars == 0:
        yield Complaint(param="prompt", message="the API needs a prompt")
    yield from _counts(operation, references)
    capability = named(name)
    if capability is None:
        yield _unknown(name)
        return
    yield from _model_complaints(capability, params, operation, prompt_chars)
    yield from _reference_complaints(capability, references)


def _strangers(params: Params, operation: str) -> Iterator[Complaint]:
    for name in params:
        if name == "n":
            yield Complaint(param="n", message="n cannot be set: one row is one image", hint="use samples")
        elif name not in (*PARAMS, *ROLES):
            yield Complaint(param=name, message=f"{name!r} is not a parameter of openai", hint=f"known are {', '.join(PARAMS)}")
    if operation == "generate" and "input_fidelity" in params:
        yield Complaint(param="input_fidelity", message="input_fidelity is a field of edits only", hint="set operation: edit")


def _counts(operation: str, references: Sequence[Reference]) -> Iterator[Complaint]:
    """Check how many references stand in the order, whatever the model."""
    images, masks = (sum(reference.role == role for reference in references) for role in ROLES)
    if operation == "generate" and references:
        yield Complaint(param="references", message="generations take no references", hint="set operation: edit")
    if operation == "edit" and not images:
        yield Complaint(param="images", message="an edit needs at least one image", hint="name a reference under images")
    if masks > 1:
        yield Complaint(param="mask", message=f"{masks} masks", hint="an edit takes one")


def _unknown(name: str) -> Complaint:
    near = difflib.get_close_matches(name, _BY_NAME, n=1)
    return Complaint(
        param="model",
        message=f"model {name!r} is unknown; its parameters are not checked",
        hint=f"did you mean {near[0]}?" if near else "",
        severity="warning",
    )


def _model_complaints(capability: Capability, params: Params, operation: str, prompt_chars: int) -> Iterator[Complaint]:
    model = capability.model
    if capability.retired:
        message = f"OpenAI retired {model.name} on {capability.retired}; other hosts may still serve it"
        yield Complaint(param="model", message=message, severity="warning")
    if operation not in model.operations:
        hint = f"{model.name} does {', '.join(model.operations)}"
        yield Complaint(param="model", message=f"{model.name} does not do {operation}", hint=hint)
    if model.max_prompt_chars is not None and prompt_chars > model.max_prompt_chars:
        hint = f"{model.name} takes at most {model.max_prompt_chars}"
        yield Complaint(param="prompt", message=f"the prompt has {prompt_chars} characters", hint=hint)
    for name, values in capability.lists.items():
        if name in params and params[name] not in values:
            yield _misfit(capability, name, params[name], values)
    yield from _size(capability, params.get("size"))
    yield from _output(model, params)


def _misfit(capability: Capability, name: str, value: str, values: tuple[str, ...]) -> Complaint:
    model = capability.model.name
    if name in capability.unsure:
        return Complaint(param=name, message=f"{model} is not known to take {name} {value!r}", severity="warning")
    if not values:
        return Complaint(param=name, message=f"{name} is not a field of {model}", hint=f"leave {name} out for this model")
    return Complaint(param=name, message=f"{model} does not take {name} {value!r}", hint=f"{model} takes {', '.join(values)}")


def _size(capability: Capability, size: str | None) -> Iterator[Complaint]:
    model = capability.model
    if size is None or size in model.sizes:
        return
    pixels = _PIXELS.fullmatch(size)
    if capability.pixels == "none" or pixels is None:
        also = "" if capability.pixels == "none" else ", or pixels such as 1536x864"
        message = f"{model.name} does not take size {size!r}"
        yield Complaint(param="size", message=message, hint=f"{model.name} takes {', '.join(model.sizes)}{also}")
    elif reason := _beyond(int(pixels[1]), int(pixels[2])):
        severity: Severity = "error" if capability.pixels == "limited" else "warning"
        yield Complaint(param="size", message=f"{model.name} does not take size {size}: {reason}", severity=severity)


def _beyond(width: int, height: int) -> str:
    """Say which documented limit of free sizes a size breaks, or nothing."""
    if width % 16 or height % 16:
        return "both edges must be multiples of 16"
    if max(width, height) > 3 * min(width, height):
        return "the ratio must lie between 1:3 and 3:1"
    if max(width, height) > 3840 or width * height > 3840 * 2160:
        return "at most 3840x2160"
    return "at least 655,360 pixels" if width * height < 655_360 else ""


def _output(model: Model, params: Params) -> Iterator[Complaint]:
    compression, form = params.get("output_compression"), params.get("output_format", "png")
    if params.get("background") == "transparent" and form == "jpeg":
        yield Complaint(param="output_format", message="a transparent background cannot be stored as jpeg", hint="use png or webp")
    if compression is None:
        return
    if not model.output_formats:
        yield Complaint(param="output_compression", message=f"output_compression is not a field of {model.name}")
    elif not re.fullmatch(r"[0-9]{1,3}", compression) or int(compression) > 100:
        yield Complaint(param="output_compression", message=f"{compression!r} is not a whole number from 0 to 100")
    elif form == "png":
        yield Complaint(param="output_compression", message="png is not compressed with loss", hint="set output_format: jpeg or webp")


def _reference_complaints(capability: Capability, references: Sequence[Reference]) -> Iterator[Complaint]:
    model = capability.model
    images = [reference for reference in references if reference.role == "images"]
    if len(images) > model.max_references > 0:
        yield Complaint(param="images", message=f"{len(images)} images", hint=f"{model.name} takes at most {model.max_references}")
    for reference in images:
        yield from _file(reference, capability.media_types, capability.reference_bytes)
    for mask in (reference for reference in references if reference.role == "mask"):
        yield from _file(mask, ("image/png",), _MASK_BYTES)
        yield from _mask(mask, images)


def _file(reference: Reference, media_types: tuple[str, ...], most: int) -> Iterator[Complaint]:
    facts = reference.facts
    if facts is not None and facts.media_type not in media_types:
        message = f"{reference.name!r} is {facts.media_type}"
        yield Complaint(param=reference.role, message=message, hint=f"the API takes {', '.join(media_types)}")
    if facts is not None and facts.bytes >= most:
        message = f"{reference.name!r} has {facts.bytes} bytes"
        yield Complaint(param=reference.role, message=message, hint=f"the API takes less than {most // MIB} MiB")


def _mask(mask: Reference, images: Sequence[Reference]) -> Iterator[Complaint]:
    """Check a mask against the first image, which it is laid upon."""
    first = images[0].facts if images else None
    if mask.facts is None:
        return
    if not mask.facts.has_alpha:
        yield Complaint(param="mask", message=f"{mask.name!r} has no transparent areas to edit", severity="warning")
    if first is not None and (first.width, first.height) != (mask.facts.width, mask.facts.height):
        message = f"{mask.name!r} is {mask.facts.width}x{mask.facts.height}, the first image {first.width}x{first.height}"
        yield Complaint(param="mask", message=message, hint="they must be of one size")


def _gpt(name: str, **changes: object) -> Model:
    usual: dict[str, object] = {
        "qualities": _GPT_QUALITIES,
        "max_references": 16,
        "max_prompt_chars": 32_000,
        "backgrounds": _BACKGROUNDS,
        "output_formats": _FORMATS,
        "sizes": _GPT_SIZES,
        "operations": ("generate", "edit"),
        "takes_mask": True,
    }
    return Model(name=name, **{**usual, **changes})  # type: ignore[arg-type] # one table of mixed fields


def _free(name: str) -> Capability:
    """Give a model of the families 2.5 and 2.6, whose limits the reference does not spell out."""
    return Capability(
        model=_gpt(name, qualities=(*_GPT_QUALITIES, "xhigh", "max"), remarks="size may be pixels such as 1536x864"),
        moderations=("auto", "low"),
        fidelities=("low", "high"),
        pixels="free",
        unsure=("input_fidelity", "quality"),
    )


_CAPABILITIES: Final = (
    Capability(
        model=_gpt("gpt-image-2", backgrounds=("auto", "opaque"), remarks="size may be pixels such as 1536x864, up to 3840x2160"),
        moderations=("auto", "low"),
        pixels="limited",
        unsure=("background", "input_fidelity"),
    ),
    *(_free(f"gpt-image-{version}-{variant}") for version in ("2.5", "2.6") for variant in ("sunburst", "flare")),
    _free("chatgpt-image-latest"),
    Capability(model=_gpt("gpt-image-1.5"), moderations=("auto", "low"), fidelities=("low", "high")),
    Capability(model=_gpt("gpt-image-1-mini"), moderations=("auto", "low")),
    Capability(model=_gpt("gpt-image-1"), moderations=("auto", "low"), fidelities=("low", "high"), retired="2026-10-23"),
    Capability(
        model=Model(
            name="dall-e-3",
            qualities=("standard", "hd"),
            max_prompt_chars=4000,
            sizes=("1024x1024", "1792x1024", "1024x1792"),
            operations=("generate",),
        ),
        styles=("vivid", "natural"),
        response_formats=("b64_json", "url"),
        retired="2026-05-12",
    ),
    Capability(
        model=Model(
            name="dall-e-2",
            qualities=("standard",),
            max_references=1,
            max_prompt_chars=1000,
            sizes=("256x256", "512x512", "1024x1024"),
            operations=("generate", "edit"),
            takes_mask=True,
            remarks="edits take one square PNG below 4 MiB",
        ),
        response_formats=("b64_json", "url"),
        media_types=("image/png",),
        reference_bytes=4 * MIB,
        retired="2026-05-12",
    ),
)

MODELS: Final = tuple(capability.model for capability in _CAPABILITIES)
"""The known models."""

_BY_NAME: Final = {capability.model.name: capability for capability in _CAPABILITIES}
