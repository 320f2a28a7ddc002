"""What became of a task, row by row of the failure table."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.core.dialects import Reply
from batchgen.core.money import Micros
from batchgen.core.readings import Done, Ended, NotFound, PollReading, Running, Stopped, Throttled, Trouble
from tests.unit.api.dialects.jimmyai.jobs import job

DIALECT = JimmyAI()
JOB = job(task_id="img_1")
RECORDED = json.loads((Path(__file__).parent / "replies.json").read_text(encoding="utf-8"))
URL = "https://cdn.example.net/out/7f2c91.png"


def read(body: object, status: int = 200, headers: dict[str, str] | None = None) -> PollReading:
    """Read an answer given as bytes or as a JSON value."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.read_poll(JOB, Reply(status=status, headers=headers or {}, body=raw))


def task(**fields: object) -> dict[str, object]:
    """Build a successful answer about a task."""
    return {"code": 20000, "msg": "ok", "data": {"task_id": "img_1", **fields}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("QueryQueued", Running(status="queued")),
        ("QueryPending", Running(status="pending")),
        ("QuerySubmitted", Running(status="submitted")),
        ("QueryProcessing", Running(status="processing", progress=0.42)),
        ("QueryUnknownStatus", Running(status="prompt_checking", is_known_word=False, progress=0.01)),
        ("QueryCompleted", Done(urls=(f"{URL}?Expires=1782259274&Signature=abc",), cost=Micros(60_000), lasted_s=74.0)),
        ("QueryCompletedStringCode", Done(urls=(URL,), lasted_s=31.0)),
        (
            "QueryCompletedMany",
            Done(
                urls=("https://cdn.example.net/out/7f2c93-0.jpeg", "https://cdn.example.net/out/7f2c93-1.jpeg"),
                cost=Micros(200_000),
                lasted_s=52.0,
            ),
        ),
        ("QueryCompletedWithoutUrl", Done(urls=())),
        ("QuerySuccessWord", Done(urls=(URL,))),
        ("QueryBareTask", Done(urls=(URL,), lasted_s=74.0)),
        ("QueryFailedModeration", Ended(reason="moderated", message="PROVIDER_MODERATION_ERROR")),
        ("QueryFailedTransient", Ended(reason="transient", message="Read timed out")),
        ("QueryCanceled", Ended(reason="remote", message="canceled")),
        ("TaskNotFound", NotFound(message="任务不存在")),
        ("RateLimited", Throttled(message=f"{RECORDED['RateLimited']['msg']} (code {RECORDED['RateLimited']['code']})")),
        ("ServerError", Trouble(message="server error")),
        ("InsufficientBalance", Trouble(message="余额不足")),
    ],
)
def test_recorded_answers_are_read_as_documented(name: str, expected: PollReading) -> None:
    """Every example of the vendor's description has its one meaning."""
    assert expected == read(RECORDED[name])


@pytest.mark.parametrize("word", ["queued", "pending", "submitted", "processing", "created", "in_progress", "running", " Running "])
def test_running_words_keep_polling(word: str) -> None:
    """A task that waits or works is running, in any case of letters."""
    assert Running(status=word.strip().lower()) == read(task(status=word))


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        (1, 0.01),
        (45, 0.45),
        (99, 0.99),
        ("45", 0.45),
        (0, None),
        (100, None),
        (-3, None),
        (1e9, None),
        (None, None),
        ("half", None),
        (True, None),
    ],
)
def test_the_progress_of_a_running_task_is_a_share(told: object, progress: float | None) -> None:
    """Percents from 1 to 99 are believed; what cannot be one is as if it were missing."""
    assert Running(status="processing", progress=progress) == read(task(status="processing", progress=told))


@pytest.mark.parametrize("word", ["completed", "success", "succeeded", "succeed", "done", "finished", "COMPLETED"])
def test_completed_words_give_the_urls(word: str) -> None:
    """All the words for success mean the same."""
    assert Done(urls=(URL,)) == read(task(status=word, result={"image_url": URL}))


