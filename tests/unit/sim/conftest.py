"""Fixtures of the simulator's tests: servers in child processes, and a client with a key."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image

from batchgen.sim.options import SimOptions
from batchgen.sim.server import SimProcess, start_in_child

StartSim = Callable[..., SimProcess]


@pytest.fixture
def start_sim() -> Iterator[StartSim]:
    """Start simulators that stop with the test; without latency, fsync or large pictures unless asked for."""
    with ExitStack() as stack:

        def start(**terms: object) -> SimProcess:
            usual: dict[str, object] = {"latency_s": 0.0, "fsync": False, "image_scale": 0.1}
            options = SimOptions(**usual | terms)  # type: ignore[arg-type] # terms of any test
            return stack.enter_context(start_in_child(options))

        yield start


@pytest.fixture
def client_of() -> Iterator[Callable[[SimProcess], httpx.Client]]:
    """Open clients that carry a key and close with the test."""
    with ExitStack() as stack:

        def client(sim: SimProcess) -> httpx.Client:
            headers = {"Authorization": "Bearer sk-test"}
            return stack.enter_context(httpx.Client(base_url=sim.url, headers=headers, trust_env=False, timeout=20))

        yield client


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    """Start one calm simulator for tests that change nothing in it."""
    with start_in_child(SimOptions(latency_s=0.0, fsync=False, image_scale=0.1)) as process:
        yield process


@pytest.fixture(scope="session")
def photo() -> bytes:
    """Return a small real picture, such as a customer sends."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((64, 48)).save(buffer, "PNG")
    return buffer.getvalue()
