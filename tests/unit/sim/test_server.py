"""Tests of the running simulator: a child process, real sockets, a client that knows nothing of its insides."""

import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from batchgen.sim.options import SimOptions
from batchgen.sim.server import SimProcess, SimStartError, start_in_child

IMAGES = "/api/open-api/v1/images"
BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What a reset looks like depends on how far the client had got when it arrived."""
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


def submit(client: httpx.Client, prompt: str = "a fox", **fields: object) -> httpx.Response:
    """Submit one task."""
    return client.post(IMAGES, json={"model": "gpt-image-2", "prompt": prompt, **fields})


def poll(client: httpx.Client, task_id: str) -> httpx.Response:
    """Poll one task."""
    return client.get(f"{IMAGES}/{task_id}")


def finished_url(client: httpx.Client) -> str:
    """Submit a task without latency and return the URL of its picture."""
    task_id = submit(client).json()["data"]["task_id"]
    return str(poll(client, task_id).json()["data"]["result"]["image_url"])


def bill(client: httpx.Client) -> list[dict[str, object]]:
    """Return the ledger as the server shows it."""
    lines: list[dict[str, object]] = client.get("/_sim/ledger").json()
    return lines


def in_turn(faults: Iterable[str]) -> tuple[str, ...]:
    """Return a fault plan that meets each of the faults once, in order."""
    return tuple(f"{fault}@{ordinal}" for ordinal, fault in enumerate(faults, 1))


def test_the_happy_path_has_the_documented_shape(start_sim: StartSim, client_of: ClientOf) -> None:
    """Create, query and download answer as the API description says."""
    client = client_of(start_sim())

    made = submit(client, ratio="16:9", quality="medium").json()
    told = poll(client, made["data"]["task_id"]).json()
    picture = httpx.get(told["data"]["result"]["image_url"], trust_env=False)

    assert (made["code"], made["msg"]) == (20000, "ok")
    assert made["data"].keys() == {"task_id", "status", "model", "created_at", "cost"}
    assert tuple(made["data"][name] for name in ("status", "model", "cost")) == ("queued", "gpt-image-2", 0.06)
    assert isinstance(made["code"], int)
    assert tuple(told["data"][name] for name in ("status", "progress", "cost")) == ("completed", 100, 0.06)
    assert told["data"]["completed_at"] >= told["data"]["created_at"]
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).format == "PNG"


def test_several_pictures_come_as_a_list(start_sim: StartSim, client_of: ClientOf) -> None:
    """With n above 1 the first URL and all URLs are told."""
    client = client_of(start_sim())

    task_id = submit(client, model="grok-imagine-image", n=3).json()["data"]["task_id"]
    result = poll(client, task_id).json()["data"]["result"]

    assert result["image_url"] == result["image_urls"][0]
    assert len({client.get(url).content for url in result["image_urls"]}) == 3


def test_a_failed_task_comes_under_a_success_code(start_sim: StartSim, client_of: ClientOf) -> None:
    """The envelope reports the query, the status reports the task, and the money comes back."""
    client = client_of(start_sim())

    task_id = submit(client, "[moderated]").json()["data"]["task_id"]
    told = poll(client, task_id).json()

    assert (
        told["code"],
        told["data"]["status"],
        told["data"]["error_message"],
    ) == (20000, "failed", "PROVIDER_MODERATION_ERROR")
    assert [line["event"] for line in bill(client)] == ["charge", "refund"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic sk-test"}])
@pytest.mark.parametrize("path", [f"{IMAGES}/img_1", "/api/open-api/v1/user/balance", "/api/open-api/v1/key/balance"])
def test_a_call_without_a_key_is_refused(sim: SimProcess, path: str, header: dict[str, str]) -> None:
    """HTTP 200 with code 20001, as the vendor does it."""
    answer = httpx.get(sim.url + path, headers=header, trust_env=False)

    assert (answer.status_code, answer.json()) == (200, {"code": 20001, "msg": "", "data": None})


def test_the_catalogue_needs_no_key(sim: SimProcess) -> None:
    """Prices are public."""
    listed = httpx.get(f"{sim.url}/api/openapi/model/catalog?search=seedream", trust_env=False).json()

    assert {"model_name", "price_mode", "unit_price"} <= listed["data"]["list"][0].keys()
    assert len(listed["data"]["list"]) == 3


def test_balances_have_the_documented_shape(sim: SimProcess, client_of: ClientOf) -> None:
    """Account and key tell their figures as numbers."""
    client = client_of(sim)

    account = client.get("/api/open-api/v1/user/balance").json()["data"]
    key = client.get("/api/open-api/v1/key/balance").json()["data"]

    assert account == {"balance": 1000.0, "used_coin": 0.0, "available": 1000.0}
    assert {"total_quota": 0.0, "used_quota": 0.0, "available_quota": 0, "unlimited": True}.items() <= key.items()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model":"gpt-image-2","prompt":"x","resolution":"4k"}'])
def test_a_wrong_body_is_answered_with_20002(sim: SimProcess, client_of: ClientOf, content: bytes) -> None:
    """Bad parameters are a business failure under HTTP 200."""
    answer = client_of(sim).post(IMAGES, content=content)

    assert (answer.status_code, answer.json()["code"]) == (200, 20002)


def test_an_unknown_task_is_told_as_such(sim: SimProcess, client_of: ClientOf) -> None:
    """A task id nobody made is code -1 and the known message."""
    assert poll(client_of(sim), "img_0").json() == {"code": -1, "msg": "任务不存在", "data": None}


@pytest.mark.parametrize("path", ["/files/img_0-0.png", "/files/x.png?Expires=1&Signature=y"])
def test_a_file_nobody_made_is_not_found(sim: SimProcess, path: str) -> None:
    """The storage speaks XML, like a storage."""
    answer = httpx.get(sim.url + path, trust_env=False)

    assert answer.status_code == 404
    assert "<Code>NoSuchKey</Code>" in answer.text


def test_an_expired_url_is_refused_and_a_poll_signs_a_fresh_one(start_sim: StartSim, client_of: ClientOf) -> None:
    """The fault `result.stale_url` hands out a dead URL once; the next poll heals it."""
    client = client_of(start_sim(faults=("result.stale_url@1",)))
    task_id = submit(client).json()["data"]["task_id"]

    dead, fresh = (poll(client, task_id).json()["data"]["result"]["image_url"] for _ in range(2))

    assert (client.get(dead).status_code, client.get(fresh).status_code) == (403, 200)


def test_a_key_sent_to_the_files_is_noted(start_sim: StartSim, client_of: ClientOf) -> None:
    """The canary counts downloads that carried an Authorization header."""
    client = client_of(start_sim())
    url = finished_url(client)

    httpx.get(url, trust_env=False)
    clean = client.get("/_sim/stats").json()["authorization_on_files"]
    client.get(url)

    assert (clean, client.get("/_sim/stats").json()["authorization_on_files"]) == (0, 1)


def test_the_charge_is_on_disk_before_the_answer(start_sim: StartSim, client_of: ClientOf, tmp_path: Path) -> None:
    """A server killed right after its answer has already written the line."""
    sim = start_sim(ledger=tmp_path / "bill.jsonl", fsync=True)

    task_id = submit(client_of(sim)).json()["data"]["task_id"]
    os.kill(sim.pid, signal.SIGKILL)
    sim.process.wait(10)

    assert task_id == json.loads((tmp_path / "bill.jsonl").read_text())["task_id"]


def test_a_restarted_server_knows_its_tasks(start_sim: StartSim, client_of: ClientOf, tmp_path: Path) -> None:
    """After kill -9 the task, its picture and the balance are back, and new ids stay new."""
    first = start_sim(ledger=tmp_path / "bill.jsonl")
    client = client_of(first)
    task_id = submit(client).json()["data"]["task_id"]
    before = client.get(poll(client, task_id).json()["data"]["result"]["image_url"]).content
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait(10)

    again = client_of(start_sim(ledger=tmp_path / "bill.jsonl"))
    told = poll(again, task_id).json()["data"]

    assert before == again.get(told["result"]["image_url"]).content
    assert again.get("/api/open-api/v1/user/balance").json()["data"]["used_coin"] == 0.03
    assert task_id != submit(again).json()["data"]["task_id"]
    assert len(bill(again)) == 2


@pytest.mark.parametrize("fault", ["post.accept_then_reset", "post.reset"])
def test_a_reset_submit_is_a_broken_connection(start_sim: StartSim, client_of: ClientOf, fault: str) -> None:
    """The client sees a reset; only the vendor's bill knows whether it was accepted."""
    client = client_of(start_sim(faults=(f"{fault}@1",)))

    with pytest.raises(BROKEN):
        submit(client)

    assert (fault == "post.accept_then_reset") == bool(bill(client))
    assert submit(client).json()["code"] == 20000


