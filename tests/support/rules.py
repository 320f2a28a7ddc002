"""A small vendor for planning tests: two models with the facts that matter for grids."""

from collections.abc import Sequence

from batchgen.core.jobs import Params
from batchgen.core.ports import Complaint, Model

RATIOS = ("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21")
WIDE = ("16:9", "9:16", "2:1", "1:2", "21:9", "9:21")
LONGEST_GROK_PROMPT = 50


class SmallRules:
    """Knows gpt-image-2 with its 4k rule, nano-banana-2, and grok-imagine-image with a short prompt limit."""

    name = "jimmyai"
    params = ("model", "ratio", "resolution", "quality", "background", "output_format", "moderation", "images")

    def complaints(self, params: Params, *, prompt_chars: int, references: int) -> Sequence[Complaint]:
        """Refuse what gpt-image-2 and grok-imagine-image cannot do."""
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
        if references > known[model].max_references:
            found.append(Complaint(param="images", message=f"{model} takes {known[model].max_references} references"))
        return found

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
            )
            for name, longest in (("gpt-image-2", None), ("nano-banana-2", None), ("grok-imagine-image", LONGEST_GROK_PROMPT))
        ]


def rules_for(use: str) -> SmallRules | None:
    """Give the rules for the providers that exist."""
    return SmallRules() if use in {"jimmyai", "sim"} else None
