"""What each operation takes, and what is refused of references, before anything is spent."""

from collections.abc import Sequence

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Complaint, Reference
from tests.unit.api.dialects.jimmyai.jobs import reference

DIALECT = JimmyAI()
ONE = [reference()]


def complaints(operation: str, text: str, references: Sequence[Reference] = ()) -> list[Complaint]:
    """Check parameters written as ``model=x size=y``."""
    params = dict(pair.split("=", 1) for pair in text.split())
    return list(DIALECT.complaints(params, operation=operation, prompt_chars=10, references=references))


def verdicts(operation: str, text: str, references: Sequence[Reference] = ()) -> list[str]:
    """Name the parameters at fault; those that only warn carry a question mark."""
    return [f"{one.param}{'?' if one.severity == 'warning' else ''}" for one in complaints(operation, text, references)]


@pytest.mark.parametrize(
    ("operation", "text", "references"),
    [
        ("generate", "model=gpt-image-2", ()),
        ("generate", "model=gpt-image-2 size=1024x1024 quality=auto background=transparent output_format=png response_format=url", ()),
        ("generate", "model=gpt-image-2 size=auto", ()),
        ("generate", "model=gpt-image-2 size=64x8192", ()),
        ("generate", "model=gpt-image-2.5-flare quality=max", ()),
        ("edit", "model=gpt-image-2", ONE),
        ("edit", "model=gpt-image-2.5-sunburst size=1536x1024", [*ONE * 16, reference("mask")]),
        ("upscale", "model=upscale", ONE),
        ("upscale", "model=upscale upscale_mode=factor upscale_factor=20 noise_scale=0.15 seed=-3 output_format=jpg", ONE),
        ("remove-bg", "model=remove-bg operating_resolution=2304x2304 output_format=gif refine_foreground=true", ONE),
        ("remove-bg", "model=general_heavy response_format=b64_json", ONE),
        ("image", "model=gpt-image-1.5 images=shoe mask=m", [*ONE, reference("mask")]),
    ],
)
def test_documented_combinations_pass_in_silence(operation: str, text: str, references: Sequence[Reference]) -> None:
    """What the vendor lists for an operation is not refused."""
    assert complaints(operation, text, references) == []


@pytest.mark.parametrize(
    ("operation", "text", "references", "params"),
    [
        ("video", "model=gpt-image-2", (), ["operation"]),
        ("generate", "", (), ["model"]),
        ("generate", "model=gpt-image-2 ratio=1:1 resolution=2k", (), ["ratio", "resolution"]),
        ("generate", "model=gpt-image-9 ratio=1:1", (), ["model?", "ratio"]),
        ("image", "model=gpt-image-2 size=1024x1024", (), ["size"]),
        ("image", "model=gpt-image-2 response_format=url", (), ["response_format"]),
        *(("generate", f"model=gpt-image-2 size={size}", (), ["size"]) for size in ("63x64", "64x8193", "1024", "1024X1024", "1:1", "x")),
        ("generate", "model=gpt-image-2 quality=max", (), ["quality"]),
        ("generate", "model=gpt-image-2 response_format=png", (), ["response_format"]),
        ("generate", "model=gpt-image-2 moderation=low", (), ["moderation"]),
        ("generate", "model=gpt-image-2 background=transparent output_format=jpeg", (), ["output_format"]),
        ("generate", "model=gpt-image-2 n=2 colour=red", (), ["n", "colour"]),
        ("generate", "model=gpt-image-2", ONE, ["images"]),
        ("generate", "model=gpt-image-2", [reference("mask")], ["mask"]),
        ("edit", "model=gpt-image-2", (), ["images"]),
        ("edit", "model=gpt-image-2", ONE * 17, ["images"]),
        ("edit", "model=gpt-image-2", [*ONE, reference("mask"), reference("mask")], ["mask"]),
        ("edit", "model=gpt-image-2", [reference("mask")], ["images", "mask"]),
        ("edit", "model=gpt-image-2 upscale_factor=2", ONE, ["upscale_factor"]),
        ("upscale", "model=upscale", (), ["images"]),
        ("upscale", "model=upscale", ONE * 2, ["images"]),
        ("upscale", "model=upscale", [*ONE, reference("mask")], ["mask"]),
        ("upscale", "model=upscale upscale_factor=0.5 noise_scale=2 seed=1.5", ONE, ["upscale_factor", "noise_scale", "seed"]),
        ("upscale", "model=upscale upscale_factor=big output_format=jpeg", ONE, ["output_format", "upscale_factor"]),
        ("upscale", "model=upscale upscale_mode=x target_resolution=8k", ONE, ["upscale_mode", "target_resolution"]),
        ("upscale", "model=my-own", ONE, ["model"]),
        ("upscale", "model=remove-bg", ONE, ["model"]),
        ("remove-bg", "model=remove-bg refine_foreground=yes operating_resolution=1k", ONE, ["operating_resolution", "refine_foreground"]),
        ("remove-bg", "model=remove-bg size=1024x1024", ONE, ["size"]),
        ("image", "model=upscale", (), ["model"]),
        ("generate", "model=nano-banana-3", (), ["model?"]),
        ("image", "model=gpt-image-2", [reference("first_image")], ["first_image"]),
        ("image", "model=gpt-image-2", [*ONE, reference("mask")], ["mask"]),
        ("image", "model=gpt-image-1.5", [reference("mask")], ["mask"]),
        ("image", "model=nano-banana-2", ONE * 6, ["images?"]),
        ("image", "model=nano-banana-2", ONE * 5, []),
    ],
)  # fmt: skip
def test_impossible_combinations_are_named(operation: str, text: str, references: Sequence[Reference], params: list[str]) -> None:
    """Each fault is blamed on the parameter that somebody wrote, or should have written."""
    assert params == verdicts(operation, text, references)


