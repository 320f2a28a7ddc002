"""Contract of the simulator with the published description of the API: whatever is asked, the answer has a listed shape."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any  # the description is foreign JSON

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from batchgen.sim.options import SimOptions
from batchgen.sim.server import SimProcess, start_in_child

DESCRIPTION = Path(__file__).parents[2] / "data" / "openapi-images.yaml"
SCHEMA = schemathesis.openapi.from_path(DESCRIPTION)
OFFERED = SCHEMA.exclude(operation_id="understandImage")
IMAGES = "/api/open-api/v1/images"
FRAMING = frozenset({"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"})
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


@pytest.fixture(scope="module")
def generous() -> Iterator[SimProcess]:
    """Start a calm simulator with money for any number of requests."""
    with start_in_child(SimOptions(latency_s=0.0, fsync=False, image_scale=0.05)) as process:
        yield process


@OFFERED.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_any_request_gets_a_listed_answer(case: schemathesis.Case, generous: SimProcess) -> None:
    """Valid or not, every request is answered with a listed status, media type and shape, and never breaks the server.

    What frames a message is left as it is: a request that is no HTTP never reaches the API.
    """
    for name in FRAMING & {*map(str.lower, case.headers or {})}:
        del case.headers[name]
    case.call_and_validate(
        base_url=generous.url,
        headers={"Authorization": "Bearer sk-test"},
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )


def examples(path: str) -> dict[str, Any]:
    """Return the named request bodies of a path."""
    content = yaml.safe_load(DESCRIPTION.read_text())["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return (
        {name: example["value"] for name, example in content["examples"].items()} if "examples" in content else {"only": content["example"]}
    )


@pytest.mark.parametrize("path", [IMAGES, f"{IMAGES}/generations", f"{IMAGES}/upscale", f"{IMAGES}/remove-bg"])
def test_every_example_of_the_description_is_accepted(generous: SimProcess, client_of: ClientOf, path: str) -> None:
    """What the description shows as a request works, and is billed."""
    client = client_of(generous)
    before = len(client.get("/_sim/ledger").json())

    codes = {name: client.post(path, json=body).json()["code"] for name, body in examples(path).items()}

    assert dict.fromkeys(codes, 20000) == codes
    assert len(client.get("/_sim/ledger").json()) == before + len(codes)


REFUSALS = ("post.429", "post.429_retry_after", "post.429_odd_retry_after", "post.too_frequent", "post.server_error", "post.500")
REFUSALS += ("post.no_balance", "post.quota", "post.unauthorized", "post.bad_parameters", "post.502")
BILLED = ("post.accept_then_502", "post.accept_then_504", "post.accept_then_no_id", "post.string_code", "post.zero_code", "post.bare")
SHAPES = ("sync.bad_base64", "sync.data_uri", "sync.both", "sync.escaped_slashes", "sync.moderated")
POLLS = ("poll.429", "poll.too_frequent", "poll.server_error", "poll.500", "poll.502", "poll.not_found", "poll.unauthorized")
POLLS += ("poll.unknown_status", "poll.bare", "poll.string_code", "result.stale_url", "result.no_url", "result.relative_url")
POLLS += ("result.backwards", "result.success_word")


def in_turn(*points: tuple[str, ...]) -> tuple[str, ...]:
    """Return a fault plan that meets the faults of each point in their order."""
    return tuple(f"{fault}@{at}" for faults in points for at, fault in enumerate(faults, 1))


@pytest.mark.parametrize("path", [IMAGES, f"{IMAGES}/generations"])
def test_a_fault_of_a_listed_shape_keeps_to_it(start_sim: StartSim, client_of: ClientOf, path: str) -> None:
    """Refusals, gateways' pages and dialects are all in the description."""
    client = client_of(start_sim(faults=in_turn((*REFUSALS, *BILLED))))

    for _ in (*REFUSALS, *BILLED):
        SCHEMA[path]["POST"].validate_response(client.post(path, json={"model": "gpt-image-2", "prompt": "x"}))


def test_odd_pictures_keep_to_the_listed_shape(start_sim: StartSim, client_of: ClientOf) -> None:
    """What is wrong with them lies within a string."""
    client = client_of(start_sim(faults=in_turn(SHAPES)))

    for _ in SHAPES:
        SCHEMA[f"{IMAGES}/generations"]["POST"].validate_response(client.post(f"{IMAGES}/generations", json={"prompt": "x"}))


def test_odd_polls_keep_to_the_listed_shape(start_sim: StartSim, client_of: ClientOf) -> None:
    """Each odd poll of the first point, then each odd result."""
    results = tuple(fault for fault in POLLS if fault.startswith("result."))
    polls = tuple(fault for fault in POLLS if fault.startswith("poll."))
    client = client_of(start_sim(faults=in_turn(polls, results)))
    task_id = client.post(IMAGES, json={"model": "gpt-image-2", "prompt": "x"}).json()["data"]["task_id"]

    answers = [client.get(f"{IMAGES}/{task_id}") for _ in POLLS]

    for answer in answers:
        SCHEMA[f"{IMAGES}/{{taskId}}"]["GET"].validate_response(answer)
    assert client.get("/_sim/stats").json()["faults"].keys() == set(POLLS)


def test_edits_and_uploads_keep_to_the_listed_shape(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """Real files, which no generator makes, in both kinds of form."""
    client = client_of(start_sim(faults=("upload.no_url@2",)))
    edits, upload = f"{IMAGES}/edits", "/api/open-api/v1/files/upload"

    for form in ("url", "b64_json"):
        edited = client.post(edits, data={"prompt": "x", "response_format": form}, files={"image": ("a.png", photo)})
        uploaded = client.post(upload, files={"file": ("a.png", photo)})
        assert (edited.json()["code"], uploaded.json()["code"]) == (20000, 20000)
        for path, answer in ((edits, edited), (upload, uploaded)):
            answer.request.read()
            SCHEMA[path]["POST"].validate_response(answer)
