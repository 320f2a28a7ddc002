"""What goes over the wire, byte for byte, and which words name the dialect."""

import hashlib
import json
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP

import pytest

from batchgen.api.dialects import dialect_for, known_uses
from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Accounts, Call, Dialect, Priced, Uploads
from batchgen.core.errors import InputError
from tests.unit.api.dialects.jimmyai.jobs import attachment, job

DIALECT: Dialect = JimmyAI()
JOB = job(ratio="16:9", quality="high", n="4", images="shoe")
SHOE, LACE, MASK = b"\x89PNG shoe", b"\xff\xd8 lace", b"\x89PNG mask"


def fields(call: Call) -> dict[str, object]:
    """Read the JSON of an order."""
    return json.loads(b"".join(call.pieces))


def parts(call: Call) -> list[Message]:
    """Read the form of an order with the standard library's parser of mail."""
    text = f"Content-Type: {call.content_type}\r\n\r\n".encode() + b"".join(call.pieces)
    return list(message_from_bytes(text, policy=HTTP).iter_parts())  # type: ignore[attr-defined]  # EmailMessage by its policy


def test_submit_sends_canonical_json_without_n() -> None:
    """Keys sorted, nothing escaped that need not be, the prompt byte for byte, one image."""
    body = '{"model":"gpt-image-2","prompt":"A \\"neon\\" sign,\\tOPEN 灯 [/b] ","quality":"high","ratio":"16:9"}'

    call = DIALECT.submit(JOB)

    assert Call(method="POST", path="/api/open-api/v1/images", body=body.encode()) == call


def test_submit_gives_the_same_bytes_whatever_the_order_of_the_parameters() -> None:
    """The body's hash can stand for the order."""
    turned = replace(JOB, params=dict(sorted(JOB.params.items(), reverse=True)))

    hashes = {hashlib.sha256(b"".join(DIALECT.submit(one).pieces)).hexdigest() for one in (JOB, turned)}

    assert len(hashes) == 1


def test_references_of_a_task_stand_in_its_json_in_their_order() -> None:
    """An address as it is, a content as a full data URI, the mask apart."""
    sent = [attachment("mask", url="https://a/m.png"), attachment(url="https://a/1.png"), attachment(content=b"\x01")]

    call = DIALECT.submit(job(model="gpt-image-1.5"), sent)

    assert fields(call)["images"] == ["https://a/1.png", "data:image/png;base64,AQ=="]
    assert fields(call)["mask_url"] == "https://a/m.png"


@pytest.mark.parametrize(("given", "sent"), [(None, "b64_json"), ("url", "url")])
def test_generate_always_says_how_the_image_shall_come(given: str | None, sent: str) -> None:
    """The vendor's own default differs from page to page; base64 is home when the answer is."""
    params = {"size": "1024x1536", "quality": "low"} | ({} if given is None else {"response_format": given})

    call = DIALECT.submit(job("generate", prompt="p", **params))

    wanted = {"model": "gpt-image-2", "prompt": "p", "quality": "low", "response_format": sent, "size": "1024x1536"}
    assert (wanted, "/api/open-api/v1/images/generations") == (fields(call), call.path)
    assert ("sync", True) == (call.host, call.is_synchronous)


def test_edit_sends_a_form_with_files() -> None:
    """Texts first, then every image under the same name, then the mask; contents are shared, not copied."""
    sent = [attachment("mask", content=MASK), attachment(content=SHOE), attachment(content=LACE, filename="", media_type="image/jpeg")]

    call = DIALECT.submit(job("edit", prompt="灯", size="1024x1024"), sent)

    read = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True)) for part in parts(call)
    ]
    assert read == [
        ("model", None, b"gpt-image-2"),
        ("prompt", None, "灯".encode()),
        ("response_format", None, b"b64_json"),
        ("size", None, b"1024x1024"),
        ("image", "shoe.png", SHOE),
        ("image", "image", LACE),
        ("mask", "shoe.png", MASK),
    ]
    assert any(piece is SHOE for piece in call.pieces)
    assert call.content_type == f"multipart/form-data; boundary=batchgen-{'0' * 32}"
    assert ("/api/open-api/v1/images/edits", "sync", True) == (call.path, call.host, call.is_synchronous)


