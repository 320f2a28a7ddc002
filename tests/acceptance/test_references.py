"""Reference images travel as the manifest says, once where that is possible, and nothing is bought with the wrong one."""

import base64
import hashlib
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, study, wait_until
from tests.support.pictures import picture
from tests.support.recording_vendor import RecordingVendor, open_recording_vendor
from tests.support.webhost import Arrived

WALL = "https://example.com/wall.jpg"
EDITS_PATH = "/api/open-api/v1/images/edits"
TASK = {"model": "gpt-image-2", "quality": "low"}
EDIT = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}


@pytest.fixture
def recording() -> Iterator[RecordingVendor]:
    """Start a vendor that writes down every request."""
    with open_recording_vendor() as vendor:
        yield vendor


def _put(cli: CommandLine, name: str, content: bytes) -> bytes:
    path = cli.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def _uploading(url: str, prompts: list[str], name: str = "study", **changes: object) -> dict[str, object]:
    """Give a manifest whose rows all send one uploaded reference."""
    usual = {"references": {"shoe": {"path": "refs/shoe.png", "send": "upload"}}, "defaults": {**TASK, "images": "shoe"}}
    return study(url, prompts, name=name, **usual | changes)


def _form(request: Arrived) -> list[EmailMessage]:
    """Take a form apart with a parser that knows nothing of its writer."""
    head = f"Content-Type: {request.headers['content-type']}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    return list(message_from_bytes(head + request.body, policy=policy.HTTP).iter_parts())  # type: ignore[attr-defined] # a multipart message


def _field(part: EmailMessage) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _content(part: EmailMessage) -> bytes:
    return bytes(part.get_payload(decode=True))  # type: ignore[arg-type] # a leaf holds bytes


def _events(cli: CommandLine, event: str) -> list[dict[str, Any]]:
    return cli.select("SELECT * FROM v_events WHERE event = ?", event)


def test_form_of_an_edit_can_be_read_by_a_stranger(cli: CommandLine, recording: RecordingVendor) -> None:
    """One image, three images and a mask arrive as file parts with their names, types and bytes; texts stand beside them."""
    shoe = _put(cli, "refs/shoe.png", picture())
    mug = _put(cli, "refs/mug.jpg", picture("JPEG", seed=2))
    cup = _put(cli, "refs/cup.webp", picture("WEBP", seed=3))
    hole = _put(cli, "refs/hole.png", _transparent())
    references = {name: {"path": f"refs/{name}"} for name in ("shoe.png", "mug.jpg", "cup.webp", "hole.png")}
    sweeps = [
        {"name": "one", "prompts": ["one Ω"], "params": {"images": "shoe.png"}},
        {"name": "three", "prompts": ["three"], "params": {"images": ["shoe.png", "mug.jpg", "cup.webp"]}},
        {"name": "mask", "prompts": ["mask"], "params": {"images": "shoe.png", "mask": "hole.png"}},
    ]
    manifest = study(recording.url, [], operation="edit", defaults=EDIT, references=references, sweeps=sweeps, order="by_prompt")
    del manifest["prompts"]
    cli.write(manifest)

    cli("run", "study.yaml", "-y")

    forms = [_form(order) for order in recording.orders]
    by_prompt = {_content(part).decode(): form for form in forms for part in form if _field(part) == "prompt"}
    files = {
        prompt: [(_field(part), part.get_filename(), part.get_content_type(), _content(part)) for part in form if part.get_filename()]
        for prompt, form in by_prompt.items()
    }
    texts = {_field(part): _content(part).decode() for part in by_prompt["one Ω"] if not part.get_filename()}
    assert {EDITS_PATH} == {order.path for order in recording.orders}
    assert {"model": "gpt-image-2", "prompt": "one Ω", "quality": "low", "response_format": "b64_json", "size": "1024x1024"} == texts
    assert [("image", "shoe.png", "image/png", shoe)] == files["one Ω"]
    assert [
        ("image", "shoe.png", "image/png", shoe),
        ("image", "mug.jpg", "image/jpeg", mug),
        ("image", "cup.webp", "image/webp", cup),
    ] == files["three"]
    assert [("image", "shoe.png", "image/png", shoe), ("mask", "hole.png", "image/png", hole)] == files["mask"]