def test_a_reset_get_can_be_repeated(start_sim: StartSim, client_of: ClientOf) -> None:
    """Nothing is lost by a reset of a free request."""
    client = client_of(start_sim(faults=("poll.reset@1", "download.reset@1")))
    task_id = submit(client).json()["data"]["task_id"]

    with pytest.raises(BROKEN):
        poll(client, task_id)
    url = poll(client, task_id).json()["data"]["result"]["image_url"]
    with pytest.raises(BROKEN):
        client.get(url)

    assert client.get(url).status_code == 200


def test_an_accepted_submit_that_hangs_is_billed(start_sim: StartSim, client_of: ClientOf) -> None:
    """The client's patience ends; the charge stands."""
    client = client_of(start_sim(faults=("post.accept_then_hang",)))

    with pytest.raises(httpx.ReadTimeout):
        client.post(IMAGES, json={"model": "gpt-image-2", "prompt": "x"}, timeout=0.3)

    assert len(bill(client)) == 1


def test_an_accepted_submit_cut_short_is_billed(start_sim: StartSim, client_of: ClientOf) -> None:
    """Half an answer is no answer, and the charge stands."""
    client = client_of(start_sim(faults=("post.accept_then_cut",)))

    with pytest.raises(httpx.RemoteProtocolError):
        submit(client)

    assert len(bill(client)) == 1


