"""A small vendor for planning tests: three models and three operations with the facts that matter for grids."""

from collections.abc import Mapping, Sequence

from batchgen.core.dialects import Complaint, Model, Prices, Reference, Way
from batchgen.core.jobs import Params
from batchgen.core.money import Micros

RATIOS = ("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21")
WIDE = ("16:9", "9:16", "2:1", "1:2", "21:9", "9:21")
LONGEST_GROK_PROMPT = 50
WAYS: Mapping[str, frozenset[Way]] = {
    "image": frozenset({"url", "base64", "upload"}),
    "generate": frozenset(),
    "edit": frozenset({"file"}),
}


class SmallRules:
    """Knows gpt-image-2 with its 4k rule, nano-banana-2, and grok-imagine-image with a short prompt limit.

    Only gpt-image-2 can ``generate`` and ``edit``; these take a size in pixels, ``image`` a ratio; a mask needs transparency.
    """

    name = "jimmyai"
    unit = "coin"
    key_env = "JIMMYAI_API_KEY"
    base_url = "${JIMMYAI_BASE_URL:-https://api.viraltok.ai}"
    params = ("model", "ratio", "resolution", "quality", "background", "output_format", "moderation", "size")
    roles = ("mask", "images")
    operations: tuple[str, ...] = ("image", "generate", "edit")

    def ways(self, operation: str) -> frozenset[Way]:
        """Let references travel by address or content to ``image``, as files to ``edit``, and not to ``generate``."""
        return WAYS[operation]

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """Refuse what the models and operations cannot do."""
        model, ratio = params.get("model", ""), params.get("ratio", "auto")
        known = {known.name: known for known in self.models()}
        if model not in known:
            return [Complaint(param="model", message=f"unknown model {model!r}", severity="warning")] if model else []
        found = []
        if ratio not in known[model].ratios:
            found.append(Complaint(param="ratio", message=f"{model} has no ratio {ratio!r}"))
        if model == "gpt-image-2" and params.get("resolution") == "4k" and ratio not in WIDE:
            hint = f"at 4k only {', '.join(WIDE)}"
            found.append(Complaint(param="ratio", message=f"{model} does not draw {ratio} at 4k", hint=hint))
        if params.get("moderation") == "low":
            found.append(Complaint(param="moderation", message="low moderation may be refused", severity="warning"))
        longest = known[model].max_prompt_chars
        if longest is not None and prompt_chars > longest:
            found.append(Complaint(param="prompt", message=f"{model} takes {longest} characters"))
        if sum(reference.role == "images" for reference in references) > known[model].max_references:
            found.append(Complaint(param="images", message=f"{model} takes {known[model].max_references} references"))
        return [*found, *_of_operation(params, operation, known[model]), *_of_masks(references)]

    def models(self) -> Sequence[Model]:
        """List the three models."""
        return [
            Model(
                name=name,
                ratios=RATIOS,
                resolutions=("1k", "2k", "4k"),
                qualities=("low", "medium", "high"),
                max_references=1,
                max_prompt_chars=longest,
                operations=operations,
            )
            for name, longest, operations in (
                ("gpt-image-2", None, self.operations),
                ("nano-banana-2", None, ("image",)),
                ("grok-imagine-image", LONGEST_GROK_PROMPT, ("image",)),
            )
        ]

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:
        """Give the catalogue's price of the model or the operation, once more for each reference."""
        price = prices.get(params.get("model", "") if operation == "image" else operation)
        return None if price is None else Micros(price.micros * (1 + references))


def _of_operation(params: Params, operation: str, model: Model) -> Sequence[Complaint]:
    """Refuse a model that lacks the operation, and parameters that belong to another."""
    if operation not in model.operations:
        return [Complaint(param="operation", message=f"{model.name} cannot {operation}")]
    foreign = ("size",) if operation == "image" else ("ratio", "resolution")
    return [Complaint(param=name, message=f"operation {operation} has no {name}") for name in foreign if name in params]


def _of_masks(references: Sequence[Reference]) -> Sequence[Complaint]:
    """Refuse masks that are known to have no transparency."""
    return [
        Complaint(param="mask", message=f"the mask {reference.name!r} has no transparency")
        for reference in references
        if reference.role == "mask" and reference.facts is not None and not reference.facts.has_alpha
    ]


def rules_for(use: str, _vendor: object = None) -> SmallRules | None:
    """Give the rules for the providers that exist."""
    return SmallRules() if use in {"jimmyai", "sim"} else None
