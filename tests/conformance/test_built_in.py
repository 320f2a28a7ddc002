"""Every built-in dialect passes the kit that authors of other dialects run: without a network, and against a vendor on loopback."""

from collections.abc import Iterator

import pytest

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.api.dialects.jimmyai_video import JimmyAIVideo
from batchgen.api.dialects.openai import OpenAI
from batchgen.core.dialects import Dialect
from batchgen.testing import Example, check_against, check_dialect
from tests.conformance.orders import FAL, JIMMYAI, JIMMYAI_VIDEO, OPENAI, REPLICATE
from tests.conformance.queues import open_queue
from tests.support.cli import open_vendor
from tests.unit.api.dialects.http.described import shipped

_CASES = [
    *(pytest.param(JimmyAI(), example, id=f"jimmyai {name}") for name, example in JIMMYAI.items()),
    *(pytest.param(JimmyAIVideo(), example, id=f"jimmyai-video {name}") for name, example in JIMMYAI_VIDEO.items()),
    *(pytest.param(OpenAI(), example, id=f"openai {name}") for name, example in OPENAI.items()),
]


@pytest.mark.parametrize(
    ("dialect", "examples"),
    [
        pytest.param(JimmyAI(), list(JIMMYAI.values()), id="jimmyai"),
        pytest.param(JimmyAIVideo(), list(JIMMYAI_VIDEO.values()), id="jimmyai-video"),
        pytest.param(OpenAI(), list(OPENAI.values()), id="openai"),
        pytest.param(shipped("fal-queue"), [FAL], id="fal-queue"),
        pytest.param(shipped("replicate-predictions"), [REPLICATE], id="replicate-predictions"),
    ],
)
def test_built_in_dialects_keep_every_promise(dialect: Dialect, examples: list[Example]) -> None:
    """Ten thousand hostile answers and more, and not one broken promise."""
    check_dialect(dialect, examples, usual={"duration": "8", "ratio": "16:9", "resolution": "720p", "size": "768P"})


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """Serve JimmyAI's and OpenAI's calls."""
    with open_vendor() as vendor:
        yield vendor.url


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "example"), _CASES)
def test_built_in_dialects_buy_nothing_twice_from_the_simulator(simulator: str, dialect: Dialect, example: Example) -> None:
    """The real engine saves every image once, through refused connections, lost answers, and spoilt questions and downloads."""
    check_against(dialect, simulator, [example])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "example"), [pytest.param("fal-queue", FAL, id="fal"), pytest.param("replicate-predictions", REPLICATE, id="replicate")]
)
def test_described_vendors_buy_nothing_twice_from_their_queues(vendor: str, example: Example) -> None:
    """A vendor described in a file is as safe as one in code."""
    with open_queue(vendor) as queue:
        check_against(shipped(vendor), queue.url, [example], key=queue.key)
