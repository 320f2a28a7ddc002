"""Tests of the synchronous image calls over real sockets: shapes, money, time, restarts and faults."""

import base64
import hashlib
import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from batchgen.sim.server import SimProcess

GENERATIONS, EDITS = "/api/open-api/v1/images/generations", "/api/open-api/v1/images/edits"
BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


def generate(client: httpx.Client, prompt: str = "a fox", **fields: object) -> httpx.Response:
    """Ask for pictures from text."""
    return client.post(GENERATIONS, json={"prompt": prompt, **fields})


def edit(client: httpx.Client, *files: tuple[str, bytes], **fields: str) -> httpx.Response:
    """Ask for an edit of these file parts."""
    parts = [(name, (f"{index}.png", body)) for index, (name, body) in enumerate(files)]
    return client.post(EDITS, data={"prompt": "a fox", **fields}, files=parts)


def bill(client: httpx.Client) -> list[dict[str, object]]:
    """Return the ledger as the server shows it."""
    lines: list[dict[str, object]] = client.get("/_sim/ledger").json()
    return lines


def shown(answer: httpx.Response) -> Image.Image:
    """Return the first picture of an answer that carries base64."""
    raw = base64.b64decode(answer.json()["data"]["data"][0]["b64_json"], validate=True)
    image = Image.open(io.BytesIO(raw))
    image.load()
    return image


def test_an_answer_has_a_double_data_and_a_url_by_default(start_sim: StartSim, client_of: ClientOf) -> None:
    """The shape is the documented one and the URL opens without a key."""
    client = client_of(start_sim())

    answer = generate(client).json()
    told = answer["data"]
    picture = httpx.get(told["data"][0]["url"], trust_env=False)

    assert (answer["code"], answer["msg"], told["model"]) == (20000, "ok", "gpt-image-2")
    assert told.keys() == {"created", "model", "data", "usage"}
    assert told["data"][0].keys() == {"url", "revised_prompt"}
    assert told["usage"]["total_tokens"] == told["usage"]["input_tokens"] + told["usage"]["output_tokens"]
    assert Image.open(io.BytesIO(picture.content)).format == "PNG"


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_is_encoded_in_the_form_asked_for(start_sim: StartSim, client_of: ClientOf, form: str) -> None:
    """Format, exact pixels and media type follow the request, in the answer and behind the URL."""
    client = client_of(start_sim(image_scale=1.0))

    image = shown(generate(client, size="320x200", output_format=form, response_format="b64_json"))
    served = client.get(generate(client, size="320x200", output_format=form).json()["data"]["data"][0]["url"])

    assert (image.format, image.size) == (form.upper(), (320, 200))
    assert served.headers["content-type"] == f"image/{form}"
    assert Image.open(io.BytesIO(served.content)).size == (320, 200)


def test_a_transparent_background_has_transparent_corners(start_sim: StartSim, client_of: ClientOf) -> None:
    """The alpha channel is real."""
    image = shown(generate(client_of(start_sim()), background="transparent", response_format="b64_json"))

    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0  # type: ignore[index] # an RGBA pixel is a tuple


def test_several_pictures_come_in_one_answer(start_sim: StartSim, client_of: ClientOf) -> None:
    """The 2.5 models draw up to four, each different, each paid."""
    client = client_of(start_sim())

    told = generate(client, model="gpt-image-2.5-flare", n=4, response_format="b64_json").json()["data"]

    assert len({each["b64_json"] for each in told["data"]}) == 4
    assert bill(client)[0]["cost"] == "0.2"


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("prompt", {"prompt": ""}),
        ("prompt", {"prompt": None}),
        ("prompt", {"prompt": 7}),
        ("n", {"n": 2}),
        ("n", {"n": 0}),
        ("n", {"n": "many"}),
        ("n", {"n": True}),
        ("n", {"model": "gpt-image-2.5-flare", "n": 5}),
        ("size", {"size": "1:1"}),
        ("size", {"size": "9000x1"}),
        ("size", {"size": 1024}),
        ("quality", {"quality": "max"}),
        ("background", {"background": "green"}),
        ("background", {"background": "transparent", "output_format": "jpeg"}),
        ("output_format", {"output_format": "gif"}),
        ("response_format", {"response_format": "file"}),
    ],
)
def test_an_impossible_call_is_refused_by_field(sim: SimProcess, client_of: ClientOf, field: str, fields: dict[str, object]) -> None:
    """The code is 20002 and the message names the field."""
    answer = client_of(sim).post(GENERATIONS, json={"prompt": "a fox", **fields})

    assert answer.json() == {"code": 20002, "msg": f"参数错误: {field}", "data": None}


