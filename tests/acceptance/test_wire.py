"""What goes over the wire is what stands in the manifest, byte for byte, and the key goes to the API alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import CANARY, CommandLine
from tests.support.recording_vendor import RecordingVendor, open_recording_vendor

RATIOS = ("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2", "3:1", "1:3", "21:9", "9:21")
LITERALS = ("no", "on", "off", "yes", "010", "0x1F", "1e3", "1_000", "2026-11-22", "12:30:45", "1.10", "~x", ".5", "=", "null", "true")
FROM_FILE = (
    "  two spaces before and after  ",
    'braces {argument name="x"} and {{ not_a_variable }}',
    "[/b] costs $10,000 $HOME ${HOME} %PATH%",
    "tab\there, back\\slash, quote\" and 'quote'",
    "数字の7と「引用」、emoji 👩🏽‍🎨, e\u0301 and \u00e9",
    "123456",
)


@pytest.fixture
def recording() -> Iterator[RecordingVendor]:
    """Start a vendor that writes down every request."""
    with open_recording_vendor() as vendor:
        yield vendor


def _manifest(url: str, body: str) -> str:
    return f"""\
version: 1
name: wire
provider: {{base_url: '{url}'}}
defaults: {{model: gpt-image-2}}
limits: {{in_flight: 8}}
{body}
"""


def test_sixteen_ratios_arrive_as_written(cli: CommandLine, recording: RecordingVendor) -> None:
    """Unquoted ratios are text: 16:9 is not 969, 1:1 is not 61."""
    cli.write_text(_manifest(recording.url, f"prompts: [a fox]\ngrid: {{ratio: [{', '.join(RATIOS)}]}}"))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert sorted(RATIOS) == sorted(body["ratio"] for body in recording.bodies)
    assert all(f'"{body["ratio"]}"'.encode() in order.body for body, order in zip(recording.bodies, recording.orders, strict=True))


def test_words_that_yaml_likes_to_change_arrive_as_written(cli: CommandLine, recording: RecordingVendor) -> None:
    """Unquoted prompts that look like booleans, numbers, dates or nothing stay the text that was typed."""
    literals = [word for word in LITERALS if word != "null"]
    cli.write_text(_manifest(recording.url, "prompts:\n" + "\n".join(f"  - {word}" for word in literals)))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert sorted(literals) == sorted(body["prompt"] for body in recording.bodies)


def test_prompts_of_a_file_arrive_byte_for_byte(cli: CommandLine, recording: RecordingVendor) -> None:
    """Blanks, braces, dollars, escapes and scripts of all kinds pass from file to wire to database to sidecar unchanged."""
    cli.write_text("".join(json.dumps({"text": prompt}, ensure_ascii=False) + "\n" for prompt in FROM_FILE), "prompts.jsonl")
    cli.write_text(_manifest(recording.url, "prompts: [{file: prompts.jsonl, prompt: text}]"))

    run = cli("run", "study.yaml", "-y")

    jobs = cli.jobs()
    assert 0 == run.code
    assert sorted(FROM_FILE) == sorted(body["prompt"] for body in recording.bodies) == sorted(job["prompt"] for job in jobs)
    sidecars = [json.loads(Path(job["output_dir"], job["path"] + ".json").read_bytes()) for job in jobs]
    assert sorted(FROM_FILE) == sorted(sidecar["prompt"] for sidecar in sidecars)


def test_key_goes_to_the_api_and_not_to_the_storage(cli: CommandLine, recording: RecordingVendor) -> None:
    """Orders and questions carry the bearer key; downloads carry neither key nor cookie."""
    cli.write_text(_manifest(recording.url, "prompts: [a fox, a heron]"))

    cli("run", "study.yaml", "-y")

    api = [request for request in recording.seen if request.path.startswith("/api/open-api/")]
    assert {f"Bearer {CANARY}"} == {request.headers["authorization"] for request in api}
    assert 2 == len(recording.downloads)
    for download in recording.downloads:
        assert "authorization" not in download.headers
        assert "cookie" not in download.headers
        assert CANARY not in json.dumps(download.headers) + download.path


def test_order_says_nothing_that_was_not_asked_for(cli: CommandLine, recording: RecordingVendor) -> None:
    """The API's defaults are never sent: an order holds the prompt and the parameters of its row."""
    cli.write_text(_manifest(recording.url, "prompts: [a fox]\ngrid: {quality: [low]}"))

    cli("run", "study.yaml", "-y")

    assert [{"model": "gpt-image-2", "prompt": "a fox", "quality": "low"}] == recording.bodies
    assert "application/json" == recording.orders[0].headers["content-type"].partition(";")[0]


def test_base_url_may_end_in_the_api_path(cli: CommandLine, recording: RecordingVendor) -> None:
    """An address copied with its path or a slash leads to the same place."""
    cli.write_text(_manifest(recording.url + "/api/open-api/v1/", "prompts: [a fox]"))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert ["/api/open-api/v1/images"] == [order.path for order in recording.orders]