SUBMIT_FAULTS = {
    "post.accept_then_502": (502, True, None),
    "post.accept_then_504": (504, True, None),
    "post.accept_then_garbage": (200, True, None),
    "post.accept_then_empty": (200, True, None),
    "post.accept_then_no_id": (200, True, None),
    "post.string_code": (200, True, None),
    "post.zero_code": (200, True, None),
    "post.bare": (200, True, None),
    "post.502": (502, False, None),
    "post.500": (500, False, None),
    "post.server_error": (200, False, None),
    "post.429": (429, False, None),
    "post.429_retry_after": (429, False, "1"),
    "post.429_odd_retry_after": (429, False, "soon"),
    "post.too_frequent": (200, False, None),
    "post.no_balance": (200, False, None),
    "post.quota": (200, False, None),
    "post.unauthorized": (200, False, None),
    "post.bad_parameters": (200, False, None),
    "post.redirect": (307, False, None),
}


def test_a_submit_fault_bills_as_its_name_says(start_sim: StartSim, client_of: ClientOf) -> None:
    """`accept_then` and the dialects are billed, refusals are not; status and Retry-After are the announced ones."""
    client = client_of(start_sim(faults=in_turn(SUBMIT_FAULTS)))

    seen = {}
    for fault in SUBMIT_FAULTS:
        before = len(bill(client))
        answer = submit(client)
        seen[fault] = (answer.status_code, len(bill(client)) > before, answer.headers.get("Retry-After"))

    assert seen == SUBMIT_FAULTS


