"""What each model is known to refuse, before anything is spent."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Complaint, Reference
from tests.unit.api.dialects.jimmyai.jobs import reference

DIALECT = JimmyAI()
GENERAL = ["auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21"]


def complaints(
    text: str, *, prompt_chars: int = 10, references: int | Sequence[Reference] = 0, operation: str = "image"
) -> list[Complaint]:
    """Check parameters written as ``model=x ratio=1:1``; a number of references stands for addresses."""
    params = dict(pair.split("=", 1) for pair in text.split())
    given = [reference()] * references if isinstance(references, int) else references
    return list(DIALECT.complaints(params, operation=operation, prompt_chars=prompt_chars, references=given))


def errors(text: str, **order: Any) -> list[str]:
    """Name the parameters at fault."""
    return [complaint.param for complaint in complaints(text, **order) if complaint.severity == "error"]


def warnings(text: str, **order: Any) -> list[str]:
    """Name the parameters that only warn."""
    return [complaint.param for complaint in complaints(text, **order) if complaint.severity == "warning"]


def test_every_documented_model_is_known() -> None:
    """The thirteen names of the vendor's description, each with what it takes."""
    names = [model.name for model in DIALECT.models() if "image" in model.operations]

    assert len(names) == len(set(names)) == 13
    assert {"gpt-image-2", "gpt-image-1.5-high", "gpt-image-2.5-sunburst", "nano-banana", "grok-imagine-image-2"} <= set(names)


@pytest.mark.parametrize("ratio", GENERAL)
@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2.5-flare", "nano-banana-2"])
def test_the_sixteen_general_ratios_pass(model: str, ratio: str) -> None:
    """What the vendor lists is not refused."""
    assert complaints(f"model={model} ratio={ratio} resolution=2k") == []


@pytest.mark.parametrize(
    "text",
    [
        "model=gpt-image-2",
        "model=gpt-image-2 ratio=21:9 resolution=4k quality=high",
        "model=gpt-image-2 quality=auto",
        "model=gpt-image-1.5 ratio=1:1 quality=auto background=transparent output_format=png moderation=low",
        "model=gpt-image-1.5 background=transparent",
        "model=gpt-image-1.5-low quality=low",
        "model=gpt-image-2.5-flare ratio=1600x1200 quality=max background=transparent output_format=webp",
        "model=gpt-image-2.5-sunburst ratio=1:1 resolution=4k",
        "model=nano-banana-pro ratio=1:1 resolution=4k",
        "model=doubao-seedream-5-0-pro ratio=21:9 resolution=2k",
        "model=seedream-5-0-pro ratio=auto",
        "model=grok-imagine-image ratio=9:19.5 resolution=1k output_format=jpeg",
        "model=grok-imagine-image-2 ratio=20:9 quality=medium",
        "model=grok-imagine-image-2.0 quality=low",
    ],
)
def test_documented_combinations_pass_in_silence(text: str) -> None:
    """Examples of the vendor's own pages raise no complaint."""
    assert complaints(text) == []


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("ratio=1:1", ["model"]),
        ("model=gpt-image-2 ratio=7:5", ["ratio"]),
        ("model=gpt-image-2 ratio=1600x1200", ["ratio"]),
        ("model=gpt-image-2 ratio=7:5 resolution=4k", ["ratio"]),
        ("model=gpt-image-2 ratio=1:1 resolution=4k", ["ratio"]),
        ("model=gpt-image-2 ratio=auto resolution=4k", ["ratio"]),
        ("model=gpt-image-2 resolution=4k", ["ratio"]),
        ("model=gpt-image-2 resolution=8k quality=best", ["resolution", "quality"]),
        ("model=gpt-image-2 background=transparent", ["background"]),
        ("model=gpt-image-2 moderation=low", ["moderation"]),
        ("model=gpt-image-2 n=4", ["n"]),
        ("model=gpt-image-2 colour=red", ["colour"]),
        ("model=gpt-image-1.5 resolution=1k", ["resolution"]),
        ("model=gpt-image-1.5 ratio=7:5", ["ratio"]),
        ("model=gpt-image-1.5 output_format=webp", ["output_format"]),
        ("model=gpt-image-1.5 background=transparent output_format=jpeg", ["output_format"]),
        ("model=gpt-image-1.5 quality=max", ["quality"]),
        ("model=gpt-image-2.5-flare ratio=0x10", ["ratio"]),
        ("model=gpt-image-2.5-flare background=transparent output_format=jpeg", ["output_format"]),
        ("model=doubao-seedream-5-0-pro resolution=4k", ["resolution"]),
        ("model=doubao-seedream-5-0-pro ratio=3:1 quality=low", ["ratio", "quality"]),
        ("model=grok-imagine-image ratio=auto", ["ratio"]),
        ("model=grok-imagine-image ratio=21:9 quality=low", ["ratio", "quality"]),
        ("model=grok-imagine-image-2 quality=high resolution=4k", ["resolution", "quality"]),
    ],
)
def test_impossible_combinations_are_errors(text: str, params: list[str]) -> None:
    """What the vendor is known to refuse is refused before it costs a night."""
    assert params == errors(text)


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("model=gpt-image-1.5 ratio=16:9", ["ratio"]),
        ("model=gpt-image-1.5-low quality=high", ["quality"]),
        ("model=gpt-image-2 output_format=png", ["output_format"]),
        ("model=gpt-image-2.5-flare ratio=1600x1200 resolution=2k", ["resolution"]),
        ("model=nano-banana-2 quality=medium", ["quality"]),
        ("model=gpt-image-9 ratio=7:5 colour=red", ["model"]),
    ],
)
def test_doubtful_combinations_only_warn(text: str, params: list[str]) -> None:
    """What the vendor ignores, maps or has not documented is the user's choice."""
    assert errors(text) == []
    assert params == warnings(text)