@pytest.mark.parametrize("word", ["failed", "error", "failure", "fail", "rejected", "canceled", "cancelled"])
def test_failed_words_end_the_task(word: str) -> None:
    """All the words for failure end it, without a retry of ours."""
    reading = read(task(status=word, error_message="no idea"))

    assert Ended(reason="remote", message="no idea") == reading


@pytest.mark.parametrize("status", [None, "", [], {}, True, 3, "brand_new"])
def test_unknown_or_missing_words_keep_polling(status: object) -> None:
    """P4: drift in the vocabulary loses no task."""
    reading = read(task(status=status))

    assert isinstance(reading, Running)
    assert not reading.is_known_word


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"result": {"image_urls": [URL, "https://b/2"], "image_url": "https://b/3"}}, (URL, "https://b/2")),
        ({"result": {"image_urls": [], "image_url": URL}}, (URL,)),
        ({"result": {"image_urls": ["", None, "/rel", URL, URL]}}, (URL,)),
        ({"result": {"image_urls": "oops", "url": URL}}, (URL,)),
        ({"result": {"image_url": ["https://b/1", "https://b/2"]}}, ("https://b/1", "https://b/2")),
        ({"result": None, "image_url": URL}, (URL,)),
        ({"result": "soon", "url": URL}, (URL,)),
        ({"mediaUrl": URL}, (URL,)),
        ({"result": {"image_url": f" {URL} "}}, (URL,)),
        ({"result": {"image_url": "HTTP://cdn.example.net/x"}}, ("HTTP://cdn.example.net/x",)),
        ({"result": {"image_url": "out/1.png"}}, ()),
        ({"result": {"image_url": "//cdn.example.net/x"}}, ()),
        ({"result": {"image_url": "data:image/png;base64,AAAA"}}, ()),
        ({"result": {"image_url": "file:///etc/passwd"}}, ()),
        ({"result": {"image_url": "https://"}}, ()),
        ({"result": {"image_url": "https://a/\r\nX: y"}}, ()),
        ({"result": {"image_url": "https://a/" + "x" * 9000}}, ()),
        ({}, ()),
    ],
)
def test_urls_come_from_the_first_place_that_holds_a_usable_one(fields: dict[str, object], urls: tuple[str, ...]) -> None:
    """P5, P6: absolute http(s) addresses only, all of them, in the vendor's order."""
    assert Done(urls=urls) == read(task(status="completed", **fields))


def test_a_flood_of_urls_is_cut() -> None:
    """A million addresses do not become a million downloads."""
    reading = read(task(status="completed", result={"image_urls": [f"https://a/{i}" for i in range(10_000)]}))

    assert isinstance(reading, Done)
    assert len(reading.urls) == 16


@pytest.mark.parametrize(
    ("created", "completed", "lasted_s"),
    [
        (1782000000, 1782000074, 74.0),
        (1782000000000, 1782000074500, 74.5),
        (1782000000, 1782000074500, 74.5),
        ("1782000000", 1782000001.5, 1.5),
        (1782000074, 1782000000, None),
        (0, 1782000000, None),
        (1, 1782000000, None),
        (None, 1782000000, None),
        (True, 1782000000, None),
        (10**40, 10**40, None),
        ("soon", 1782000000, None),
    ],
)
def test_duration_is_measured_in_seconds_or_milliseconds(created: object, completed: object, lasted_s: float | None) -> None:
    """The vendor's own stamps, where they make sense together."""
    reading = read(task(status="completed", created_at=created, completed_at=completed))

    assert Done(urls=(), lasted_s=lasted_s) == reading


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"error_message": "PROVIDER_MODERATION_ERROR: TRADEMARK"}, "moderated"),
        ({"error_msg": "blocked by safety system, please try later"}, "moderated"),
        ({"reason": "内容审核未通过"}, "moderated"),
        ({"error_message": "s3 upload failed"}, "transient"),
        ({"error_message": "connection reset by peer"}, "transient"),
        ({"error": {"message": "Gateway Timeout"}}, "transient"),
        ({"error_message": "upstream: too many requests"}, "transient"),
        ({"error_message": "DURATION_TOO_LONG"}, "remote"),
        ({"error_message": "insufficient memory"}, "remote"),
        ({"error_message": ""}, "remote"),
        ({"error_message": ["x"]}, "remote"),
    ],
)
def test_a_failure_is_classed_by_its_words(fields: dict[str, object], reason: str) -> None:
    """P8 to P10: moderation is never retried, known transient words may be, the rest is reported."""
    reading = read(task(status="failed", cost=0, **fields))

    assert isinstance(reading, Ended)
    assert (reason, 0) == (reading.reason, reading.cost)
    assert reading.message


