"""Tests of upscale and remove-bg over real sockets."""

import base64
import io
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from batchgen.sim import tools
from batchgen.sim.server import SimProcess

API = "/api/open-api/v1"
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


def apply(client: httpx.Client, tool: str, url: str = "https://example.net/a.png", **fields: object) -> dict[str, object]:
    """Call a tool and return the envelope."""
    told: dict[str, object] = client.post(f"{API}/images/{tool}", json={"image_url": url, **fields}).json()
    return told


def uploaded(client: httpx.Client, photo: bytes) -> str:
    """Upload the picture and return its URL."""
    return str(client.post(f"{API}/files/upload", files={"file": ("a.png", photo)}).json()["data"]["url"])


def test_upscale_enlarges_the_source(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """By default twice, as JPEG in base64, with cost, status and passes."""
    client = client_of(start_sim())

    told = apply(client, "upscale", uploaded(client, photo))["data"]

    assert isinstance(told, dict)
    image = Image.open(io.BytesIO(base64.b64decode(told.pop("b64_json"), validate=True)))
    assert (image.format, image.size) == ("JPEG", (128, 96))
    assert told.pop("task_id").startswith("upsc_")
    assert told == {"output_format": "jpg", "status": "completed", "cost": 0.02, "pass_count": 1}


def test_remove_bg_makes_the_edges_transparent(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """As a URL when asked for, a PNG with an alpha channel, billed at its price."""
    client = client_of(start_sim())

    told = apply(client, "remove-bg", uploaded(client, photo), response_format="url")["data"]

    assert isinstance(told, dict)
    image = Image.open(io.BytesIO(client.get(told["image_url"]).content))
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (64, 48))
    assert image.getpixel((0, 0))[3] == 0  # type: ignore[index] # an RGBA pixel is a tuple
    assert "b64_json" not in told
    assert [(line["call"], line["cost"]) for line in client.get("/_sim/ledger").json()] == [("remove-bg", "0.01")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1),
        ({"upscale_factor": 4}, 1),
        ({"upscale_factor": 4.5}, 2),
        ({"upscale_factor": 16}, 2),
        ({"upscale_factor": 20}, 3),
        ({"upscale_factor": 1}, 1),
        ({"upscale_mode": "target"}, 1),
        ({"upscale_mode": "target", "target_resolution": "2160p"}, 2),
    ],
)
def test_passes_follow_the_factor(fields: dict[str, object], expected: int) -> None:
    """One pass for each factor of four."""
    assert expected == tools.passes(fields)


def test_each_pass_is_billed(start_sim: StartSim, client_of: ClientOf) -> None:
    """The price is the unit price times the passes, on the bill as in the answer."""
    client = client_of(start_sim())

    told = apply(client, "upscale", upscale_factor=20)["data"]

    assert isinstance(told, dict)
    assert (told["pass_count"], told["cost"]) == (3, 0.06)
    assert client.get(f"{API}/user/balance").json()["data"]["used_coin"] == 0.06


def test_a_target_is_the_short_side(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """720p makes a picture of 720 lines."""
    client = client_of(start_sim())

    told = apply(client, "upscale", uploaded(client, photo), upscale_mode="target", target_resolution="720p", output_format="png")["data"]

    assert isinstance(told, dict)
    assert Image.open(io.BytesIO(base64.b64decode(told["b64_json"]))).size == (960, 720)


@pytest.mark.parametrize(
    ("tool", "field", "fields"),
    [
        ("upscale", "image_url", {"image_url": None}),
        ("upscale", "image_url", {"image_url": "words"}),
        ("upscale", "upscale_factor", {"upscale_factor": 21}),
        ("upscale", "upscale_factor", {"upscale_factor": "2"}),
        ("upscale", "upscale_mode", {"upscale_mode": ["factor"]}),
        ("upscale", "noise_scale", {"noise_scale": 2}),
        ("upscale", "output_format", {"output_format": "gif"}),
        ("upscale", "seed", {"seed": 1.5}),
        ("remove-bg", "model", {"model": "rembg"}),
        ("remove-bg", "output_format", {"output_format": "jpg"}),
        ("remove-bg", "refine_foreground", {"refine_foreground": "yes"}),
        ("remove-bg", "response_format", {"response_format": "file"}),
    ],
)
def test_an_impossible_call_is_refused_by_field(
    sim: SimProcess, client_of: ClientOf, tool: str, field: str, fields: dict[str, object]
) -> None:
    """The code is 20002 and the message names the field."""
    answer = client_of(sim).post(f"{API}/images/{tool}", json={"image_url": "https://x/a.png", **fields}).json()

    assert answer == {"code": 20002, "msg": f"参数错误: {field}", "data": None}


def test_a_data_uri_is_a_source(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """A small picture can be sent in the call itself."""
    uri = f"data:image/png;base64,{base64.b64encode(photo).decode()}"

    told = apply(client_of(start_sim()), "upscale", uri)["data"]

    assert isinstance(told, dict)
    assert Image.open(io.BytesIO(base64.b64decode(told["b64_json"]))).size == (128, 96)


def test_a_lost_picture_is_billed(start_sim: StartSim, client_of: ClientOf) -> None:
    """The faults of submits apply: a success without a picture, and one without an answer."""
    client = client_of(start_sim(faults=("post.accept_then_no_id@1", "post.accept_then_504@2")))

    told = apply(client, "upscale")["data"]
    answer = client.post(f"{API}/images/remove-bg", json={"image_url": "https://x/a.png"})

    assert told == {"status": "completed", "cost": 0.02}
    assert answer.status_code == 504
    assert len(client.get("/_sim/ledger").json()) == 2


def test_a_source_that_is_gone_is_refused(sim: SimProcess, client_of: ClientOf) -> None:
    """A URL of this server must exist."""
    assert apply(client_of(sim), "upscale", f"{sim.url}/files/up_1.png?Expires=1&Signature=x")["msg"] == "参数错误: image_url"
