"""Where an answer's fields are looked for, in which order, and what the vendor's words mean; written down a second time on purpose."""

import json
from decimal import Decimal

import pytest

from batchgen.api.dialects.jimmyai import answers, outcomes, words
from batchgen.core.dialects import Reply
from batchgen.core.money import Micros
from batchgen.core.readings import Delivered, Unproven, Unreadable
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
        (10**14 - 1, 10**14 - 1, 0.0),
        (10**11 - 10, 10**11, 10.0),
        (1, 2, 1.0),
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


def test_an_answer_tells_no_more_than_a_line_holds() -> None:
    """A thousand characters of its words, 100 of its status, 64 of its code."""
    answer = opened({"code": "c" * 65, "msg": "m" * 1001, "data": {"status": "S" * 101}})

    assert ("c" * 64, "m" * 1000, "s" * 100) == (answer.code, answer.words, answers.status_word(answer))


@pytest.mark.parametrize(("code", "expected"), [(True, None), (1.5, None), (" ", None), (None, None), (7, "7"), (" 7 ", "7")])
def test_a_code_is_a_number_or_a_text(code: object, expected: str | None) -> None:
    """Anything else is no envelope."""
    assert expected == opened({"code": code}).code


@pytest.mark.parametrize(("status", "expected"), [(True, ""), (None, ""), ([], ""), (3, "3"), (" Done ", "done")])
def test_a_status_is_a_number_or_a_text(status: object, expected: str) -> None:
    """Anything else is none."""
    assert expected == answers.status_word(opened({"code": 0, "data": {"status": status}}))


@pytest.mark.parametrize("name", ["task_id", "taskId", "status"])
def test_a_bare_task_is_known_by_any_of_these_names(name: str) -> None:
    """Without an envelope, the whole answer is the task."""
    assert {name: "a"} == opened({name: "a"}).task
    assert {} == opened({f"x{name}": "a"}).task


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"task_id": "a", "id": "b", "taskId": "c"}, ("a", "a")),
        ({"task_id": "", "id": None, "taskId": "c"}, ("c", "c")),
        ({"id": "b", "taskId": "c"}, ("b", "c")),
        ({"task_id": [], "taskId": "c"}, (None, None)),
    ],
)
def test_the_first_place_that_holds_anything_names_the_task(task: dict[str, object], expected: tuple[str | None, str | None]) -> None:
    """In an answer that claims success, and in an error."""
    assert expected == (answers.task_id(opened({"code": 0, "data": task})), answers.task_id(opened({"code": -1, "data": task})))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1e100", Decimal("1e100")),
        ("1e101", None),
        ("1e-100", Decimal("1e-100")),
        ("1e-101", None),
        (7, Decimal(7)),
        (Decimal("2.50"), Decimal("2.50")),
        (True, None),
        (1.5, None),
        ("NaN", None),
        ("Infinity", None),
        ("much", None),
    ],
)
def test_a_decimal_has_at_most_a_hundred_digits_on_either_side(value: object, expected: Decimal | None) -> None:
    """What is larger would overflow in the first sum."""
    assert expected == answers.decimal(value)


@pytest.mark.parametrize(("code", "told"), [(20002, "bad ratio (code 20002)"), (None, "bad ratio")])
def test_a_refusal_is_told_with_its_code(code: object, told: str) -> None:
    """The words first; where there are none, the beginning of the body."""
    assert told == opened({"code": code, "msg": "bad ratio"}, 400).told
    assert opened({"code": 20002}, 400).told == 'HTTP 400: {"code": 20002}'


@pytest.mark.parametrize(("status", "meaning"), [(299, "Unreadable"), (400, "Stopped"), (499, "Stopped"), (500, "Unreadable")])
def test_words_without_an_envelope_decide_in_a_refusal_only(status: int, meaning: str) -> None:
    """From 400 up to 499; anywhere else they mean nothing."""
    answer = Reply(status=status, body=b'{"message": "insufficient balance"}')

    assert meaning == type(outcomes.ordered(answer)).__name__


@pytest.mark.parametrize("status", [502, 504, *range(520, 525)])
def test_a_gateway_does_not_speak_for_the_vendor(status: int) -> None:
    """Whatever the code, the order may have been carried out behind it; no drift of the contract is claimed."""
    for code in (-1, 12345):
        reading = outcomes.ordered(Reply(status=status, body=json.dumps({"code": code}).encode()))

        assert isinstance(reading, Unreadable)
        assert reading.message.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize("status", [500, 501, 505, 519, 525])
def test_any_other_server_error_in_the_envelope_is_the_vendors_own(status: int) -> None:
    """It says that the order failed, without proof."""
    assert isinstance(outcomes.ordered(Reply(status=status, body=b'{"code": 12345}')), Unproven)


def test_a_delivered_image_keeps_its_price() -> None:
    """As told in the answer that holds it."""
    body = {"code": 0, "data": {"url": ADDRESS, "cost": "0.06"}}

    assert Delivered(urls=(ADDRESS,), cost=Micros(60_000)) == outcomes.answered(
        job("generate"), Reply(status=200, body=json.dumps(body).encode())
    )