def test_a_failed_task_under_an_error_code_is_still_a_failed_task() -> None:
    """The old backend used -1 for the task's failure too; the status beside the id is the fact."""
    body = {"code": -1, "msg": "server error", "data": {"task_id": "img_1", "status": "failed", "error_message": "x"}}

    assert Ended(reason="remote", message="x") == read(body)


def test_an_error_that_calls_itself_a_status_is_only_trouble() -> None:
    """Without a task id an error's status word says nothing about the task."""
    assert isinstance(read({"code": -1, "msg": "boom", "data": {"status": "error"}}), Trouble)


@pytest.mark.parametrize(("body", "status"), [({"code": 20001, "msg": ""}, 200), (b"", 401), (b"<html>", 403), ({"code": -1}, 401)])
def test_a_rejected_key_stops_the_polls(body: object, status: int) -> None:
    """P3: nothing more can be asked with this key."""
    reading = read(body, status)

    assert isinstance(reading, Stopped)
    assert reading.kind == "auth"


@pytest.mark.parametrize(("body", "status"), [(b"", 429), ({"code": -1, "msg": "rate limit"}, 200), ({"error": "too many requests"}, 420)])
def test_throttled_polls_say_for_how_long(body: object, status: int) -> None:
    """P2: the vendor's wish is passed on."""
    reading = read(body, status, {"retry-after": "7"})

    assert isinstance(reading, Throttled)
    assert reading.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("body", "status"), [({"code": 40400, "msg": "nope"}, 404), ({"code": 20000, "msg": "任务不存在", "data": None}, 200)]
)
def test_an_unknown_task_is_not_found(body: object, status: int) -> None:
    """P7: the envelope says that the vendor looked."""
    assert isinstance(read(body, status), NotFound)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>502</html>", 502),
        (b"", 200),
        (b"{", 200),
        (b"<html>404</html>", 404),
        ({"detail": "Not Found"}, 404),
        ({"code": 777, "msg": "?"}, 200),
        ({"code": 20000, "data": None}, 200),
        ({"code": 20000, "data": []}, 200),
        (b'{"code": 20000, "data": {"status": "completed", "status": "failed"}}', 200),
        (b"", 302),
    ],
)
def test_everything_else_is_trouble_with_the_query(body: object, status: int) -> None:
    """P1: the task is untouched."""
    assert isinstance(read(body, status), Trouble)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RESULTS = st.fixed_dictionaries({}, optional=dict.fromkeys(("image_urls", "image_url", "url"), JSON))
TASKS = st.fixed_dictionaries(
    {"status": JSON | st.sampled_from(["completed", "failed", "queued", "canceled"])},
    optional={"result": JSON | RESULTS, **dict.fromkeys(("task_id", "cost", "created_at", "completed_at", "error_message"), JSON)},
)


@given(st.integers(100, 599), st.fixed_dictionaries({"code": JSON | st.just(20000), "msg": JSON, "data": TASKS | JSON}) | TASKS)
def test_no_shape_of_json_makes_reading_a_task_raise(status: int, body: dict[str, object]) -> None:
    """Whatever a server sends has a meaning, and a URL in it is absolute."""
    reading = read(json.dumps(body).encode(), status)

    if isinstance(reading, Done):
        assert all(url.lower().startswith(("http://", "https://")) for url in reading.urls)


@given(st.integers(100, 599), st.binary())
def test_no_bytes_make_reading_a_task_raise(status: int, body: bytes) -> None:
    """Random bytes are trouble, never a result."""
    assert isinstance(read(body, status), Trouble | Throttled | Stopped)
