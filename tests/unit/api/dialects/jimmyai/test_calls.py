"""What goes over the wire, and which words name the dialect."""

import hashlib
from dataclasses import replace

import pytest

from batchgen.api.dialects import dialect_for, known_uses
from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.errors import InputError
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.ports import Call
from batchgen.core.states import State

JOB = Job(
    id=JobId(1),
    key=JobKey("0" * 32),
    batch_id=1,
    sweep="s",
    prompt_id="p",
    prompt='A "neon" sign,\tOPEN 灯 [/b] ',
    operation="image",
    model="gpt-image-2",
    params={"ratio": "16:9", "model": "gpt-image-2", "quality": "high", "n": "4"},
    labels={},
    references=(),
    cell="c",
    sample=1,
    position=0,
    state=State.PLANNED,
    version=0,
)


def test_submit_sends_canonical_json_without_n() -> None:
    """Keys sorted, nothing escaped that need not be, the prompt byte for byte, one image."""
    body = '{"model":"gpt-image-2","prompt":"A \\"neon\\" sign,\\tOPEN 灯 [/b] ","quality":"high","ratio":"16:9"}'

    call = JimmyAI().submit(JOB)

    assert Call(method="POST", path="/api/open-api/v1/images", body=body.encode()) == call


def test_submit_gives_the_same_bytes_whatever_the_order_of_the_parameters() -> None:
    """The body's hash can stand for the order."""
    turned = replace(JOB, params=dict(sorted(JOB.params.items(), reverse=True)))

    hashes = {hashlib.sha256(JimmyAI().submit(job).body or b"").hexdigest() for job in (JOB, turned)}

    assert len(hashes) == 1


def test_submit_refuses_references() -> None:
    """An order without its reference images would be another image."""
    with pytest.raises(InputError, match="reference"):
        JimmyAI().submit(replace(JOB, references=({"name": "shoe", "url": "https://example.com/x.png"},)))


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
    assert Call(method="GET", path=f"/api/open-api/v1/images/{quoted}") == JimmyAI().poll(task_id)


def test_balance_is_a_free_question() -> None:
    """Asking for money costs none."""
    assert Call(method="GET", path="/api/open-api/v1/user/balance") == JimmyAI().balance_call()


def test_the_simulator_speaks_the_vendors_language() -> None:
    """``sim`` and ``jimmyai`` are one dialect; other words are none."""
    assert known_uses() == ("jimmyai", "sim")
    assert dialect_for("sim") is dialect_for("jimmyai")
    assert isinstance(dialect_for("jimmyai"), JimmyAI)
    assert dialect_for("midjourney") is None


def test_results_live_three_days() -> None:
    """The vendor's promise, in seconds, and its money's name."""
    assert (259_200.0, "coin", "jimmyai") == (JimmyAI().result_ttl_s, JimmyAI().unit, JimmyAI().name)