def test_edits_are_bought_once_and_saved(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The vendor reads the same form: two edits, one with a mask, are two charges and two verified files."""
    vendor = start_vendor()
    shoe = _put(cli, "refs/shoe.png", picture())
    _put(cli, "refs/hole.png", _transparent())
    references = {"shoe": {"path": "refs/shoe.png"}, "hole": {"path": "refs/hole.png"}}
    prompts = [{"text": "plain", "id": "plain"}, {"text": "masked", "id": "masked", "params": {"mask": "hole"}}]
    cli.write(study(vendor.url, prompts, operation="edit", defaults={**EDIT, "images": "shoe"}, references=references))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert {"saved": 2} == cli.states()
    assert [hashlib.sha256(shoe).hexdigest()] * 2 == [line["request"]["image"][0]["sha256"] for line in vendor.charges()]
    assert 0 == cli("verify").code


def test_edits_that_cannot_be_sent_are_refused_by_validate(cli: CommandLine) -> None:
    """An address, a mask of another size or without alpha, too many images and a stranger are located errors, all told at once."""
    _put(cli, "refs/shoe.png", picture())
    _put(cli, "refs/big.png", _transparent((80, 60)))
    references = {"shoe": {"path": "refs/shoe.png"}, "big": {"path": "refs/big.png"}, "wall": {"url": WALL}}
    changes = {
        "operation edit cannot take the address of the reference 'wall'": {"images": "wall"},
        "the mask 'big' has 80x60 pixels, the first image 40x30": {"images": "shoe", "mask": "big"},
        "the mask 'shoe' has no alpha channel": {"images": "shoe", "mask": "shoe"},
        "17 references": {"images": ["shoe"] * 17},
        "a mask needs an image to lie on": {"mask": "big"},
    }
    sweeps = [{"name": f"s{number}", "prompts": ["a gate"], "params": change} for number, change in enumerate(changes.values())]
    manifest = study("http://127.0.0.1:9", [], operation="edit", defaults=EDIT, references=references, sweeps=sweeps)
    del manifest["prompts"]
    cli.write(manifest)

    checked = cli("validate", "study.yaml", "--json")

    problems = checked.document["problems"]
    assert 2 == checked.code
    assert {"E401"} == {problem["code"] for problem in problems}
    assert len(changes) <= len({problem["line"] for problem in problems})
    assert all(any(told in problem["message"] for problem in problems) for told in changes)


def test_references_travel_as_the_manifest_says(cli: CommandLine, recording: RecordingVendor) -> None:
    """An address goes as it is, base64 as a full data URI, and ``auto`` keeps small files inside the order."""
    shoe = _put(cli, "refs/shoe.png", picture())
    mug = _put(cli, "refs/mug.jpg", picture("JPEG"))
    references = {"wall": {"url": WALL}, "shoe": {"path": "refs/shoe.png", "send": "base64"}, "mug": {"path": "refs/mug.jpg"}}
    cli.write(study(recording.url, ["a gate"], references=references, defaults=TASK, grid={"images": ["wall", "shoe", "mug"]}))

    run = cli("run", "study.yaml", "-y")

    uris = [f"data:image/{kind};base64,{base64.b64encode(sent).decode()}" for kind, sent in (("png", shoe), ("jpeg", mug))]
    assert 0 == run.code, run.err
    assert sorted([[WALL], *([uri] for uri in uris)]) == sorted(body["images"] for body in recording.bodies)


def test_two_names_of_one_picture_are_two_rows_or_an_error(cli: CommandLine, recording: RecordingVendor) -> None:
    """References of equal content in one grid order the same thing twice: that is told, and never a refusal of the database."""
    _put(cli, "refs/one.png", picture())
    _put(cli, "refs/two.png", picture())
    references = {name: {"path": f"refs/{name}.png"} for name in ("one", "two")}
    cli.write(study(recording.url, ["a gate"], references=references, defaults=TASK, grid={"images": ["one", "two"]}))

    run = cli("run", "study.yaml", "-y")

    assert run.code in {0, 2}, run.err
    assert "W302" in run.err or "E" in run.err


def test_big_file_is_uploaded_by_itself_and_only_once(cli: CommandLine, vendor: Vendor) -> None:
    """With ``auto`` a file of over 256 KiB is uploaded, once for all rows and once for a second batch in the same database."""
    uploads = vendor.stats()["uploads"]
    _put(cli, "refs/shoe.png", picture(size=(500, 500)))
    references = {"shoe": {"path": "refs/shoe.png"}}
    cli.write(_uploading(vendor.url, ["big 1", "big 2", "big 3"], references=references))
    cli.write(_uploading(vendor.url, ["big 4"], "second", references=references), "second.yaml")

    runs = [cli("run", "study.yaml", "-y"), cli("run", "second.yaml", "-y")]

    sent = {charge["request"]["images"][0] for charge in vendor.charges("big ")}
    assert [0, 0] == [run.code for run in runs]
    assert {"saved": 4} == cli.states()
    assert 1 == vendor.stats()["uploads"] - uploads
    assert 1 == len(sent)
    assert all(url.startswith(f"{vendor.url}/files/up_") for url in sent)


def test_upload_that_is_about_to_expire_is_made_anew(cli: CommandLine, vendor: Vendor) -> None:
    """Past its time an upload is not used: the file is sent once more and the order names the new address."""
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["early"]))
    cli.write(_uploading(vendor.url, ["late"], "second"), "second.yaml")
    cli("run", "study.yaml", "-y")
    with closing(sqlite3.connect(cli.folder / "batchgen.db")) as connection, connection:
        connection.execute("UPDATE upload SET expires_at = '2026-01-01T00:00:00.000000Z'")
    uploads = vendor.stats()["uploads"]

    second = cli("run", "second.yaml", "-y")

    early, late = (vendor.charges(prompt)[0]["request"]["images"] for prompt in ("early", "late"))
    (kept,) = cli.select("SELECT * FROM upload")
    assert 0 == second.code
    assert 1 == vendor.stats()["uploads"] - uploads
    assert early != late == [kept["url"]]


@pytest.mark.slow
def test_uploads_that_failed_are_tried_again(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Uploads are free: one that came to nothing, in whatever way, is repeated, and each row is ordered once."""
    vendor = start_vendor(faults=("upload.500@1", "upload.reset@2", "upload.garbage@3", "upload.no_url@4"))
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["a gate", "a door"]))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert {"saved": 2} == cli.states()
    assert (2, 5) == (vendor.posts, vendor.stats()["uploads"])
    assert 2 == len(vendor.charges())


