"""What an order may cost by the catalogue."""

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Price
from batchgen.core.money import Micros

DIALECT = JimmyAI()


def estimate(listed: str, order: str, *, operation: str = "image", references: int = 0) -> int | None:
    """Estimate an order written as ``model=x quality=y`` by a catalogue written as ``name=micros name=micros/mode``."""
    prices = {}
    for pair in listed.split():
        name, price = pair.split("=")
        micros, _, mode = price.partition("/")
        prices[name] = Price(micros=Micros(int(micros)), mode=mode or "per_task")
    params = dict(pair.split("=", 1) for pair in order.split())
    return DIALECT.estimate(prices, params, operation=operation, references=references)


TIERS = "gpt-image-2=1 gpt-image-2-low=2 gpt-image-2-medium=3 gpt-image-2-high=9 gpt-image-2-1k=4 gpt-image-2-4k=8"


@pytest.mark.parametrize(
    ("listed", "order", "micros"),
    [
        (TIERS, "model=gpt-image-2", 4),
        (TIERS, "model=gpt-image-2 quality=high resolution=4k", 9),
        (TIERS, "model=gpt-image-2 quality=medium resolution=4k", 8),
        (TIERS, "model=gpt-image-2 quality=medium resolution=2k", 3),
        (TIERS, "model=gpt-image-2 quality=auto", 9),
        ("gpt-image-2=5", "model=gpt-image-2 quality=high", 5),
        ("gpt-image-2=6 gpt-image-2-low=3", "model=gpt-image-2", 3),
        ("gpt-image-2=6 gpt-image-2-low=3", "model=gpt-image-2 quality=auto", 6),
        ("gpt-image-2-high=5", "model=gpt-image-2 quality=low", None),
        ("gpt-image-2=5/per_second", "model=gpt-image-2", None),
        ("gpt-image-2=5/per_million_tokens", "model=gpt-image-2", None),
        ("gpt-image-2=5/pay_as_you_go", "model=gpt-image-2", None),
        ("gpt-image-1.5=1 gpt-image-1.5-high=3", "model=gpt-image-1.5", 1),
        ("gpt-image-1.5=1 gpt-image-1.5-high=3", "model=gpt-image-1.5 quality=auto", 1),
        ("gpt-image-1.5=1 gpt-image-1.5-high=3", "model=gpt-image-1.5 quality=high", 3),
        ("gpt-image-1.5=1 gpt-image-1.5-high=3", "model=gpt-image-1.5 quality=low", None),
        ("gpt-image-1.5-low=1 gpt-image-1.5-high=3", "model=gpt-image-1.5-low", 1),
        ("gpt-image-1.5-low=1 gpt-image-1.5-high=3", "model=gpt-image-1.5-low quality=high", 3),
        ("gpt-image-2.5-flare=7", "model=gpt-image-2.5-flare quality=max", 7),
        ("nano-banana-pro=7 nano-banana-pro-4k=12", "model=nano-banana-pro", 7),
        ("nano-banana-pro=7 nano-banana-pro-4k=12", "model=nano-banana-pro resolution=4k", 12),
        ("grok-imagine-image=2", "model=grok-imagine-image", 2),
        ("painter-9=2", "model=painter-9", 2),
        ("", "model=painter-9", None),
        ("painter=1", "", None),
    ],
)
def test_the_highest_listed_name_counts(listed: str, order: str, micros: int | None) -> None:
    """Where the billing name is not documented the dearest candidate is reserved, and what is not listed is unknown, never 0."""
    assert micros == estimate(listed, order)


SEEDREAM = "doubao-seedream-5-0-pro-1k=400 doubao-seedream-5-0-pro-2k=720 doubao-seedream-5-0-pro-ref=24"
GROK = "grok-imagine-image-2=5 grok-imagine-image-2-1k=20 grok-imagine-image-2-1k-low=10 grok-imagine-image-2-1k-medium=30"


@pytest.mark.parametrize(
    ("listed", "order", "references", "micros"),
    [
        (SEEDREAM, "model=doubao-seedream-5-0-pro", 0, 720),
        (SEEDREAM, "model=seedream-5-0-pro resolution=1k", 1, 400),
        (SEEDREAM, "model=seedream-5-0-pro", 3, 768),
        ("doubao-seedream-5-0-pro-2k=720", "model=seedream-5-0-pro", 1, 720),
        ("doubao-seedream-5-0-pro-2k=720", "model=seedream-5-0-pro", 2, None),
        ("doubao-seedream-5-0-pro-ref=24", "model=seedream-5-0-pro", 2, None),
        (GROK, "model=grok-imagine-image-2", 0, 30),
        (GROK, "model=grok-imagine-image-2 quality=low", 2, 30),
        (GROK, "model=grok-imagine-image-2.0 resolution=2k", 0, None),
        ("grok-imagine-image-2-1k=20", "model=grok-imagine-image-quality", 1, None),
    ],
)
def test_references_are_billed_where_the_vendor_bills_them(listed: str, order: str, references: int, micros: int | None) -> None:
    """Seedream counts them after the first, Grok all; without their price the whole is unknown."""
    assert micros == estimate(listed, order, references=references)


SYNC = "gpt-image-2-sync=9 gpt-image-2-sync-low=3 gpt-image-2-sync-high=8 gpt-image-2.5-flare=7 upscale=20 remove-bg=10"


@pytest.mark.parametrize(
    ("operation", "order", "micros"),
    [
        ("generate", "model=gpt-image-2", 3),
        ("generate", "model=gpt-image-2 quality=auto", 9),
        ("edit", "model=gpt-image-2 quality=high", 8),
        ("edit", "model=gpt-image-2 quality=medium", None),
        ("generate", "model=gpt-image-2.5-flare quality=high", 7),
        ("upscale", "model=upscale", 20),
        ("upscale", "model=upscale upscale_factor=2", 20),
        ("upscale", "model=upscale upscale_factor=4", None),
        ("upscale", "model=upscale upscale_mode=target", None),
        ("remove-bg", "model=matting", 10),
        ("video", "model=gpt-image-2", None),
    ],
)
def test_each_operation_has_its_billing_names(operation: str, order: str, micros: int | None) -> None:
    """Synchronous calls cost by quality, tools by call; how many passes a large factor takes is not documented."""
    assert micros == estimate(SYNC, order, operation=operation, references=1)
