"""What the API reference rules out, model by model."""

import pytest

from batchgen.api.dialects.openai import OpenAI
from batchgen.api.dialects.openai.models import MIB, named
from batchgen.core.dialects import ImageFacts, Reference


def image(role: str = "images", **changes: object) -> Reference:
    """Build a reference image of 1024 x 1024."""
    facts = {"media_type": "image/png", "bytes": 1000, "width": 1024, "height": 1024, "has_alpha": True, **changes}
    return Reference(role=role, name="shoe", facts=ImageFacts(**facts))  # type: ignore[arg-type]


def said(params: dict[str, str], *references: Reference, operation: str = "generate", chars: int = 10) -> list[tuple[str, str]]:
    """Give the parameters that are complained of, with the severity."""
    complaints = OpenAI().complaints(params, operation=operation, prompt_chars=chars, references=references)
    return [(complaint.param, complaint.severity) for complaint in complaints]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"model": "gpt-image-2", "size": "auto", "quality": "high", "moderation": "low"}, []),
        ({"model": "gpt-image-2-2026-04-21", "size": "1536x864"}, []),
        ({"model": "gpt-image-2", "size": "1000x1000"}, [("size", "error")]),
        ({"model": "gpt-image-2", "size": "4096x1024"}, [("size", "error")]),
        ({"model": "gpt-image-2", "size": "3840x2176"}, [("size", "error")]),
        ({"model": "gpt-image-2", "size": "3856x1600"}, [("size", "error")]),
        ({"model": "gpt-image-2", "size": "512x512"}, [("size", "error")]),
        ({"model": "gpt-image-2", "size": "wide"}, [("size", "error")]),
        ({"model": "gpt-image-2", "quality": "max"}, [("quality", "error")]),
        ({"model": "gpt-image-2", "background": "transparent"}, [("background", "warning")]),
        ({"model": "gpt-image-2", "style": "vivid"}, [("style", "error")]),
        ({"model": "gpt-image-2", "response_format": "url"}, [("response_format", "error")]),
        ({"model": "gpt-image-2.5-flare", "quality": "max", "size": "1536x864", "background": "transparent"}, []),
        ({"model": "gpt-image-2.5-sunburst-2026-09-08", "size": "512x512"}, [("size", "warning")]),
        ({"model": "gpt-image-1.5", "size": "1536x1024", "output_format": "webp", "output_compression": "80"}, []),
        ({"model": "gpt-image-1.5", "size": "1536x864"}, [("size", "error")]),
        ({"model": "gpt-image-1.5", "background": "transparent", "output_format": "jpeg"}, [("output_format", "error")]),
        ({"model": "gpt-image-1.5", "output_compression": "80"}, [("output_compression", "error")]),
        ({"model": "gpt-image-1.5", "output_compression": "101", "output_format": "jpeg"}, [("output_compression", "error")]),
        ({"model": "gpt-image-1-mini", "input_fidelity": "high"}, [("input_fidelity", "error"), ("input_fidelity", "error")]),
        ({"model": "gpt-image-1"}, [("model", "warning")]),
        ({"model": "dall-e-3", "size": "1792x1024", "quality": "hd", "style": "vivid", "response_format": "url"}, [("model", "warning")]),
        ({"model": "dall-e-3", "output_compression": "5"}, [("model", "warning"), ("output_compression", "error")]),
        ({"model": "dall-e-2", "size": "1792x1024", "quality": "hd"}, [("model", "warning"), ("quality", "error"), ("size", "error")]),
        ({"model": "flux"}, [("model", "warning")]),
        ({"model": "gpt-image-3", "n": "2", "ratio": "1:1"}, [("n", "error"), ("ratio", "error"), ("model", "warning")]),
        ({}, [("model", "error")]),
    ],
)
def test_values_are_checked_against_the_model(params: dict[str, str], expected: list[tuple[str, str]]) -> None:
    """What the reference lists passes, what it rules out is an error, what it leaves open is a warning."""
    assert expected == said(params)


@pytest.mark.parametrize(
    ("model", "longest"), [("gpt-image-2", 32_000), ("dall-e-3", 4000), ("dall-e-2", 1000)]
)  # fmt: skip
def test_prompts_have_a_longest_length(model: str, longest: int) -> None:
    """And at least one character."""
    assert ("prompt", "error") not in said({"model": model}, chars=longest)
    assert ("prompt", "error") in said({"model": model}, chars=longest + 1)
    assert ("prompt", "error") in said({"model": model}, chars=0)


@pytest.mark.parametrize(
    ("model", "references", "expected"),
    [
        ("gpt-image-2", [image()] * 16, []),
        ("gpt-image-2", [image()] * 17, [("images", "error")]),
        ("gpt-image-2", [], [("images", "error")]),
        ("gpt-image-2", [Reference(role="images", name="far"), Reference(role="mask", name="far")], []),
        ("gpt-image-2", [image(media_type="image/gif")], [("images", "error")]),
        ("gpt-image-2", [image(bytes=50 * MIB)], [("images", "error")]),
        ("gpt-image-2", [image(), image("mask")], []),
        ("gpt-image-2", [Reference(role="images", name="far"), image("mask")], []),
        ("gpt-image-2", [image("mask")], [("images", "error")]),
        ("gpt-image-2", [image(), image("mask"), image("mask")], [("mask", "error")]),
        ("gpt-image-2", [image(), image("mask", media_type="image/webp", bytes=4 * MIB)], [("mask", "error"), ("mask", "error")]),
        ("gpt-image-2", [image(), image("mask", width=512)], [("mask", "error")]),
        ("gpt-image-2", [image(), image("mask", has_alpha=False)], [("mask", "warning")]),
        ("dall-e-2", [image(), image()], [("model", "warning"), ("images", "error")]),
        ("dall-e-2", [image(media_type="image/jpeg")], [("model", "warning"), ("images", "error")]),
        ("dall-e-3", [image()], [("model", "warning"), ("model", "error")]),
        ("flux", [image(media_type="image/gif")], [("model", "warning")]),
    ],
)
def test_references_are_checked_by_their_facts(model: str, references: list[Reference], expected: list[tuple[str, str]]) -> None:
    """Count, type, size, and a mask against the first image; an address that nobody has seen passes."""
    assert expected == said({"model": model}, *references, operation="edit")


def test_generations_take_no_references() -> None:
    """They would not be sent."""
    assert [("references", "error")] == said({"model": "gpt-image-2"}, image())


def test_fidelity_belongs_to_edits() -> None:
    """Where the model knows it."""
    assert said({"model": "gpt-image-1.5", "input_fidelity": "high"}, image(), operation="edit") == []
    assert said({"model": "gpt-image-2", "input_fidelity": "high"}, image(), operation="edit") == [("input_fidelity", "warning")]


def test_every_listed_model_is_known_by_name() -> None:
    """And none is listed twice."""
    names = [model.name for model in OpenAI().models()]

    assert len(set(names)) == len(names)
    assert all(named(name) for name in names)