@pytest.mark.parametrize("model", ["gpt-image-1.5", "gpt-image-1.5-low", "nano-banana", "seedream-5-0-pro", "grok-imagine-image"])
@pytest.mark.parametrize("operation", ["generate", "edit"])
def test_models_without_a_synchronous_call_name_the_other_operation(model: str, operation: str) -> None:
    """The way out is in the hint."""
    (complaint, *_) = complaints(operation, f"model={model}")

    assert ("model", "error", "use operation: image") == (complaint.param, complaint.severity, complaint.hint)


@pytest.mark.parametrize(
    ("operation", "text", "references", "hint"),
    [
        ("generate", "model=gpt-image-2 ratio=1:1", (), "use size, such as 1024x1024"),
        ("edit", "model=gpt-image-2 resolution=1k", ONE, "use size, such as 1024x1024"),
        ("image", "model=gpt-image-2 size=1024x1024", (), "use ratio and resolution"),
        ("generate", "model=gpt-image-2", ONE, "generate takes none; use operation: edit"),
        ("generate", "model=gpt-image-2 size=1", (), "gpt-image-2 takes auto, pixels such as 1024x1024, 64 to 8192 a side"),
        ("upscale", "model=upscale upscale_factor=21", ONE, "upscale takes 1 to 20"),
        ("upscale", "model=mine", ONE, "use upscale"),
        ("image", "model=matting", (), "use operation: remove-bg"),
        ("paint", "model=gpt-image-2", (), "use image, generate, edit, upscale, remove-bg"),
    ],
)
def test_hints_say_what_would_do(operation: str, text: str, references: Sequence[Reference], hint: str) -> None:
    """The user need not open the vendor's pages."""
    assert hint == complaints(operation, text, references)[0].hint


def test_a_label_needs_no_length_and_a_prompt_does() -> None:
    """The tools do not read the prompt; all that draw do."""
    for operation, model, faults in (("upscale", "upscale", 0), ("edit", "gpt-image-2", 1)):
        found = DIALECT.complaints({"model": model}, operation=operation, prompt_chars=0, references=ONE)
        assert faults == len(found)


SEEDREAM = ("image", "model=doubao-seedream-5-0-pro")
EDIT = ("edit", "model=gpt-image-2")
TASK_15 = ("image", "model=gpt-image-1.5")


@pytest.mark.parametrize(
    ("order", "references", "params"),
    [
        (SEEDREAM, [reference(width=15, height=15)], []),
        (SEEDREAM, [reference(width=14, height=100)], ["images"]),
        (SEEDREAM, [reference(width=6000, height=6000)], []),
        (SEEDREAM, [reference(width=6001, height=6000)], ["images"]),
        (SEEDREAM, [reference(width=1600, height=100)], []),
        (SEEDREAM, [reference(width=100, height=1601)], ["images"]),
        (SEEDREAM, [reference(bytes=30 * 2**20)], []),
        (SEEDREAM, [reference(bytes=30 * 2**20 + 1)], ["images"]),
        (SEEDREAM, [reference(media_type="image/heic")], []),
        (SEEDREAM, [reference(media_type="image/svg+xml")], ["images"]),
        (EDIT, [reference(bytes=20 * 2**20, media_type="image/webp")], []),
        (EDIT, [reference(bytes=20 * 2**20 + 1)], ["images"]),
        (EDIT, [reference(media_type="image/gif")], ["images"]),
        (EDIT, [reference(width=1), reference("mask", width=1)], []),
        (EDIT, [reference(width=1), reference("mask", width=2)], ["mask"]),
        (EDIT, [reference(), reference("mask", has_alpha=False)], ["mask"]),
        (EDIT, [reference(), reference("mask", media_type="image/webp", bytes=20 * 2**20 + 1)], ["mask", "mask"]),
        (TASK_15, [reference(width=1), reference(width=2), reference("mask", width=1)], []),
        (TASK_15, [reference(width=1), reference(width=2), reference("mask", width=2)], ["mask"]),
        (TASK_15, [reference(bytes=99 * 2**20), reference("mask", media_type="image/webp")], []),
    ],
)
def test_files_are_checked_where_they_have_been_seen(order: tuple[str, str], references: Sequence[Reference], params: list[str]) -> None:
    """Limits of bytes, pixels, sides and types, on both sides of each; an address passes."""
    assert params == verdicts(*order, references)