def test_the_hint_of_4k_says_what_would_do() -> None:
    """The user need not open the vendor's pages."""
    (complaint,) = complaints("model=gpt-image-2 ratio=1:1 resolution=4k")

    assert complaint.hint == "at 4k only 16:9, 9:16, 2:1, 1:2, 21:9, 9:21"


def test_hints_name_what_the_model_takes() -> None:
    """Every list of values is in the hint, and a near name is suggested."""
    assert complaints("model=gpt-image-2 quality=best")[0].hint == "gpt-image-2 takes low, medium, high, auto"
    assert "1600x1200" in complaints("model=gpt-image-2.5-flare ratio=7:5")[0].hint
    assert complaints("model=nano-bananna-2")[0].hint == "did you mean nano-banana-2?"
    assert complaints("model=zzz")[0].hint == ""


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("gpt-image-2", 16),
        ("gpt-image-1.5", 15),
        ("gpt-image-2.5-flare", 16),
        ("nano-banana", 6),
        ("seedream-5-0-pro", 10),
        ("grok-imagine-image-2", 3),
    ],
)
def test_references_are_counted(model: str, most: int) -> None:
    """Each model takes its documented number and not one more."""
    assert errors(f"model={model}", references=most) == []
    assert errors(f"model={model}", references=most + 1) == ["images"]


def test_prompts_have_the_length_the_model_takes() -> None:
    """Grok stops at 5,000 characters; an empty prompt passes only for editing with gpt-image-1.5."""
    assert errors("model=grok-imagine-image", prompt_chars=5000) == []
    assert errors("model=grok-imagine-image", prompt_chars=5001) == ["prompt"]
    assert errors("model=gpt-image-2", prompt_chars=100_000) == []
    assert errors("model=gpt-image-2", prompt_chars=0) == ["prompt"]
    assert errors("model=gpt-image-1.5", prompt_chars=0) == ["prompt"]
    assert errors("model=gpt-image-1.5", prompt_chars=0, references=1) == []


def test_grok_takes_auto_when_editing() -> None:
    """With a reference there is a ratio to follow."""
    assert complaints("model=grok-imagine-image ratio=auto", references=1) == []


@given(
    st.dictionaries(st.sampled_from([*DIALECT.params, "n", "x"]), st.text() | st.sampled_from([*GENERAL, "4k", "transparent"])),
    st.sampled_from([model.name for model in DIALECT.models()]),
    st.sampled_from(DIALECT.operations),
)
def test_checking_never_raises_and_blames_only_what_was_given(params: dict[str, str], model: str, operation: str) -> None:
    """Every complaint names a parameter of the row; ratio may be missed at 4k, an image where there is nothing to work on."""
    found = DIALECT.complaints({**params, "model": model}, operation=operation, prompt_chars=1, references=[])

    assert {complaint.param for complaint in found} <= {*params, "model", "ratio", "images"}
