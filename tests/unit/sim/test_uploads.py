"""Tests of uploads and of references to them: what may be sent, how long it lives, and what the vendor looks at."""

import base64
import io
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from batchgen.sim.server import SimProcess

API = "/api/open-api/v1"
UPLOAD, IMAGES = f"{API}/files/upload", f"{API}/images"
BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


def upload(client: httpx.Client, body: bytes, name: str = "mug.png") -> httpx.Response:
    """Upload one file."""
    return client.post(UPLOAD, files={"file": (name, body)})


def create(client: httpx.Client, *images: str, **fields: object) -> dict[str, object]:
    """Order a task with these references and return the envelope."""
    body = {"model": "nano-banana-pro", "prompt": "a mug", "images": list(images), **fields}
    told: dict[str, object] = client.post(IMAGES, json=body).json()
    return told


def data_uri(body: bytes, kind: str = "image/png") -> str:
    """Return the bytes as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


def test_an_upload_is_told_and_served(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """The answer has the documented fields, and the signed URL gives the same bytes to anybody."""
    client = client_of(start_sim())

    told = upload(client, photo).json()
    served = httpx.get(told["data"]["url"], trust_env=False)

    assert (told["code"], told["data"] | {"url": ""}) == (
        20000,
        {"url": "", "filename": "mug.png", "size": len(photo), "mime_type": "image/png"},
    )
    assert (photo, "image/png") == (served.content, served.headers["content-type"])
    assert client.get("/_sim/ledger").json() == []


def test_an_upload_url_needs_its_signature(sim: SimProcess, client_of: ClientOf, photo: bytes) -> None:
    """Without it the storage denies access."""
    url = upload(client_of(sim), photo).json()["data"]["url"]

    assert httpx.get(url.partition("?")[0], trust_env=False).status_code == 403


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.gif", "a.svg", "b.mp4", "b.webm", "c.mp3", "c.ogg"])
def test_a_documented_kind_is_taken(sim: SimProcess, client_of: ClientOf, name: str) -> None:
    """Pictures, films and sounds by extension, in any case."""
    assert upload(client_of(sim), b"x", name).json()["code"] == 20000


@pytest.mark.parametrize(("name", "body"), [("a.exe", b"x"), ("png", b"x"), ("a.", b"x"), ("a.png", b"")])
def test_another_kind_is_refused(sim: SimProcess, client_of: ClientOf, name: str, body: bytes) -> None:
    """An unknown extension, none at all, and an empty file."""
    assert upload(client_of(sim), body, name).json() == {"code": 20002, "msg": "unsupported file format", "data": None}


@pytest.mark.parametrize("files", [{"image": ("a.png", b"x")}, [("file", ("a.png", b"x")), ("file", ("b.png", b"x"))]])
def test_exactly_one_part_named_file_is_wanted(sim: SimProcess, client_of: ClientOf, files: object) -> None:
    """No part or two are bad parameters."""
    assert client_of(sim).post(UPLOAD, files=files).json()["msg"] == "参数错误: file"  # type: ignore[arg-type] # both forms httpx knows


def test_an_upload_needs_a_key(sim: SimProcess) -> None:
    """Free is not open to all."""
    assert httpx.post(sim.url + UPLOAD, files={"file": ("a.png", b"x")}, trust_env=False).json()["code"] == 20001


def test_a_reference_is_drawn_into_the_picture(start_sim: StartSim, client_of: ClientOf) -> None:
    """By upload or as a data URI, the first reference shows, and the two pictures differ from one without."""
    client = client_of(start_sim(image_scale=0.5))
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 0, 0)).save(buffer, "PNG")
    url = upload(client, buffer.getvalue()).json()["data"]["url"]

    corners = []
    for reference in (url, data_uri(buffer.getvalue())):
        task = client.get(f"{IMAGES}/{create(client, reference)['data']['task_id']}").json()["data"]  # type: ignore[index] # an accepted task
        picture = Image.open(io.BytesIO(client.get(task["result"]["image_url"]).content)).convert("RGB")
        corners.append(picture.getpixel((60, 60)))

    assert [True, True] == [red > 150 and green < 60 for red, green, _ in corners]  # type: ignore[misc] # RGB pixels


def test_a_result_can_be_a_reference(start_sim: StartSim, client_of: ClientOf) -> None:
    """What the vendor drew it can edit."""
    client = client_of(start_sim())
    task = client.get(f"{IMAGES}/{create(client)['data']['task_id']}").json()["data"]  # type: ignore[index] # an accepted task

    assert create(client, task["result"]["image_url"])["code"] == 20000


def test_a_foreign_url_is_taken_on_trust(sim: SimProcess, client_of: ClientOf, photo: bytes) -> None:
    """The simulator goes nowhere to look; a mask is a reference too."""
    client = client_of(sim)
    mask: dict[str, object] = {"model": "gpt-image-1.5", "mask_url": data_uri(photo)}

    assert create(client, "https://example.net/a.png")["code"] == 20000
    assert create(client, "https://example.net/a.png", **mask)["code"] == 20000
    assert create(client, "https://example.net/a.png", prompt="", **mask)["code"] == 20000


def test_a_bad_reference_is_refused_by_field(sim: SimProcess, client_of: ClientOf, photo: bytes) -> None:
    """Unknown and forged URLs of this server, raw base64, data that is no picture, and words."""
    client = client_of(sim)
    url = upload(client, photo).json()["data"]["url"]
    film = upload(client, b"no picture", "a.mp4").json()["data"]["url"]
    bad = [
        f"{sim.url}/files/up_0.png?Expires=99999999999&Signature=x",
        url.replace("Signature=", "Signature=x"),
        url.partition("?")[0],
        film,
        base64.b64encode(photo).decode(),
        data_uri(b"no picture"),
        "data:image/png;base64,***",
        "data:text/plain;base64,eA==",
        "ftp://example.net/a.png",
        "",
    ]

    answers = [create(client, reference) for reference in bad]

    assert answers == [{"code": 20002, "msg": "参数错误: images", "data": None}] * len(bad)


@pytest.mark.parametrize(
    "fields",
    [{"model": "nano-banana-pro", "mask_url": "https://x/m.png"}, {"model": "gpt-image-1.5", "images": [], "mask_url": "https://x/m.png"}],
)
def test_a_mask_needs_its_model_and_a_reference(sim: SimProcess, client_of: ClientOf, fields: dict[str, object]) -> None:
    """Only gpt-image-1.5 takes a mask, and only over an image."""
    told = client_of(sim).post(IMAGES, json={"prompt": "x", "images": ["https://x/a.png"], **fields}).json()

    assert told["msg"] == "参数错误: mask_url"


def test_an_upload_expires(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """After its time the file is gone, and an order that refers to it is refused and costs nothing."""
    client = client_of(start_sim(upload_ttl_s=0.0))
    url = upload(client, photo).json()["data"]["url"]

    told = create(client, url)

    assert (told["code"], told["msg"]) == (20002, "参数错误: images")
    assert client.get(url).status_code == 404
    assert client.get("/_sim/ledger").json() == []


def test_a_restart_forgets_uploads(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """They live in memory, and the next process refuses the URL."""
    url = upload(client_of(start_sim()), photo).json()["data"]["url"]
    second = start_sim()

    moved = urlsplit(url)._replace(netloc=urlsplit(second.url).netloc).geturl()

    assert create(client_of(second), moved)["msg"] == "参数错误: images"


def test_an_upload_fault_answers_as_its_name_says(start_sim: StartSim, client_of: ClientOf, photo: bytes) -> None:
    """An error, half an answer, a success without a URL, then the truth."""
    faults = ("upload.500@1", "upload.garbage@2", "upload.no_url@3")
    client = client_of(start_sim(faults=faults))

    failed, cut, empty, honest = (upload(client, photo) for _ in range(4))

    assert (failed.status_code, failed.json()["code"]) == (500, -1)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        cut.json()
    assert (empty.json()["code"], empty.json()["data"]["url"]) == (20000, "")
    assert client.get(honest.json()["data"]["url"]).content == photo


@pytest.mark.parametrize("fault", ["upload.reset", "upload.hang"])
def test_an_upload_can_break_off(start_sim: StartSim, client_of: ClientOf, photo: bytes, fault: str) -> None:
    """A reset or silence; trying again is free."""
    client = client_of(start_sim(faults=(f"{fault}@1",)))

    with pytest.raises((*BROKEN, httpx.ReadTimeout)):
        client.post(UPLOAD, files={"file": ("a.png", photo)}, timeout=0.5)

    assert upload(client, photo).json()["code"] == 20000
