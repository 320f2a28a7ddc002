"""Tests of the OpenAI-compatible calls, with the official client and, where it hides too much, without."""

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import openai
import pytest
from PIL import Image

from batchgen.sim.server import SimProcess

StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]
OpenAiOf = Callable[[SimProcess], openai.OpenAI]


@pytest.fixture
def openai_of() -> Iterator[OpenAiOf]:
    """Open official clients that never try again and close with the test."""
    with ExitStack() as stack:

        def client(sim: SimProcess, key: str = "sk-test") -> openai.OpenAI:
            transport = stack.enter_context(httpx.Client(trust_env=False))
            return openai.OpenAI(api_key=key, base_url=f"{sim.url}/v1", max_retries=0, timeout=20, http_client=transport)

        yield client


def generate(client: httpx.Client, **fields: object) -> httpx.Response:
    """Ask for a picture without the official client."""
    return client.post("/v1/images/generations", json={"model": "gpt-image-1", "prompt": "a fox", **fields})


def opened(b64: str | None) -> Image.Image:
    """Return the fully decoded picture."""
    image = Image.open(io.BytesIO(base64.b64decode(b64 or "", validate=True)))
    image.load()
    return image


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_the_official_client_draws_pictures(start_sim: StartSim, openai_of: OpenAiOf, form: str) -> None:
    """Size, form, number and usage come through, as base64."""
    client = openai_of(start_sim(image_scale=0.1))

    told = client.images.generate(model="gpt-image-1", prompt="a fox", n=2, size="1536x1024", quality="low", output_format=form)  # type: ignore[call-overload] # three literals

    assert [(opened(each.b64_json).format, opened(each.b64_json).size) for each in told.data] == [(form.upper(), (154, 102))] * 2
    assert (told.size, told.quality, told.output_format, told.background) == ("1536x1024", "low", form, "opaque")
    assert told.usage.total_tokens == told.usage.input_tokens + told.usage.output_tokens


def test_the_official_client_edits_pictures(start_sim: StartSim, client_of: ClientOf, openai_of: OpenAiOf, photo: bytes) -> None:
    """One image goes as `image`, several as `image[]`; both arrive, with a mask."""
    sim = start_sim()
    client = openai_of(sim)

    one = client.images.edit(model="gpt-image-1.5", prompt="a fox", image=("a.png", photo), mask=("m.png", photo))
    two = client.images.edit(model="gpt-image-1-mini", prompt="a fox", image=[("a.png", photo), ("b.png", photo)], size="auto")

    assert [opened(each.data[0].b64_json).format for each in (one, two) if each.data] == ["PNG", "PNG"]
    first, second = client_of(sim).get("/_sim/ledger").json()
    assert (first["call"], [file["name"] for file in first["request"]["image"]]) == ("openai.edit", ["a.png"])
    assert [file["name"] for file in second["request"]["image"]] == ["a.png", "b.png"]
    assert first["request"]["mask"]["size"] == len(photo)


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-1.5"])
def test_the_models_that_come_first_draw_and_edit(
    start_sim: StartSim, client_of: ClientOf, openai_of: OpenAiOf, photo: bytes, model: str
) -> None:
    """They take what gpt-image-1 takes, at a listed price."""
    sim = start_sim(image_scale=0.1)
    client = openai_of(sim)

    drawn = client.images.generate(model=model, prompt="a fox", size="1024x1536", quality="high").data
    edited = client.images.edit(model=model, prompt="a fox", image=("a.png", photo), quality="low").data

    listed = {line["model_name"]: line["unit_price"] for line in client_of(sim).get("/api/openapi/model/catalog").json()["data"]["list"]}
    costs = [float(line["cost"]) for line in client_of(sim).get("/_sim/ledger").json()]
    assert [(102, 154), (102, 102)] == [opened(each[0].b64_json).size for each in (drawn, edited) if each]
    assert [listed[f"openai/{model}-high"], listed[f"openai/{model}-low"]] == costs


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3"])
def test_dall_e_answers_with_a_url_or_base64(start_sim: StartSim, openai_of: OpenAiOf, model: str) -> None:
    """The older line takes `response_format`, and a URL is its default."""
    client = openai_of(start_sim())

    by_default = client.images.generate(model=model, prompt="a fox").data
    asked = client.images.generate(model=model, prompt="a fox", response_format="b64_json").data

    assert by_default is not None
    assert asked is not None
    assert httpx.get(by_default[0].url or "", trust_env=False).content.startswith(b"\x89PNG")
    assert (asked[0].url, opened(asked[0].b64_json).format) == (None, "PNG")


