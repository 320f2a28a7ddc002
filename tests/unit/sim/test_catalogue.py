"""Tests of the vendor's model table: what is accepted, what it costs, what it becomes."""

from decimal import Decimal

import pytest

from batchgen.sim import catalogue, prices
from batchgen.sim.request import ImageRequest, parse_body

FOUR_K_RATIOS = ("16:9", "9:16", "2:1", "1:2", "21:9", "9:21")


def wanted(model: str = "gpt-image-2", **fields: object) -> ImageRequest:
    """Return the request of a body with these fields."""
    request = ImageRequest.of({"model": model, "prompt": "a fox", **fields})
    assert request is not None
    return request


@pytest.mark.parametrize("model", catalogue.MODELS)
def test_a_bare_request_is_accepted_and_priced(model: str) -> None:
    """Every model takes a prompt alone, and the price is above nothing."""
    request = wanted(model)

    assert catalogue.objection(request) is None
    assert catalogue.price(request, Decimal(1)) > 0
    assert catalogue.pace(request) > 0


@pytest.mark.parametrize("ratio", FOUR_K_RATIOS)
def test_gpt_image_2_takes_4k_at_six_ratios(ratio: str) -> None:
    """The six wide and tall ratios exist at 4k."""
    assert catalogue.objection(wanted(resolution="4k", ratio=ratio)) is None


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("ratio", wanted(resolution="4k", ratio="1:1")),
        ("ratio", wanted(resolution="4k", ratio="auto")),
        ("ratio", wanted(resolution="4k")),
        ("ratio", wanted(ratio="19.5:9")),
        ("ratio", wanted(ratio="16/9")),
        ("ratio", wanted("grok-imagine-image", ratio="21:9")),
        ("ratio", wanted("grok-imagine-image", ratio="auto")),
        ("ratio", wanted("doubao-seedream-5-0-pro", ratio="2:1")),
        ("ratio", wanted("gpt-image-2", ratio="1600x1200")),
        ("resolution", wanted(resolution="8k")),
        ("resolution", wanted("doubao-seedream-5-0-pro", resolution="4k")),
        ("resolution", wanted("grok-imagine-image-2", resolution="4k")),
        ("quality", wanted(quality="max")),
        ("quality", wanted("grok-imagine-image-2", quality="high")),
        ("images", wanted(images=["u"] * 17)),
        ("images", wanted("grok-imagine-image", images=["u"] * 4)),
        ("n", wanted(n=2)),
        ("n", wanted("gpt-image-1.5", n=5)),
        ("prompt", wanted(prompt="")),
        ("prompt", wanted("grok-imagine-image", prompt="x" * 5001)),
    ],
)
def test_an_impossible_request_is_refused(field: str, request_: ImageRequest) -> None:
    """The message names the field that does not fit the model."""
    assert f"参数错误: {field}" == catalogue.objection(request_)


@pytest.mark.parametrize(
    "request_",
    [
        wanted("gpt-image-2.5-flare", ratio="1600x1200", quality="xhigh", n=4),
        wanted("grok-imagine-image", ratio="19.5:9", resolution="2k", n=3),
        wanted("grok-imagine-image", ratio="auto", images=["u"]),
        wanted("nano-banana-2", quality="whatever", resolution="4k", ratio="1:1"),
        wanted("gpt-image-1.5", ratio="21:9", resolution="9k"),
    ],
)
def test_a_documented_oddity_is_accepted(request_: ImageRequest) -> None:
    """Exact pixels, fractional ratios and ignored fields pass."""
    assert catalogue.objection(request_) is None


def test_an_unknown_model_is_refused() -> None:
    """The vendor knows its own models only."""
    assert catalogue.objection(wanted("gpt-image-9")) == "不支持的模型参数"


@pytest.mark.parametrize(
    ("cost", "request_"),
    [
        ("0.03", wanted()),
        ("0.06", wanted(quality="medium")),
        ("0.06", wanted(quality="auto")),
        ("0.12", wanted(quality="high")),
        ("0.16", wanted("gpt-image-1.5", quality="high", n=2)),
        ("0.72", wanted("doubao-seedream-5-0-pro")),
        ("0.768", wanted("doubao-seedream-5-0-pro", images=["a", "b", "c"])),
        ("0.12", wanted("grok-imagine-image-2", n=2, images=["a", "b"])),
    ],
)
def test_prices_follow_the_documented_formulas(cost: str, request_: ImageRequest) -> None:
    """Quality tiers, counts and references are billed as the vendor describes."""
    assert Decimal(cost) == catalogue.price(request_, Decimal(1))


def test_the_price_scale_multiplies() -> None:
    """A scaled price is exact to four decimals and printed without an exponent."""
    assert str(catalogue.price(wanted(quality="high"), Decimal(1000))) == "120"


def test_the_listing_can_be_searched() -> None:
    """The search text narrows the catalogue to names that contain it."""
    names = [entry["model_name"] for entry in prices.listing("BANANA", Decimal(1))]

    assert names == ["nano-banana", "nano-banana-2", "nano-banana-pro"]


@pytest.mark.parametrize(("asked", "given"), [("21:9", "3:2"), ("9:21", "2:3"), ("auto", "1:1"), ("5:4", "3:2")])
def test_gpt_image_15_takes_the_nearest_ratio(asked: str, given: str) -> None:
    """A model with three aspects maps every other to the nearest."""
    assert given == catalogue.ratio(wanted("gpt-image-1.5", ratio=asked))


@pytest.mark.parametrize("fields", [{"ratio": 969}, {"resolution": 1}, {"quality": ["low"]}, {"images": "u"}, {"n": "2"}, {"n": True}])
def test_a_field_of_the_wrong_type_makes_no_request(fields: dict[str, object]) -> None:
    """A ratio that some YAML reader turned into a number is noticed."""
    assert ImageRequest.of({"model": "gpt-image-2", "prompt": "x", **fields}) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"text"'])
def test_a_body_that_is_no_object_is_noticed(raw: bytes) -> None:
    """Nothing but a JSON object is a body."""
    assert parse_body(raw) is None