@pytest.mark.parametrize("model", ["gpt-image-1.5", "nano-banana-2", "doubao-seedream-5-0-pro", "gpt-image-9"])
def test_a_model_that_only_queues_is_refused(sim: SimProcess, client_of: ClientOf, model: str) -> None:
    """Synchronous calls exist for three models."""
    assert generate(client_of(sim), model=model).json() == {"code": 20002, "msg": "不支持的模型参数", "data": None}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_a_body_of_the_wrong_kind_is_answered_with_20002(sim: SimProcess, client_of: ClientOf, path: str, content: bytes) -> None:
    """A body that is no JSON object, or no form, costs nothing."""
    assert client_of(sim).post(path, content=content).json() == {"code": 20002, "msg": "参数错误", "data": None}


def test_the_ledger_tells_all_of_a_generation(start_sim: StartSim, client_of: ClientOf) -> None:
    """One charge line with the hash of the raw body, the hash of the prompt, the cost and the fields."""
    client = client_of(start_sim())

    sent = generate(client, "狐狸", quality="high").request.content

    (line,) = bill(client)
    assert (line["event"], line["call"], line["cost"]) == ("charge", "generation", "0.14")
    assert hashlib.sha256(sent).hexdigest() == line["body_sha256"]
    assert hashlib.sha256("狐狸".encode()).hexdigest() == line["prompt_sha256"]
    assert line["request"] == {"prompt": "狐狸", "quality": "high"}


def test_the_ledger_tells_the_files_of_an_edit(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """Text fields, and of each file its name, size and hash."""
    client = client_of(start_sim())

    files = [("image", ("0.png", photo)), ("mask", ("1.png", photo))]
    request = client.build_request("POST", EDITS, data={"prompt": "a fox", "quality": "low"}, files=files)
    sent = request.read()
    client.send(request)

    (line,) = bill(client)
    file = {"size": len(photo), "sha256": hashlib.sha256(photo).hexdigest()}
    assert hashlib.sha256(sent).hexdigest() == line["body_sha256"]
    assert line["request"] == {
        "prompt": "a fox",
        "quality": "low",
        "image": [file | {"name": "0.png"}],
        "mask": file | {"name": "1.png"},
    }


def test_an_edit_shows_its_source(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """The corner of an edit holds the first reference in a white border, and the corner of another source another one."""
    client = client_of(start_sim(image_scale=0.5))
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 0, 0)).save(buffer, "WEBP", lossless=True)

    red, grey = (shown(edit(client, ("image", body), response_format="b64_json")) for body in (buffer.getvalue(), photo))

    red_pixel, border = red.getpixel((80, 80)), red.getpixel((26, 26))
    assert red_pixel[0] > 150  # type: ignore[index] # an RGB pixel is a tuple
    assert red_pixel[1] < 60  # type: ignore[index] # an RGB pixel is a tuple
    assert min(border) > 230  # type: ignore[arg-type] # an RGB pixel is a tuple
    assert red_pixel != grey.getpixel((80, 80))


@pytest.mark.parametrize(
    ("field", "names"),
    [("image", ()), ("image", ("mask",)), ("image", ("image",) * 17), ("mask", ("image", "mask", "mask")), ("image", ("image[]",))],
)
def test_an_edit_with_the_wrong_files_is_refused(
    sim: SimProcess, client_of: ClientOf, photo: bytes, field: str, names: tuple[str, ...]
) -> None:
    """One to sixteen images and at most one mask; the OpenAI spelling of a part name is not known here."""
    parts = [(name, photo) for name in names] or [("other", photo)]

    assert edit(client_of(sim), *parts).json()["msg"] == f"参数错误: {field}"


@pytest.mark.parametrize("body", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40)], ids=["empty", "text", "head", "gif"])
def test_a_file_that_is_no_picture_is_refused(sim: SimProcess, client_of: ClientOf, body: bytes) -> None:
    """PNG, JPEG and WebP are taken for what they are, not for what they are called."""
    assert edit(client_of(sim), ("image", body)).json() == {"code": 20002, "msg": "参数错误: image", "data": None}