POLL_FAULTS = {
    "poll.429": (429, "40000"),
    "poll.too_frequent": (200, "40000"),
    "poll.server_error": (200, '"code":-1'),
    "poll.500": (500, '"code":-1'),
    "poll.502": (502, "<html>"),
    "poll.garbage": (200, '"task_id"'),
    "poll.not_found": (200, "任务不存在"),
    "poll.unauthorized": (200, "20001"),
    "poll.unknown_status": (200, "prompt_checking"),
    "poll.bare": (200, '{"task_id"'),
    "poll.string_code": (200, '"code":"20000"'),
}
RESULT_FAULTS = {
    "result.no_url": (200, '"image_url":""'),
    "result.relative_url": (200, '"image_url":"out/img_'),
    "result.backwards": (200, '"status":"processing"'),
    "result.success_word": (200, '"mediaUrl":"http://127.0.0.1'),
}


@pytest.mark.parametrize("table", [POLL_FAULTS, RESULT_FAULTS], ids=["poll", "result"])
def test_a_poll_fault_answers_as_its_name_says(start_sim: StartSim, client_of: ClientOf, table: dict[str, tuple[int, str]]) -> None:
    """Each faulty poll looks as described, and the poll after the last one tells the truth."""
    client = client_of(start_sim(faults=in_turn(table)))
    task_id = submit(client).json()["data"]["task_id"]

    answers = {fault: poll(client, task_id) for fault in table}

    assert {fault: answer.status_code for fault, answer in answers.items()} == {fault: status for fault, (status, _) in table.items()}
    assert [fault for fault, (_, text) in table.items() if text not in answers[fault].text] == []
    assert poll(client, task_id).json()["data"]["status"] == "completed"


DOWNLOAD_FAULTS = {
    "download.short": (200, b"\x89PNG"),
    "download.empty": (200, b""),
    "download.html": (200, b"<!doctype html>"),
    "download.wrong_type": (200, b"<svg"),
    "download.zeroed_tail": (200, b"\x89PNG"),
    "download.expired": (403, b"<?xml"),
    "download.not_found": (404, b"<?xml"),
    "download.500": (500, b"<?xml"),
    "download.502": (502, b"<html>"),
    "download.drip": (200, b"\x89PNG"),
    "download.redirect_inside": (302, b""),
    "download.bomb": (200, b"\x89PNG"),
}


def test_a_download_fault_answers_as_its_name_says(start_sim: StartSim, client_of: ClientOf) -> None:
    """Each faulty download looks as described, and only the drip delivers the picture."""
    client = client_of(start_sim(faults=in_turn(DOWNLOAD_FAULTS)))
    url = finished_url(client)

    answers = {fault: client.get(url) for fault in DOWNLOAD_FAULTS}
    honest = client.get(url)

    assert {
        fault: (answer.status_code, answer.content[: len(DOWNLOAD_FAULTS[fault][1])]) for fault, answer in answers.items()
    } == DOWNLOAD_FAULTS
    assert [fault for fault, answer in answers.items() if answer.content == honest.content] == ["download.drip"]
    assert honest.headers["content-length"] == str(len(honest.content))


def test_a_truncated_download_ends_too_early(start_sim: StartSim, client_of: ClientOf) -> None:
    """The announced length is not reached."""
    client = client_of(start_sim(faults=("download.truncated@1",)))
    url = finished_url(client)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        client.get(url)

    assert client.get(url).status_code == 200


def test_the_bomb_is_small_on_the_wire(start_sim: StartSim, client_of: ClientOf) -> None:
    """Four hundred million pixels come in under 100 KB."""
    client = client_of(start_sim(faults=("download.bomb",)))

    png = client.get(finished_url(client)).content

    assert len(png) < 100_000
    assert int.from_bytes(png[16:20]) == 20_000


def test_submits_above_the_rate_are_throttled_in_three_ways(start_sim: StartSim, client_of: ClientOf) -> None:
    """429 without Retry-After, HTTP 200 with 40000, 429 with Retry-After, in turn; none is billed."""
    client = client_of(start_sim(submit_rate=0.01))

    answers = [submit(client) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 429, 200, 429]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, None, None, "1"]
    assert [answer.json()["code"] for answer in answers] == [20000, 40000, 40000, 40000]
    assert len(bill(client)) == 1


