"""What goes over the wire to OpenAI's image API and its kin."""

import json
from dataclasses import replace

import pytest

from batchgen.api.dialects import dialect_for
from batchgen.api.dialects.openai import OpenAI
from batchgen.core.dialects import Attachment, Call, Dialect, Price, Reply
from batchgen.core.money import Micros
from batchgen.core.readings import NotFound
from tests.support.builders import job

JOB = job(prompt="A “neon” sign", model="gpt-image-2", operation="generate", params={"size": "1536x864", "model": "gpt-image-2", "n": "4"})
SHOE = Attachment(role="images", filename="shoe.png", media_type="image/png", content=b"shoe")
HAT = Attachment(role="images", filename="hat.jpg", media_type="image/jpeg", content=b"hat")
MASK = Attachment(role="mask", filename="mask.png", media_type="image/png", content=b"mask")
OPENAI: Dialect = OpenAI()


def test_a_generation_is_one_synchronous_json_order() -> None:
    """Keys sorted, one image, the prompt byte for byte, and the answer is the result."""
    body = '{"model":"gpt-image-2","n":1,"prompt":"A “neon” sign","size":"1536x864"}'

    call = OPENAI.submit(JOB)

    assert Call(method="POST", path="/v1/images/generations", body=body.encode(), host="sync", is_synchronous=True) == call


@pytest.mark.parametrize(
    ("model", "params", "expected"),
    [
        ("gpt-image-2", {}, {}),
        ("dall-e-3", {}, {"response_format": "b64_json"}),
        ("dall-e-3", {"response_format": "url"}, {"response_format": "url"}),
        ("someone/flux", {}, {}),
        ("someone/flux", {"response_format": "url"}, {"response_format": "url"}),
        ("gpt-image-1.5", {"output_compression": "80", "output_format": "webp"}, {"output_compression": 80, "output_format": "webp"}),
        ("gpt-image-1.5", {"output_compression": "much"}, {"output_compression": "much"}),
    ],
)
def test_fields_have_their_wire_types(model: str, params: dict[str, str], expected: dict[str, object]) -> None:
    """Only dall-e is always told how to answer; the compression is a number."""
    call = OPENAI.submit(replace(JOB, model=model, params={**params, "images": "shoe"}))

    assert {"model": model, "n": 1, "prompt": JOB.prompt, **expected} == json.loads(b"".join(call.pieces))


@pytest.mark.parametrize(
    ("attachments", "names"),
    [
        ((SHOE,), ['name="image"; filename="shoe.png"']),
        ((SHOE, HAT), ['name="image[]"; filename="shoe.png"', 'name="image[]"; filename="hat.jpg"']),
        ((MASK, SHOE), ['name="image"; filename="shoe.png"', 'name="mask"; filename="mask.png"']),
        ((Attachment(role="images", url="https://example.com/x.png"),), ['name="image"; filename="image"']),
    ],
)
def test_an_edit_is_a_form(attachments: tuple[Attachment, ...], names: list[str]) -> None:
    """Several images share a name with brackets, as the official clients send them; the contents are never copied."""
    edit = replace(JOB, operation="edit", params={"quality": "low"})

    call = OPENAI.submit(edit, attachments)

    text = b"".join(call.pieces).decode()
    assert (call.path, call.is_synchronous) == ("/v1/images/edits", True)
    assert call.content_type == f"multipart/form-data; boundary=batchgen-{JOB.key}"
    assert names == [line.removeprefix("Content-Disposition: form-data; ") for line in text.splitlines() if "filename=" in line]
    assert all(f'name="{name}"\r\n\r\n{value}\r\n' in text for name, value in (("n", "1"), ("quality", "low"), ("model", "gpt-image-2")))
    assert any(piece is attachments[0].content for piece in call.pieces) or attachments[0].content is None
    assert OPENAI.submit(edit, attachments) == call


def test_there_are_no_tasks() -> None:
    """A question is harmless, and its answer says that there is none."""
    assert Call(method="GET", path="/v1/models") == OPENAI.poll(JOB)
    assert NotFound(message="this API has no tasks") == OPENAI.read_poll(JOB, Reply(status=200, body=b"{}"))


def test_the_dialect_is_found_by_its_word() -> None:
    """With its base path, its header, its unit, and the hour that its URLs live."""
    assert isinstance(dialect_for("openai"), OpenAI)
    assert ("openai", "USD", "/v1", 3600.0) == (OPENAI.name, OPENAI.unit, OPENAI.api_path, OPENAI.result_ttl_s)
    assert ("Authorization", "Bearer {key}") == OPENAI.authorization
    assert (frozenset(), frozenset({"file"})) == (OPENAI.ways("generate"), OPENAI.ways("edit"))
    assert ({}, {"generate", "edit"}) == (OPENAI.sync_hosts, set(OPENAI.synchronous))


def test_only_the_users_own_list_has_prices() -> None:
    """The API bills by tokens, so nothing is guessed."""
    prices = {"gpt-image-2": Price(micros=Micros(40_000))}

    assert OPENAI.estimate(prices, {"model": "gpt-image-2"}, operation="generate", references=0) == 40_000
    assert OPENAI.estimate(prices, {"model": "gpt-image-1.5"}, operation="generate", references=0) is None
