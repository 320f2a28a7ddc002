"""Know the synchronous image calls: their fields, the models that answer at once, and which price each call has.

Pure tables and functions, for the vendor's own calls. The same request, read the same way, also serves the
OpenAI-compatible calls, whose models stand in `openai_models`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

from batchgen.sim import prices
from batchgen.sim.billing import BillLine
from batchgen.sim.codes import BAD_MODEL_MSG, BAD_PARAMETERS
from batchgen.sim.encoding import FORMATS
from batchgen.sim.order import Form, Order, Refusal, misfit

Kind = Literal["generation", "edit"]
_TEXTS = ("model", "prompt", "size", "quality", "background", "output_format", "response_format")
_PIXELS = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")
_TIERS = frozenset({"low", "medium", "high", "auto"})
_BACKGROUNDS = frozenset({"transparent", "opaque", "auto"})
_DEFAULT_MODEL = "gpt-image-2"
DEFAULT_SIZE = (1024, 1024)
LONGEST_SIDE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """Hold the fields of a synchronous image call; None means not sent."""

    model: str | None = None
    prompt: str = ""
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: str | None = None
    n: int = 1

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> Self | str:
        """Return the request in the fields, or the name of the first field of the wrong type; a form writes n as text."""
        sent = {name: value for name in _TEXTS if (value := fields.get(name)) is not None}
        texts = {name: value for name, value in sent.items() if isinstance(value, str)}
        if wrong := next((name for name in sent if name not in texts), None):
            return wrong
        n = fields.get("n", 1)
        if isinstance(n, str) and n.isascii() and n.isdecimal() and len(n) < 4:
            n = int(n)
        return cls(**texts, n=n) if isinstance(n, int) and not isinstance(n, bool) else "n"

    @classmethod
    def read_back(cls, fields: Mapping[str, object]) -> Self:
        """Return the request of a paid call from its ledger line; raises ValueError when it cannot be read."""
        request = cls.of(fields)
        if isinstance(request, str):
            raise ValueError(f"the ledger holds a request with an unreadable field '{request}'")  # noqa: TRY004 - a wrong ledger, not a wrong type
        return request

    @property
    def pixels(self) -> tuple[int, int]:
        """Return width and height of the picture."""
        match = _PIXELS.fullmatch(self.size or "")
        return (int(match[1]), int(match[2])) if match else DEFAULT_SIZE

    @property
    def form(self) -> str:
        """Return the form the picture is encoded in."""
        return self.output_format or "png"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncModel:
    """State what a model takes in a synchronous call; no sizes means any that can be drawn."""

    qualities: frozenset[str] = _TIERS
    sizes: frozenset[str] = frozenset()
    max_n: int = 1
    max_prompt: int = 32_000
    pace: float = 1.0


MODELS = {
    "gpt-image-2": SyncModel(),
    "gpt-image-2.5-flare": SyncModel(max_n=4, pace=0.7),
    "gpt-image-2.5-sunburst": SyncModel(max_n=4, pace=1.4),
}


def order(scale: Decimal, kind: Kind, form: Form) -> Order | Refusal:
    """Return the order in the form of a synchronous call, or the refusal of one that the vendor does not take."""
    request = SyncRequest.of(form.fields)
    if isinstance(request, str):
        return misfit(request)
    name = request.model or _DEFAULT_MODEL
    model = MODELS.get(name)
    if model is None:
        return Refusal(code=BAD_PARAMETERS, msg=BAD_MODEL_MSG)
    if wrong := next(misfits(model, request), None):
        return misfit(wrong)
    return Order(
        call=kind,
        model=name,
        prompt=request.prompt,
        cost=prices.total([(_billing_name(name, request.quality), request.n)], scale),
        pace=model.pace,
        fields=form.fields,
        raw=form.raw,
        preview=form.preview,
    )


def sources(line: BillLine) -> int:
    """Return how many source images a paid call has sent."""
    sent = line.request.get("image") if line.call in {"edit", "openai.edit"} else None
    return len(sent) if isinstance(sent, list) else 0


def misfits(model: SyncModel, request: SyncRequest) -> Iterator[str]:
    """Yield the fields that cannot be what they are for this model."""
    if not 0 < len(request.prompt) <= model.max_prompt:
        yield "prompt"
    if request.size is not None and not _accepts_size(model, request.size):
        yield "size"
    if request.quality is not None and request.quality not in model.qualities:
        yield "quality"
    if not 1 <= request.n <= model.max_n:
        yield "n"
    yield from _unknown_words(request)


def _unknown_words(request: SyncRequest) -> Iterator[str]:
    if request.output_format not in {None, *FORMATS}:
        yield "output_format"
    if request.background not in {None, *_BACKGROUNDS} or (request.background == "transparent" and request.form == "jpeg"):
        yield "background"
    if request.response_format not in {None, "url", "b64_json"}:
        yield "response_format"


def _accepts_size(model: SyncModel, size: str) -> bool:
    if model.sizes:
        return size in model.sizes
    match = _PIXELS.fullmatch(size)
    return size == "auto" or (match is not None and max(int(match[1]), int(match[2])) <= LONGEST_SIDE)


def _billing_name(model: str, quality: str | None) -> str:
    if model != _DEFAULT_MODEL:
        return model
    tier = quality or "low"
    return "gpt-image-2-sync" if tier == "auto" else f"gpt-image-2-sync-{tier}"
