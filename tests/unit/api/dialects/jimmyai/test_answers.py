"""Where an answer's fields are looked for, in which order, and what the vendor's words mean; written down a second time on purpose."""

import json

import pytest

from batchgen.api.dialects.jimmyai import answers, outcomes, words
from batchgen.core.dialects import Reply
from batchgen.core.readings import Delivered
from tests.unit.api.dialects.jimmyai.jobs import job

MESSAGE_KEYS = ("msg", "message", "error_message", "error_msg", "reason", "error", "detail")
TASK_MESSAGE_KEYS = ("error_message", "error_msg", "reason", "message", "error")
IMAGE_PLACES = ("/result/image_urls", "/result/image_url", "/result/url", "/image_url", "/url", "/mediaUrl")
SENSES = {
    "throttled": ("请求过于频繁", "频繁", "Too Frequent", "rate limit", "too many"),
    "balance": ("余额不足", "insufficient", "balance"),
    "quota": ("额度", "quota"),
    "model": ("不支持的模型参数", "配置不存在", "unsupported model"),
    "no_task": ("任务不存在", "task not found", "Task does not exist"),
    "moderated": ("moderation", "trademark", "safety", "policy", "审核", "违规"),
    "transient": ("timed out", "timeout", "Connection reset", "S3 upload failed", "请稍后", "稍后再试", "try later"),
}
PHASES = {
    "running": ("queued", "pending", "submitted", "processing", "created", "in_progress", "running"),
    "completed": ("completed", "success", "succeeded", "succeed", "done", "finished"),
    "failed": ("failed", "error", "failure", "fail", "rejected"),
    "canceled": ("canceled", "cancelled"),
}


def opened(body: object, status: int = 200) -> answers.Answer:
    """Open a reply with that body."""
    return answers.opened(Reply(status=status, body=json.dumps(body).encode()))


@pytest.mark.parametrize("number", range(len(MESSAGE_KEYS)))
def test_an_answers_words_stand_under_any_of_these_names(number: int) -> None:
    """The first of them that holds a text speaks."""
    later = dict.fromkeys(MESSAGE_KEYS[number + 1 :], "not this")

    assert opened({**later, "code": -1, MESSAGE_KEYS[number]: " out of order "}).message == "out of order"
    assert opened({**later, "code": -1, MESSAGE_KEYS[number]: {"message": "out of order"}}).message == "out of order"


@pytest.mark.parametrize("number", range(len(TASK_MESSAGE_KEYS)))
def test_a_tasks_words_stand_under_any_of_these_names(number: int) -> None:
    """The first of them that holds a text speaks."""
    later = dict.fromkeys(TASK_MESSAGE_KEYS[number + 1 :], "not this")

    assert answers.task_message(opened({"code": 20000, "data": {**later, TASK_MESSAGE_KEYS[number]: "blocked"}})) == "blocked"


@pytest.mark.parametrize("place", IMAGE_PLACES)
def test_a_tasks_images_stand_in_any_of_these_places(place: str) -> None:
    """One address or a list of them."""
    task: object = "https://cdn.example/1.png"
    for step in reversed(place.split("/")[1:]):
        task = {step: task}

    assert answers.urls(opened({"code": 20000, "data": task}), answers.IMAGE_PLACES) == ("https://cdn.example/1.png",)


def test_the_most_trusted_place_comes_first() -> None:
    """An answer that names several is read at the first."""
    assert IMAGE_PLACES == answers.IMAGE_PLACES


@pytest.mark.parametrize(
    ("code", "is_success"), [(20000, True), ("20000", True), (0, True), (" 200 ", True), (20001, False), (-1, False), (40000, False)]
)
def test_these_codes_say_success(code: object, is_success: bool) -> None:
    """As a number or as text."""
    assert is_success == opened({"code": code, "data": None}).is_success


@pytest.mark.parametrize(("status", "is_success"), [(199, False), (200, True), (299, True), (300, False)], ids=["199", "200", "299", "300"])
def test_a_bare_task_is_a_success_by_its_status(status: int, is_success: bool) -> None:
    """From 200 up to 299, and only if there is a task."""
    assert is_success == opened({"task_id": "a"}, status).is_success
    assert not opened({"hello": "a"}, status).is_success


@pytest.mark.parametrize(
    ("created", "completed", "lasted_s"),
    [
        (1764000000, 1764000041, 41.0),
        (1764000000000, 1764000041000, 41.0),
        (1764000000, "1764000041.5", 41.5),
        (1764000000, 1764000000 + 30 * 86400, 30 * 86400.0),
        (1764000000, 1764000001 + 30 * 86400, None),
        (1764000041, 1764000000, None),
        (1764000041, 1764000041, 0.0),
        (0, 1, None),
        (1764000000, None, None),
        (True, 2, None),
        (10**14, 10**14 + 1, None),
    ],
)
def test_a_task_lasted_from_stamp_to_stamp(created: object, completed: object, lasted_s: float | None) -> None:
    """In seconds, whichever unit the vendor used; nonsense is no duration."""
    assert lasted_s == answers.lasted_s(opened({"code": 0, "data": {"created_at": created, "completed_at": completed}}))


@pytest.mark.parametrize(("sense", "word"), [(sense, word) for sense, known in SENSES.items() for word in known])
def test_a_word_has_its_meaning(sense: str, word: str) -> None:
    """Inside any sentence, in any case."""
    assert sense == words.sense(f"Sorry: {word}!")
    assert sense == words.sense(word.upper())


def test_the_graver_meaning_goes_first() -> None:
    """A message of two meanings is read in the order of the table; one without any word is none."""
    assert [
        words.sense(f"{first[0]} {second[0]}") for first, second in zip(list(SENSES.values())[1:], SENSES.values(), strict=False)
    ] == list(SENSES)[:-1]
    assert words.sense("what a lovely day") is None


@pytest.mark.parametrize(("phase", "status"), [(phase, status) for phase, known in PHASES.items() for status in known])
def test_a_status_has_its_phase(phase: str, status: str) -> None:
    """And a word never heard of has none."""
    assert phase == words.phase(status)
    assert words.phase(f"x{status}") is None


IMAGE = "iVBORw0KGgo="
ADDRESS = "https://cdn.example/1.png"
_TASK_PLACES = (*IMAGE_PLACES, "/result/image_urls/*")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((place, IMAGE) for place in ("/data/data/*/b64_json", "/data/data/b64_json", "/data/*/b64_json", "/data/b64_json", "/b64_json")),
        *((place, ADDRESS) for place in ("/data/data/*/url", "/data/data/url", "/data/*/url")),
        *((f"{top}{place}", ADDRESS) for top in ("/data", "") for place in _TASK_PLACES if place != "/result/image_urls"),
    ],
)
def test_a_delivered_image_is_found_in_any_of_these_places(place: str, value: str) -> None:
    """As base64 or as an address, in the envelope and bare: what is paid for is not overlooked."""
    body: object = value
    for step in reversed(place.split("/")[1:]):
        body = [body] if step == "*" else {step: body}

    reading = outcomes.answered(job("generate"), Reply(status=200, body=json.dumps(body).encode()))

    assert isinstance(reading, Delivered)
    assert reading.urls == ((ADDRESS,) if value == ADDRESS else (f"data:;base64,{IMAGE}",))
