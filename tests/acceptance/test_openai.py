"""OpenAI's language: the same promises over an API whose answer is the picture and whose errors come with a status."""

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CANARY, Arrived, CommandLine, Finished, open_host, study
from tests.support.pictures import picture

PAINT = {"model": "gpt-image-1.5", "quality": "low", "size": "1024x1024"}


def _paintings(url: str, prompts: list[str], **changes: object) -> dict[str, object]:
    return study(url, prompts, **{"provider": {"use": "openai", "base_url": url}, "defaults": PAINT, **changes})


def _run(cli: CommandLine, *words: str) -> Finished:
    return cli("run", *(words or ("study.yaml",)), "-y", OPENAI_API_KEY=CANARY, JIMMYAI_API_KEY=None)


def _refusing(status: int, code: str, **headers: str) -> Callable[[Arrived], tuple[int, dict[str, str], bytes]]:
    body = json.dumps({"error": {"message": f"told {code}", "type": "some_error", "param": None, "code": code}}).encode()
    return lambda _: (status, {"Content-Type": "application/json", **headers}, body)


@pytest.mark.parametrize("end", ["", "/v1", "/v1/"])
def test_base_url_may_end_in_the_version(cli: CommandLine, start_vendor: StartVendor, end: str) -> None:
    """With and without ``/v1`` the order goes to the same place, once, and its picture is saved."""
    vendor = start_vendor()
    cli.write(_paintings(vendor.url + end, ["a gate"]))

    run = _run(cli)

    assert 0 == run.code, run.err
    assert {"saved": 1} == cli.states()
    assert ["openai.generation"] == [line["call"] for line in vendor.bill()]
    assert 1 == vendor.posts


def test_edit_sends_its_files(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An edit of two images is one form that the vendor can read, and one file."""
    vendor = start_vendor()
    for name in ("shoe", "mug"):
        (cli.folder / f"{name}.png").write_bytes(picture(seed=len(name)))
    references = {name: {"path": f"{name}.png"} for name in ("shoe", "mug")}
    sweep = {"name": "both", "prompts": ["a gate"], "params": {"images": ["shoe", "mug"]}}
    manifest = _paintings(vendor.url, [], operation="edit", references=references, sweeps=[sweep])
    del manifest["prompts"]
    cli.write(manifest)

    run = _run(cli)

    (line,) = vendor.bill()
    assert 0 == run.code, run.err
    assert ["shoe.png", "mug.png"] == [image["name"] for image in line["request"]["image"]]
    assert {"saved": 1} == cli.states()


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "state", "reason"),
    [
        (401, "invalid_api_key", 4, "planned", "auth"),
        (429, "insufficient_quota", 6, "planned", "quota"),
        (400, "moderation_blocked", 3, "failed", "moderated"),
        (404, "model_not_found", 3, "failed", "refused"),
    ],
)
def test_error_is_understood_by_its_code(cli: CommandLine, status: int, code: str, exit_code: int, state: str, reason: str) -> None:
    """A bad key and an empty quota stop the run and leave rows planned; a blocked prompt and an unknown model end their row alone."""
    with open_host(_refusing(status, code)) as host:
        cli.write(_paintings(host.url, ["a gate"]))

        run = _run(cli)

    (row,) = cli.select("SELECT * FROM v_jobs")
    assert exit_code == run.code, run.err
    assert (state, reason) == (row["state"], row["reason"])
    assert 1 == len(host.orders)
    assert 0 == sum(line["cost_micros"] or line["held_micros"] for line in cli.select("SELECT * FROM v_cost_by_model"))


def test_wait_that_the_vendor_names_is_kept(cli: CommandLine) -> None:
    """After 429 with ``Retry-After: 2`` the same order goes out once more, no sooner than that."""
    answers = [_refusing(429, "rate_limit_exceeded", **{"Retry-After": "2"})]
    drawn = json.dumps({"created": 1, "data": [{"b64_json": b64encode(picture()).decode()}]}).encode()

    def answer(asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        return answers.pop()(asked) if answers else (200, {"Content-Type": "application/json"}, drawn)

    with open_host(answer) as host:
        cli.write(_paintings(host.url, ["a gate"]))

        run = _run(cli)

    first, second = cli.select("SELECT opened_at, outcome, (julianday(opened_at) * 86400) AS s FROM v_attempts ORDER BY n")
    assert 0 == run.code, run.err
    assert {"saved": 1} == cli.states()
    assert 2 == len(host.orders)
    assert second["s"] - first["s"] > 1.9


def test_server_error_that_proves_nothing_counts_as_spent(cli: CommandLine) -> None:
    """A gateway's page after the order leaves it ambiguous: one POST, exit 3, and resuming sends nothing."""
    with open_host(lambda _: (504, {"Content-Type": "text/html"}, b"<html>504</html>")) as host:
        cli.write(_paintings(host.url, ["a gate"], provider={"use": "openai", "base_url": host.url, "prices": {"gpt-image-1.5": 0.05}}))

        run = _run(cli)
        again = cli("resume", "-y", OPENAI_API_KEY=CANARY)

    assert (3, 3) == (run.code, again.code)
    assert 1 == len(host.orders)
    assert [50_000] == [row["at_risk_micros"] for row in cli.select("SELECT * FROM v_ambiguous")]