@pytest.mark.slow
def test_upload_that_never_works_buys_nothing(cli: CommandLine, start_vendor: StartVendor) -> None:
    """When no upload succeeds the row ends as unreachable, and nothing was ordered or reserved."""
    vendor = start_vendor(faults=("upload.500",))
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["a gate"], retry={"attempts": 1, "backoff": {"initial": "0.1s", "max": "0.2s"}}))

    run = cli("run", "study.yaml", "-y")

    (row,) = cli.select("SELECT * FROM v_jobs")
    (last,) = _events(cli, "submit_unreachable")
    assert 3 == run.code
    assert ("failed", "unreachable") == (row["state"], row["reason"])
    assert "upload of a reference" in last["detail"]
    assert (0, []) == (vendor.posts, vendor.bill())
    assert [] == cli.select("SELECT * FROM v_cost_by_model")


def test_hung_upload_can_be_left(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Two signals leave an upload that hangs: no order was opened, and the resumed run buys each row once."""
    vendor = start_vendor(faults=("upload.hang@1",))
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["a gate"]))
    diary = cli.folder / "batchgen.log"

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.stats()["uploads"])
        running.send_signal(signal.SIGINT)
        wait_until(lambda: diary.exists() and "run.draining" in diary.read_text())
        running.send_signal(signal.SIGINT)
        left = cli.finish(running)
    attempts = cli.select("SELECT * FROM v_attempts")
    resumed = cli("resume", "-y")

    assert (130, [], 0) == (left.code, attempts, resumed.code)
    assert 1 == vendor.posts
    assert {"saved": 1} == cli.states()


def test_reference_that_changed_after_the_plan_buys_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """A file that holds other bytes than were planned stops the run with its name; running the manifest plans anew."""
    posts = vendor.posts
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["changed"]))
    cli("plan", "study.yaml", "--save")
    _put(cli, "refs/shoe.png", picture(seed=2))

    resumed = cli("resume", "-y")
    bought = vendor.posts - posts
    again = cli("run", "study.yaml", "-y")

    assert (2, 0, 0) == (resumed.code, bought, again.code)
    assert "refs/shoe.png" in resumed.out + resumed.err
    assert {"cancelled": 1, "saved": 1} == cli.states()
    assert 1 == vendor.posts - posts


def test_tools_work_on_an_uploaded_file(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Upscale and remove-bg order by the address of one upload, without a prompt of their own, and save what comes back."""
    vendor = start_vendor()
    _put(cli, "refs/shoe.png", picture())
    sweeps = [
        {"name": "up", "operation": "upscale", "prompts": ["-"], "params": {"model": "upscale", "images": "shoe", "upscale_factor": "2"}},
        {"name": "cut", "operation": "remove-bg", "prompts": ["-"], "params": {"model": "remove-bg", "images": "shoe"}},
    ]
    manifest = study(vendor.url, [], references={"shoe": {"path": "refs/shoe.png"}}, sweeps=sweeps)
    del manifest["prompts"], manifest["defaults"]
    cli.write(manifest)

    run = cli("run", "study.yaml", "-y")

    rows = {row["operation"]: row for row in cli.select("SELECT * FROM v_jobs")}
    bill = {line["call"]: line for line in vendor.bill()}
    assert 0 == run.code, run.err
    assert {"upscale", "remove-bg"} == set(bill) == set(rows)
    assert {"saved"} == {row["state"] for row in rows.values()}
    assert (80, 60, "jpg") == (rows["upscale"]["width"], rows["upscale"]["height"], Path(rows["upscale"]["path"]).suffix[1:])
    assert (20_000, 10_000) == (rows["upscale"]["cost_micros"], rows["remove-bg"]["cost_micros"])
    assert (2, 2, 1) == (vendor.posts, len(bill), vendor.stats()["uploads"])
    assert {"b64_json"} == {line["request"]["response_format"] for line in bill.values()}
    assert 2 == bill["upscale"]["request"]["upscale_factor"]


def test_plan_does_not_upload(cli: CommandLine, vendor: Vendor) -> None:
    """Planning and saving a plan send no file."""
    uploads = vendor.stats()["uploads"]
    _put(cli, "refs/shoe.png", picture())
    cli.write(_uploading(vendor.url, ["never sent"]))

    plans = [cli("plan", "study.yaml"), cli("plan", "study.yaml", "--save")]

    assert [0, 0] == [plan.code for plan in plans]
    assert 0 == vendor.stats()["uploads"] - uploads


def _transparent(size: tuple[int, int] = (40, 30)) -> bytes:
    """Give a picture that is transparent all over."""
    return picture(size=size, is_flat=True, transparency=(255, 255, 255))