@pytest.mark.parametrize(
    ("raised", "code", "fields"),
    [
        (openai.NotFoundError, "model_not_found", {"model": "gpt-image-9"}),
        (openai.BadRequestError, "moderation_blocked", {"prompt": "[moderated]"}),
        (openai.BadRequestError, "invalid_value", {"response_format": "b64_json"}),
        (openai.BadRequestError, "invalid_value", {"size": "512x512"}),
        (openai.BadRequestError, "invalid_value", {"quality": "hd"}),
        (openai.BadRequestError, "invalid_value", {"n": 11}),
        (openai.BadRequestError, "invalid_value", {"prompt": ""}),
        (openai.BadRequestError, "invalid_value", {"model": "dall-e-3", "n": 2}),
        (openai.BadRequestError, "invalid_value", {"model": "dall-e-2", "background": "opaque"}),
        (openai.BadRequestError, "invalid_value", {"extra_body": {"surprise": 1}}),
    ],
)
def test_the_official_client_raises_what_it_should(
    sim: SimProcess, openai_of: OpenAiOf, raised: type[openai.APIStatusError], code: str, fields: dict[str, object]
) -> None:
    """Statuses and codes are those that the client knows."""
    with pytest.raises(raised) as caught:
        openai_of(sim).images.generate(**{"model": "gpt-image-1", "prompt": "a fox"} | fields)  # type: ignore[call-overload] # fields of any test

    assert caught.value.code == code


def test_a_wrong_key_is_401(sim: SimProcess) -> None:
    """The error has the documented four fields."""
    answer = httpx.post(f"{sim.url}/v1/images/generations", headers={"Authorization": "Bearer nope"}, json={}, trust_env=False)

    assert answer.status_code == 401
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_an_empty_account_is_insufficient_quota(start_sim: StartSim, openai_of: OpenAiOf) -> None:
    """The official client sees a rate limit error with the code that tells it apart."""
    with pytest.raises(openai.RateLimitError) as caught:
        openai_of(start_sim(balance=0)).images.generate(model="gpt-image-1", prompt="a fox")

    assert caught.value.code == "insufficient_quota"


def test_calls_are_billed_in_the_same_ledger(start_sim: StartSim, client_of: ClientOf) -> None:
    """Per picture and tier, at the listed price."""
    client = client_of(start_sim())

    generate(client, n=3, quality="high")
    generate(client, model="dall-e-3", quality="hd")

    assert [(line["call"], line["cost"]) for line in client.get("/_sim/ledger").json()] == [
        ("openai.generation", "0.501"),
        ("openai.generation", "0.08"),
    ]


def test_calls_above_the_rate_are_429(start_sim: StartSim, client_of: ClientOf) -> None:
    """With and without Retry-After in turn."""
    client = client_of(start_sim(submit_rate=0.01))

    answers = [generate(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "1", None]
    assert answers[1].json()["error"]["code"] == "rate_limit_exceeded"


POST_FAULTS = {
    "post.429": (429, False, "rate_limit_exceeded"),
    "post.429_retry_after": (429, False, "rate_limit_exceeded"),
    "post.429_odd_retry_after": (429, False, "rate_limit_exceeded"),
    "post.too_frequent": (429, False, "rate_limit_exceeded"),
    "post.server_error": (500, False, "server_error"),
    "post.500": (500, False, "server_error"),
    "post.no_balance": (429, False, "insufficient_quota"),
    "post.quota": (429, False, "insufficient_quota"),
    "post.unauthorized": (401, False, "invalid_api_key"),
    "post.bad_parameters": (400, False, "invalid_request_error"),
    "post.redirect": (307, False, None),
    "post.502": (502, False, None),
    "post.accept_then_502": (502, True, None),
    "post.accept_then_504": (504, True, None),
    "post.accept_then_garbage": (200, True, None),
    "post.accept_then_empty": (200, True, None),
    "post.accept_then_no_id": (200, True, None),
    "post.string_code": (200, True, None),
    "post.zero_code": (200, True, None),
    "post.bare": (200, True, None),
}


def test_a_post_fault_speaks_this_tongue(start_sim: StartSim, client_of: ClientOf) -> None:
    """Refusals have real statuses and codes, and are not billed; lost answers are."""
    client = client_of(start_sim(faults=tuple(f"{fault}@{at}" for at, fault in enumerate(POST_FAULTS, 1))))

    seen = {}
    for fault in POST_FAULTS:
        before = len(client.get("/_sim/ledger").json())
        answer = generate(client)
        code = answer.json()["error"]["code"] if answer.text.startswith('{"error"') else None
        seen[fault] = (answer.status_code, len(client.get("/_sim/ledger").json()) > before, code)

    assert seen == POST_FAULTS


def test_a_sync_fault_shapes_these_answers_too(start_sim: StartSim, client_of: ClientOf) -> None:
    """A data URI, both forms at once, escaped slashes and a refusal by moderation."""
    faults = ("sync.data_uri@1", "sync.both@2", "sync.escaped_slashes@3", "sync.moderated@4")
    client = client_of(start_sim(faults=faults))

    with_prefix, both, escaped, moderated = (generate(client) for _ in faults)

    assert with_prefix.json()["data"][0]["b64_json"].startswith("data:image/png;base64,")
    assert both.json()["data"][0].keys() == {"url", "b64_json"}
    assert "\\/" in escaped.text
    assert (moderated.status_code, moderated.json()["error"]["code"]) == (400, "moderation_blocked")


@pytest.mark.parametrize("path", ["generations", "edits"])
def test_a_body_of_the_wrong_kind_is_400(sim: SimProcess, client_of: ClientOf, path: str) -> None:
    """No JSON, no form, no charge."""
    answer = client_of(sim).post(f"/v1/images/{path}", content=b"{")

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
