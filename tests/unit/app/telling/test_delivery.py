"""Notices on their way: commands without a shell, webhooks, and what the diary says when they fail."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from batchgen.app.telling.delivery import Delivery
from tests.support.fake_log import FakeLog
from tests.support.snapshots import message, notice
from tests.support.webhost import Arrived, serving

SECRET = "hush-9f3a7c"


def _deliver(log: FakeLog, *, env: dict[str, str] | None = None, **changes: Any) -> None:
    variables = {"PATH": "/usr/bin:/bin", "HOOK": SECRET, "API_KEY": SECRET} | (env or {})
    way = Delivery(env=variables, user_agent="batchgen/test", is_local=True, log=log, patience_s=0.5)
    way.deliver(notice(**changes), message())


def test_a_command_gets_its_words_and_a_clean_environment(tmp_path: Path) -> None:
    """One argument a word, without a shell; of the environment only what programs need."""
    log, told = FakeLog(), tmp_path / "told"

    _deliver(log, command=("sh", "-c", f'printf "%s|" "$1" > {told}; env >> {told}', "sh", "{{ event }}: {{ summary }} $(id) ${HOOK}"))

    text = told.read_text()
    assert text.startswith(f"finished: night: 3 saved $(id) {SECRET}|")
    assert "API_KEY" not in text
    assert [("info", "notify.told", {"what": "finished", "command": "sh"})] == log.lines


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("no-such-program",), "No such file or directory"),
        (("sh", "-c", "exit 3", SECRET), "ended with 3"),
        (("sh", "-c", "sleep 60 & sleep 60"), "took longer than 0.5 s"),
        (("${GONE}",), "notify: the environment variable 'GONE' is not set"),
        (("tell", "{{ summary | replace('3', '" + "x" * 33_000 + "') }}"), "the result is longer than 32 KiB"),
    ],
)
def test_a_command_that_fails_is_one_warning(command: tuple[str, ...], why: str) -> None:
    """It is named as the manifest names it, with the reason, and none of its other words."""
    log = FakeLog()

    _deliver(log, command=command)

    (line,) = log.lines
    assert ("warning", "notify.failed", command[0]) == (line.level, line.event, line.facts["command"])
    assert why == line.facts["why"]
    assert SECRET not in str(line)


def test_a_webhook_gets_the_document() -> None:
    """One POST of JSON, with no header that a receiver need not see."""
    log, seen = FakeLog(), list[Arrived]()

    with serving(lambda arrived: seen.append(arrived) or (204, {}, b"")) as url:
        _deliver(log, command=(), webhook=f"{url}/hooks/${{HOOK}}?to={{{{.summary}}}}")

    (arrived,) = seen
    assert ("POST", f"/hooks/{SECRET}?to=%7B%7B.summary%7D%7D", "application/json") == (
        arrived.method, arrived.path, arrived.headers["content-type"],
    )  # fmt: skip
    assert json.loads(message().document()) == arrived.fields
    assert {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"} >= set(arrived.headers)
    assert [("info", "notify.told", {"what": "finished", "host": "127.0.0.1"})] == log.lines


@pytest.mark.parametrize(
    ("status", "headers"), [(404, {}), (500, {}), (302, {"Location": "/elsewhere"}), (307, {"Location": "/elsewhere"})]
)
def test_a_webhook_that_refuses_or_sends_on_is_one_warning(status: int, headers: dict[str, str]) -> None:
    """It is asked once, a redirect is not followed, and of its address the diary has the host alone."""
    log, seen = FakeLog(), list[Arrived]()

    with serving(lambda arrived: seen.append(arrived) or (status, headers, b"")) as url:
        _deliver(log, command=(), webhook=f"{url}/${{HOOK}}")

    assert 1 == len(seen)
    assert [("warning", "notify.failed", {"what": "finished", "host": "127.0.0.1", "why": f"127.0.0.1: HTTP {status}"})] == log.lines


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/${HOOK}", "127.0.0.1: "),
        ("https://10.0.0.1/${HOOK}", "10.0.0.1: its address is not public"),
        ("http://[::ffff:a00:1]/${HOOK}", "scheme 'http' is not allowed"),
        ("https://169.254.169.254/${HOOK}", "169.254.169.254: its address is not public"),
        ("https://user:${HOOK}@example.com/", "the URL carries a user name"),
        ("https://127.1/${HOOK}", "127.1: the URL's address is oddly spelt"),
        ("https://[${HOOK}/", "the URL cannot be read"),
        ("https://example.com/${GONE}", "'GONE' is not set"),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_one_warning(address: str, why: str) -> None:
    """Where a variable leads is judged again when it is used, like the address of a download; nothing is said of the rest."""
    log = FakeLog()

    _deliver(log, command=(), webhook=address)

    (line,) = log.lines
    assert ("warning", "notify.failed") == (line.level, line.event)
    assert why in str(line.facts["why"])
    assert SECRET not in str(line)


def test_loopback_is_out_of_reach_while_the_vendor_is_elsewhere() -> None:
    """Not a byte goes to a service of this machine."""
    log, seen = FakeLog(), list[Arrived]()
    way = Delivery(env={}, user_agent="batchgen/test", is_local=False, log=log, patience_s=0.5)

    with serving(lambda arrived: seen.append(arrived) or (200, {}, b"")) as url:
        for address in (url, url.replace("127.0.0.1", "localhost"), url.replace("http", "https")):
            way.deliver(notice(command=(), webhook=address), message())

    assert [] == seen
    assert 3 == len(log.called("notify.failed"))


def test_a_webhook_that_hangs_is_left_after_its_time() -> None:
    """A receiver that takes the request and says nothing costs its ten seconds and no more."""
    log, free = FakeLog(), threading.Event()

    def hang(_: Arrived) -> tuple[int, dict[str, str], bytes]:
        free.wait(20)
        return 200, {}, b""

    with serving(hang) as url:
        _deliver(log, command=(), webhook=url)
        free.set()

    (line,) = log.lines
    assert ("notify.failed", "127.0.0.1: timeout error") == (line.event, line.facts["why"])
