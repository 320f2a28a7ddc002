"""Vendors that answer strangely: nothing of what they say steers the terminal, shows the key or stops a batch for good."""

import json
import os
from typing import Any

import pytest

from tests.support.cli import CANARY, Arrived, CommandLine, open_host, study

Answer = tuple[int, dict[str, str], bytes]
ESCAPED_KEY = "".join(f"\\u{ord(char):04x}" for char in CANARY)
STEERING = "\x1b]52;c;aGk=\x07 \u202e moc \ud800"


def told(**data: Any) -> Answer:
    """Give a success of the vendor's."""
    return 200, {}, json.dumps({"code": 20000, "msg": "ok", "data": data}).encode()


def refusing(message: str) -> Answer:
    """Give a refusal of the vendor's, in the words as they are escaped here."""
    return 200, {}, f'{{"code": 20001, "msg": "{message}", "data": null}}'.encode()


@pytest.mark.parametrize("words", [("account", "study.yaml"), ("account", "study.yaml", "--json"), ("run", "study.yaml", "-y")])
def test_a_refusal_cannot_steer_the_terminal_or_show_the_key(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Control characters come out escaped, halves of pairs as a mark, and the key in no spelling."""
    said = json.dumps(STEERING)[1:-1] + ESCAPED_KEY

    with open_host(lambda _: refusing(said)) as host:
        cli.write(study(host.url, ["a gate"]))
        ended = cli(*words)

    assert 4 == ended.code, ended.err
    assert not set("\x1b\x07\u202e\ud800") & set(ended.out + ended.err)
    assert CANARY not in ended.out + ended.err
    assert [] == host.orders


def test_words_that_cannot_be_stored_end_one_job_only(cli: CommandLine) -> None:
    """A task fails with half of a pair in its message: the row says so, and the batch is over."""

    def answer(request: Arrived) -> Answer:
        if request.method == "POST":
            return told(task_id="img_1", status="queued")
        if "/images/" in request.path:
            return told(task_id="img_1", status="failed", error_message="bad \ud800 thing")
        return told(balance=100, used_coin=0, available=100, unlimited=True)

    with open_host(answer) as host:
        cli.write(study(host.url, ["a gate"]))
        ended, again = cli("run", "study.yaml", "-y"), cli("resume", "-y")

    assert (3, 3) == (ended.code, again.code), ended.err + again.err
    assert {"failed": 1} == cli.states()
    assert 1 == len(host.orders)


@pytest.mark.parametrize("balance", ["1e999999999", -5, "NaN", None, [], 10**60])
def test_a_senseless_balance_does_not_stop_a_run_with_a_traceback(cli: CommandLine, balance: object) -> None:
    """What no purse can hold is unknown; a debt is an empty purse."""
    money = {"balance": balance, "used_coin": "1e-999999999"}

    with open_host(lambda _: told(**money)) as host:
        cli.write(study(host.url, ["a gate"]))
        asked, ran = cli("account", "study.yaml"), cli("run", "study.yaml", "-y")

    assert 0 == asked.code, asked.err
    assert ran.code in {3, 6}, ran.err
    assert "Traceback" not in asked.err + ran.err


@pytest.mark.parametrize("obstacle", ["file", "pipe", "link"])
def test_a_recording_that_cannot_be_made_is_refused_before_anything_is_stored(cli: CommandLine, obstacle: str) -> None:
    """Exit 2 means that nothing was changed: no row is planned and nothing is asked of the vendor."""
    place = cli.folder / "rec"
    if obstacle == "file":
        place.write_text("x")
    else:
        place.mkdir()
        target = place / "exchanges.jsonl"
        os.mkfifo(target) if obstacle == "pipe" else target.symlink_to("elsewhere")

    with open_host(lambda _: told()) as host:
        cli.write(study(host.url, ["a gate"], provider={"base_url": host.url, "prices": {"gpt-image-2": 1}}))
        ended = cli("run", "study.yaml", "-y", "--record", "rec", timeout_s=20)

    assert 2 == ended.code, ended.err
    assert "--record" in ended.err
    assert not (cli.folder / "batchgen.db").exists()
    assert [] == host.orders


def test_a_description_with_an_endless_name_is_refused(cli: CommandLine) -> None:
    """A word that no file system takes is an error like any other."""
    cli.write(study("http://127.0.0.1:9", ["a gate"], provider={"use": "http", "base_url": "http://127.0.0.1:9", "vendor": "a" * 300}))

    ended = cli("validate", "study.yaml")

    assert 2 == ended.code
    assert "Traceback" not in ended.err


def test_a_key_in_template_braces_is_refused(cli: CommandLine) -> None:
    """``{{key}}`` is a slip of habit: the vendor would be shown a key in braces."""
    vendor = {
        "vendor": 1,
        "name": "lab",
        "auth": {"value": "Key {{key}}"},
        "submit": {"path": "/a", "body": {"p": "{{ prompt }}"}, "urls": "/u"},
    }
    provider = {"use": "http", "base_url": "http://127.0.0.1:9", "api_key_env": "JIMMYAI_API_KEY", "vendor": vendor}
    cli.write(study("http://127.0.0.1:9", ["a gate"], provider=provider, defaults={"model": "m"}))

    ended = cli("validate", "study.yaml")

    assert 2 == ended.code
    assert "E110" in ended.err