@pytest.mark.parametrize(
    ("order", "path", "wanted"),
    [
        (
            job("upscale", "upscale", upscale_factor="2.5", noise_scale="0", seed="7", output_format="png"),
            "upscale",
            {"upscale_factor": 2.5, "noise_scale": 0, "seed": 7, "output_format": "png", "response_format": "b64_json"},
        ),
        (
            job("upscale", "upscale", upscale_mode="target", target_resolution="2160p", response_format="url"),
            "upscale",
            {"upscale_mode": "target", "target_resolution": "2160p", "response_format": "url"},
        ),
        (
            job("remove-bg", "remove-bg", refine_foreground="false"),
            "remove-bg",
            {"refine_foreground": False, "response_format": "b64_json"},
        ),
        (job("remove-bg", "matting"), "remove-bg", {"model": "matting", "response_format": "b64_json"}),
        (job("upscale", "upscale", seed="many"), "upscale", {"seed": "many", "response_format": "b64_json"}),
        (job("remove-bg", "remove-bg", refine_foreground="?"), "remove-bg", {"refine_foreground": "?", "response_format": "b64_json"}),
    ],
)
def test_tools_send_one_address_and_typed_parameters_but_no_prompt(order: object, path: str, wanted: dict[str, object]) -> None:
    """The prompt is a label of the row; ``upscale`` and ``remove-bg`` are names of ours, other models are the vendor's."""
    call = DIALECT.submit(order, [attachment(url="https://a/1.png")])  # type: ignore[arg-type]  # a job, whatever the table says

    assert wanted | {"image_url": "https://a/1.png"} == fields(call)
    assert (f"/api/open-api/v1/images/{path}", "api", True) == (call.path, call.host, call.is_synchronous)


@pytest.mark.parametrize(
    ("order", "sent"),
    [
        (job(references=({"name": "shoe"},)), []),
        (job("generate"), [attachment(url="https://a/1.png")]),
        (job(), [attachment("first_image", url="https://a/1.png")]),
        (job("edit"), [attachment(url="https://a/1.png")]),
        (job("upscale", "upscale"), []),
        (job("upscale", "upscale"), [attachment(url="https://a/1.png")] * 2),
        (job("remove-bg", "remove-bg"), [attachment("mask", url="https://a/1.png")]),
        (job("video"), []),
    ],
    ids=["missing", "generate", "role", "address-as-file", "none", "two", "mask-for-tool", "operation"],
)
def test_submit_refuses_what_would_buy_another_image(order: object, sent: list[object]) -> None:
    """An order without its reference images, or with stray ones, is never sent."""
    with pytest.raises(InputError):
        DIALECT.submit(order, sent)  # type: ignore[arg-type]  # a job and attachments, whatever the table says


def test_a_lone_surrogate_does_not_stop_an_order() -> None:
    """What cannot be written in UTF-8 is replaced, the same way each time."""
    assert fields(DIALECT.submit(job(prompt="a\ud800")))["prompt"] == "a?"


@pytest.mark.parametrize(
    ("task_id", "quoted"),
    [
        ("img_7f2c91", "img_7f2c91"),
        ("../../user/balance", "..%2F..%2Fuser%2Fbalance"),
        ("a?x=1#y", "a%3Fx%3D1%23y"),
        ("100%", "100%25"),
        ("a b\n", "a%20b%0A"),
        ("任务", "%E4%BB%BB%E5%8A%A1"),
        ("\ud800", "%3F"),
    ],
)
def test_poll_quotes_the_whole_id(task_id: str, quoted: str) -> None:
    """An id is one path segment, whatever it holds."""
    assert Call(method="GET", path=f"/api/open-api/v1/images/{quoted}") == DIALECT.poll(job(task_id=task_id))


@pytest.mark.parametrize(
    ("operation", "ways"),
    [
        ("image", {"url", "base64", "upload"}),
        ("generate", set()),
        ("edit", {"file"}),
        ("upscale", {"url", "upload"}),
        ("remove-bg", {"url", "upload"}),
        ("video", set()),
    ],
)
def test_each_operation_has_its_ways_for_references(operation: str, ways: set[str]) -> None:
    """Form parts for edits only, data URIs for tasks only, nothing for an operation never heard of."""
    assert ways == DIALECT.ways(operation)


def test_the_dialect_is_all_that_it_claims_to_be() -> None:
    """It uploads, tells the account's money and prices; the answer is the result in all operations but tasks."""
    assert isinstance(DIALECT, Uploads)
    assert isinstance(DIALECT, Accounts)
    assert isinstance(DIALECT, Priced)
    assert DIALECT.operations == ("image", "generate", "edit", "upscale", "remove-bg")
    assert frozenset(DIALECT.operations[1:]) == DIALECT.synchronous


def test_the_simulator_speaks_the_vendors_language() -> None:
    """``sim`` and ``jimmyai`` are one dialect; other words are none."""
    assert {"jimmyai", "sim"} <= set(known_uses())
    assert dialect_for("sim") is dialect_for("jimmyai")
    assert isinstance(dialect_for("jimmyai"), JimmyAI)
    assert dialect_for("midjourney") is None


def test_results_live_three_days() -> None:
    """The vendor's promise, in seconds, and its money's name."""
    assert (259_200.0, "coin", "jimmyai") == (JimmyAI().result_ttl_s, JimmyAI().unit, JimmyAI().name)
