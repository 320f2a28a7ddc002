"""What a description rules out before anything is ordered, and what it tells of prices."""

from typing import Any

import pytest

from batchgen.core.dialects import ImageFacts, Price, Reference
from batchgen.core.money import Micros
from tests.unit.api.dialects.http.described import SYNC, TASKS, dialect

FREE: dict[str, Any] = {**SYNC, "submit": {**SYNC["submit"], "path": "/draw", "body": {"text": "fixed"}}}


def said(
    params: dict[str, str], *roles: str, about: dict[str, Any] = TASKS, operation: str = "image", chars: int = 5
) -> list[tuple[str, str]]:
    """Give the parameters that are complained of, with the severity."""
    references = [Reference(role=role, name="shoe") for role in roles]
    complaints = dialect(about).complaints(params, operation=operation, prompt_chars=chars, references=references)
    return [(complaint.param, complaint.severity) for complaint in complaints]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"model": "lab/one", "steps": "28", "scale": "1.5", "safe": "true", "style": "any", "format": "png", "images": "x"}, []),
        ({"model": "lab/three"}, [("model", "warning")]),
        ({"model": "lab"}, [("model", "error"), ("model", "warning")]),
        ({}, [("model", "error")]),
        ({"model": "lab/../../account"}, [("model", "error")]),
        ({"model": "lab//one"}, [("model", "error")]),
        ({"model": "/lab/one"}, [("model", "error")]),
        ({"model": "lab/one?x=1"}, [("model", "error")]),
        ({"model": "lab/one#x"}, [("model", "error")]),
        ({"model": "lab/one\n"}, [("model", "error")]),
        ({"model": "lab/one", "n": "2"}, [("n", "error")]),
        ({"model": "lab/one", "ratio": "1:1"}, [("ratio", "error")]),
        ({"model": "lab/one", "steps": "many"}, [("steps", "error")]),
        ({"model": "lab/one", "scale": "1e5"}, [("scale", "error")]),
        ({"model": "lab/one", "safe": "yes"}, [("safe", "error")]),
        ({"model": "lab/one", "format": "gif"}, [("format", "error")]),
    ],
)
def test_parameters_are_checked_by_their_types(params: dict[str, str], expected: list[tuple[str, str]]) -> None:
    """A model that could leave its place in an address is refused; one that is not listed passes with a warning."""
    poll = {**TASKS["poll"], "path": "/{{ model.0 }}/{{ model.1 }}/{{ task_id }}"}

    assert expected == said(params, about={**TASKS, "poll": poll})


def test_a_description_without_models_knows_them_all() -> None:
    """And where the model stands in no address, any name does."""
    assert said({"model": "lab/one"}, about=SYNC) == []
    assert said({"model": "a b?"}, about=FREE, chars=0) == []


def test_references_are_counted_by_role() -> None:
    """A role that the description does not have would not be sent."""
    assert said({"model": "lab/one"}, "images", "images", "mask", "mask", "mask") == []
    assert said({"model": "lab/one"}, "images", "images", "images") == [("images", "error")]
    assert said({"model": "lab/one"}, "style_image") == [("style_image", "error")]


def test_a_file_needs_a_role_that_takes_it() -> None:
    """Where a role takes addresses only, a file cannot travel."""
    facts = ImageFacts(media_type="image/png", bytes=1, width=1, height=1, has_alpha=False)
    references = [Reference(role=role, name="shoe", facts=facts) for role in ("images", "mask")]

    complaints = dialect(TASKS).complaints({"model": "lab/one"}, operation="image", prompt_chars=5, references=references)

    assert [("mask", "error")] == [(complaint.param, complaint.severity) for complaint in complaints]


def test_a_prompt_is_needed_where_the_body_sends_one() -> None:
    """And there is one operation."""
    assert said({"model": "lab/one"}, chars=0) == [("prompt", "error")]
    assert said({"model": "lab/one"}, operation="edit") == [("operation", "error")]


@pytest.mark.parametrize(("model", "expected"), [("lab/one", 25_000), ("lab/two", None), ("lab/three", 70_000), ("lab/four", None)])
def test_prices_are_the_users_then_the_descriptions(model: str, expected: int | None) -> None:
    """What neither tells is unknown."""
    prices = {"lab/three": Price(micros=Micros(70_000))}

    assert expected == dialect(TASKS).estimate(prices, {"model": model}, operation="image", references=0)