def test_a_file_above_20_megabytes_is_refused(sim: SimProcess, client_of: ClientOf, photo: bytes) -> None:
    """The limit is on each file."""
    assert edit(client_of(sim), ("image", photo + bytes(20_000_000))).json()["msg"] == "参数错误: image"


def test_sixteen_images_are_taken(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """The documented maximum works."""
    answer = edit(client_of(start_sim()), *[("image", photo)] * 16)

    assert answer.json()["data"]["usage"]["input_tokens_details"]["image_tokens"] == 16 * 323


def test_the_charge_is_on_disk_before_the_answer(start_sim: StartSim, client_of: ClientOf, tmp_path: Path) -> None:
    """A server killed right after its answer has already written the line."""
    sim = start_sim(ledger=tmp_path / "bill.jsonl", fsync=True)

    sent = generate(client_of(sim)).request.content
    os.kill(sim.pid, signal.SIGKILL)
    sim.process.wait(10)

    assert hashlib.sha256(sent).hexdigest() == json.loads((tmp_path / "bill.jsonl").read_text())["body_sha256"]


def test_a_restarted_server_serves_earlier_pictures(start_sim: StartSim, client_of: ClientOf, tmp_path: Path, photo: bytes) -> None:
    """Generations and edits come back byte for byte from the ledger alone, and the money stays spent."""
    first = start_sim(ledger=tmp_path / "bill.jsonl")
    client = client_of(first)
    urls = [answer.json()["data"]["data"][0]["url"] for answer in (generate(client), edit(client, ("image", photo)))]
    before = [client.get(url).content for url in urls]
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait(10)

    second = start_sim(ledger=tmp_path / "bill.jsonl")
    again = client_of(second)
    after = [again.get(urlsplit(url)._replace(netloc=urlsplit(second.url).netloc).geturl()).content for url in urls]

    assert before == after
    assert again.get("/api/open-api/v1/user/balance").json()["data"]["used_coin"] == 0.07


def test_an_answer_takes_its_time(start_sim: StartSim, client_of: ClientOf) -> None:
    """The client waits as long as the ledger says the work took."""
    client = client_of(start_sim(latency_s=0.2))

    began = time.monotonic()
    generate(client)
    took = time.monotonic() - began

    assert 0.05 < float(str(bill(client)[0]["latency_s"])) <= took + 0.01


def test_a_client_that_leaves_is_billed_all_the_same(start_sim: StartSim, client_of: ClientOf) -> None:
    """Nothing is charged while the work runs, and the charge comes when it ends, whoever listens."""
    client = client_of(start_sim(latency_s=1.0))

    with pytest.raises(httpx.ReadTimeout):
        client.post(GENERATIONS, json={"prompt": "x"}, timeout=0.05)
    during = bill(client)
    deadline = time.monotonic() + 20
    while not (after := bill(client)) and time.monotonic() < deadline:
        continue

    assert (len(during), len(after)) == (0, 1)


def test_calls_above_the_rate_are_throttled(start_sim: StartSim, client_of: ClientOf) -> None:
    """The limit is one for submits and synchronous calls."""
    client = client_of(start_sim(submit_rate=0.01))

    answers = [generate(client) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 429, 200, 429]
    assert len(bill(client)) == 1


def test_a_call_without_a_key_is_refused(sim: SimProcess) -> None:
    """HTTP 200 with code 20001, as the vendor does it."""
    answers = [httpx.post(sim.url + path, content=b"{}", trust_env=False).json()["code"] for path in (GENERATIONS, EDITS)]

    assert answers == [20001, 20001]


POST_FAULTS = {
    "post.accept_then_502": (502, True),
    "post.accept_then_504": (504, True),
    "post.accept_then_garbage": (200, True),
    "post.accept_then_empty": (200, True),
    "post.accept_then_no_id": (200, True),
    "post.string_code": (200, True),
    "post.zero_code": (200, True),
    "post.bare": (200, True),
    "post.502": (502, False),
    "post.500": (500, False),
    "post.server_error": (200, False),
    "post.429": (429, False),
    "post.429_retry_after": (429, False),
    "post.429_odd_retry_after": (429, False),
    "post.too_frequent": (200, False),
    "post.no_balance": (200, False),
    "post.quota": (200, False),
    "post.unauthorized": (200, False),
    "post.bad_parameters": (200, False),
    "post.redirect": (307, False),
}


def test_a_post_fault_bills_as_its_name_says(start_sim: StartSim, client_of: ClientOf) -> None:
    """The faults of submits apply to synchronous calls: refused before billing, or billed and lost."""
    client = client_of(start_sim(faults=tuple(f"{fault}@{at}" for at, fault in enumerate(POST_FAULTS, 1))))

    seen, bodies = {}, {}
    for fault in POST_FAULTS:
        before = len(bill(client))
        answer = generate(client)
        seen[fault], bodies[fault] = (answer.status_code, len(bill(client)) > before), answer

    assert seen == POST_FAULTS
    assert bodies["post.accept_then_no_id"].json()["data"]["data"] == []
    assert bodies["post.string_code"].json()["code"] == "20000"
    assert bodies["post.bare"].json().keys() == {"created", "model", "data", "usage"}


@pytest.mark.parametrize("fault", ["post.accept_then_hang", "post.accept_then_cut", "post.accept_then_reset", "post.reset"])
def test_a_lost_answer_is_a_broken_or_silent_connection(start_sim: StartSim, client_of: ClientOf, fault: str) -> None:
    """The client cannot tell; the ledger says which were billed."""
    client = client_of(start_sim(faults=(fault,)))

    with pytest.raises((*BROKEN, httpx.ReadTimeout)):
        client.post(GENERATIONS, json={"prompt": "x", "response_format": "b64_json"}, timeout=2)

    assert fault.startswith("post.accept") == bool(bill(client))


def test_moderation_refuses_without_a_charge(start_sim: StartSim, client_of: ClientOf) -> None:
    """By fault or by a marked prompt, the code is -1 with the known message, and the money is free again."""
    client = client_of(start_sim(faults=("sync.moderated@1",)))

    answers = [generate(client).json(), generate(client, "[moderated]").json()]

    assert answers == [{"code": -1, "msg": "PROVIDER_MODERATION_ERROR", "data": None}] * 2
    assert bill(client) == []


SYNC_FAULTS = ("sync.bad_base64", "sync.data_uri", "sync.both", "sync.escaped_slashes")


def test_a_sync_fault_answers_as_its_name_says(start_sim: StartSim, client_of: ClientOf) -> None:
    """Each odd shape is billed, and differs from the honest one as described."""
    client = client_of(start_sim(faults=tuple(f"{fault}@{at}" for at, fault in enumerate(SYNC_FAULTS, 1))))

    broken, with_prefix, both, escaped = (generate(client, "a/b") for _ in SYNC_FAULTS)

    with pytest.raises(ValueError, match=r"base64|padding|data"):
        base64.b64decode(broken.json()["data"]["data"][0]["b64_json"], validate=True)
    assert with_prefix.json()["data"]["data"][0]["b64_json"].startswith("data:image/png;base64,iVBOR")
    assert both.json()["data"]["data"][0].keys() == {"url", "b64_json", "revised_prompt"}
    assert "http:\\/\\/127.0.0.1" in escaped.text
    assert escaped.json()["data"]["data"][0]["revised_prompt"] == "a/b"
    assert len(bill(client)) == 4


def test_a_call_meets_one_fault(start_sim: StartSim, client_of: ClientOf) -> None:
    """A lost answer has no odd pictures: the point `sync` is drawn by the next call."""
    client = client_of(start_sim(faults=("post.accept_then_504@1", "sync.both@1")))

    lost, odd = generate(client), generate(client)

    assert lost.status_code == 504
    assert odd.json()["data"]["data"][0].keys() == {"url", "b64_json", "revised_prompt"}


def test_a_prompt_with_half_a_character_is_drawn(start_sim: StartSim, client_of: ClientOf) -> None:
    """A lone surrogate comes back as a question mark, not as a broken server."""
    client = client_of(start_sim())

    answer = client.post(GENERATIONS, content=b'{"prompt": "a \\ud800 fox"}')

    assert answer.json()["data"]["data"][0]["revised_prompt"] == "a ? fox"
    assert len(bill(client)) == 1