def test_broke_ends_the_balance_in_the_middle(start_sim: StartSim, client_of: ClientOf) -> None:
    """The coin is spent to the last affordable task, then the message comes."""
    client = client_of(start_sim(profile="broke"))

    codes = [submit(client, quality="high").json()["code"] for _ in range(10)]

    assert codes == [20000] * 8 + [-1] * 2


def test_revoked_ends_the_key_in_the_middle(start_sim: StartSim, client_of: ClientOf) -> None:
    """Submits and polls stop with 20001, paid pictures stay within reach."""
    client = client_of(start_sim(profile="revoked", revoke_after=2))
    url = finished_url(client)
    submit(client)

    assert submit(client).json()["code"] == 20001
    assert client.get("/api/open-api/v1/user/balance").json()["code"] == 20001
    assert client.get(url).status_code == 200


def test_the_same_seed_meets_the_same_faults(start_sim: StartSim, client_of: ClientOf) -> None:
    """Two servers of one seed answer a sequence of submits alike."""
    sequences = []
    for _ in range(2):
        client = client_of(start_sim(seed=11, faults=("post.server_error=0.3", "post.429=0.3")))
        sequences.append([(answer.status_code, answer.json()["code"]) for answer in map(submit, [client] * 30)])

    assert sequences[0] == sequences[1]
    assert len(set(sequences[0])) == 3


def test_the_end_of_standard_input_stops_the_server(start_sim: StartSim) -> None:
    """A simulator dies with its parent, even if the parent was killed."""
    sim = start_sim()
    assert sim.process.stdin is not None

    sim.process.stdin.close()

    assert sim.process.wait(10) == 0


def test_a_killed_parent_takes_the_server_with_it() -> None:
    """SIGKILL of the parent leaves no simulator behind."""
    program = (
        "import sys; from batchgen.sim.server import start_in_child; from batchgen.sim.options import SimOptions\n"
        "print(start_in_child(SimOptions()).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))

        parent.kill()

    assert select.select([server], [], [], 10)[0] == [server]
    os.close(server)


@pytest.mark.parametrize("stopping", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_cleanly(start_sim: StartSim, client_of: ClientOf, stopping: signal.Signals) -> None:
    """Exit status 0, also with a client waiting for an answer that never comes."""
    sim = start_sim(faults=("poll.hang",))
    client = client_of(sim)
    task_id = submit(client).json()["data"]["task_id"]
    with pytest.raises(httpx.ReadTimeout):
        client.get(f"{IMAGES}/{task_id}", timeout=0.2)

    os.kill(sim.pid, stopping)

    assert sim.process.wait(10) == 0


def test_the_server_runs_alone_and_says_one_line() -> None:
    """`python -m batchgen.sim` prints where it listens, and nothing else, on either stream."""
    command = [sys.executable, "-m", "batchgen.sim", "--port", "0", "--exit-with-stdin"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)

    assert done.returncode == 0
    assert done.stdout.startswith(b"batchgen-sim listening on http://127.0.0.1:")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_a_server_that_cannot_start_is_reported(sim: SimProcess, tmp_path: Path) -> None:
    """A taken port is an error in the parent, and its log says why."""
    taken = urlsplit(sim.url).port
    assert taken is not None

    with pytest.raises(SimStartError, match="exit status 1"):
        start_in_child(SimOptions(port=taken), log_path=tmp_path / "sim.log")

    assert "Address already in use" in (tmp_path / "sim.log").read_text()


def test_the_child_sees_no_environment(monkeypatch: pytest.MonkeyPatch, start_sim: StartSim) -> None:
    """A key in the parent's environment does not reach the simulator."""
    monkeypatch.setenv("JIMMYAI_API_KEY", "sk-canary")

    sim = start_sim()

    assert b"sk-canary" not in Path(f"/proc/{sim.pid}/environ").read_bytes()
