"""The kit finds what it is there to find: each promise broken once, by a dialect that is sound but for that."""

import itertools
import json
import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from batchgen.core.dialects import Attachment, Call, Complaint, Model
from batchgen.core.money import Micros
from batchgen.core.readings import Accepted, Busy, Done, Ended, Rejected, Running, Throttled, Trouble
from batchgen.testing import check_against, check_dialect
from tests.conformance.acme import EXAMPLE, Acme
from tests.plugins.acme import KEY, open_acme


class RandomBytes(Acme):
    """Orders with a number of its own each time."""

    _numbers = itertools.count()

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return replace(super().submit(job), headers={"Idempotency-Key": str(next(self._numbers))})


class ClockBytes(Acme):
    """Orders with the time in it."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return replace(super().submit(job), body=json.dumps({"at": time.time_ns()}).encode())


class Changes(Acme):
    """Takes the model out of the job's parameters."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        job.params.setdefault("seen", "true")
        return super().submit(job)


class GetOrder(Acme):
    """Orders by GET."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return Call(method="GET", path="/v1/pictures?size=1")


class Elsewhere(Acme):
    """Orders at an address of its own."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return replace(super().submit(job), path="https://other.example/v1/pictures")


class Synchronous(Acme):
    """Says that the answer is the result."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return replace(super().submit(job), is_synchronous=True)


class KnowsTheKey(Acme):
    """Reads the environment."""

    def submit(self, job: Any, attachments: Any = ()) -> Call:
        return replace(super().submit(job), headers={"X-Token": os.environ.get("ACME_KEY", "none")})


class OwnAuthorization(Acme):
    """Sets the header that belongs to the client."""

    def poll(self, job: Any) -> Call:
        return replace(super().poll(job), headers={"x-acme-key": "mine"})


class TwoKeys(Acme):
    """Shows the key twice."""

    authorization = ("X-Acme-Key", "{key}:{key}")


class Raises(Acme):
    """Takes every body for JSON."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return Accepted(task_id=json.loads(reply.body)["picture"])


class ReadsPages(Acme):
    """Believes that a gateway's page means that nothing was done."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return Busy(message="later") if reply.status >= 502 else super().read_submit(job, reply)


class RefusesWithoutId(Acme):
    """Takes a success without an id for a refusal."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        reading = super().read_submit(job, reply)
        return Rejected(reason="refused", message="no id") if reply.status < 300 and not isinstance(reading, Accepted) else reading


class FindsHalfIds(Acme):
    """Looks for the id in the text."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        found = re.search(rb'"picture": "([^"]+)', reply.body)
        return Accepted(task_id=found[1].decode("utf-8", "replace")) if found else super().read_submit(job, reply)


class WantsAState(Acme):
    """Believes an id only beside a state that it knows."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return super().read_submit(job, reply) if b'"waiting"' in reply.body else super().read_submit(job, replace(reply, body=b"{}"))


class AnyId(Acme):
    """Takes whatever stands there for an id."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        found = re.search(rb'"picture": (.*?), "', reply.body, re.DOTALL)
        return Accepted(task_id=found[1].decode("latin-1").strip('"')) if found else super().read_submit(job, reply)


class Invents(Acme):
    """Gives readings of its own."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return super().read_submit(job, reply) if reply.status != 507 else SimpleNamespace(message="full")

    def read_poll(self, job: Any, reply: Any) -> Any:
        return super().read_poll(job, reply) if reply.status != 507 else SimpleNamespace(message="full")


class NegativeCost(Acme):
    """Takes every number for money."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        reading = super().read_submit(job, reply)
        return replace(reading, cost=Micros(-1)) if isinstance(reading, Accepted) and b"-1" in reply.body else reading


class JunkWait(Acme):
    """Reads Retry-After as Python reads a number."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        try:
            return Throttled(message="", retry_after_s=float(reply.headers["retry-after"]))
        except (ValueError, KeyError):
            return super().read_submit(job, reply)


class Deaf(Acme):
    """Does not hear Retry-After."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return Throttled(message="slow down") if reply.status == 429 else super().read_submit(job, reply)


class NotThrottled(Acme):
    """Takes throttling for a refusal."""

    def read_submit(self, job: Any, reply: Any) -> Any:
        return Rejected(reason="refused", message="") if reply.status == 429 else super().read_submit(job, reply)


class Unquoted(Acme):
    """Puts the id into the path as it is."""

    def poll(self, job: Any) -> Call:
        return Call(method="GET", path=f"/v1/pictures/{job.task_id}")


class PostsQuestions(Acme):
    """Asks by POST."""

    def poll(self, job: Any) -> Call:
        return replace(super().poll(job), method="POST", body=b"{}")


class ForgetsTheId(Acme):
    """Asks after all pictures at once."""

    def poll(self, job: Any) -> Call:
        return Call(method="GET", path="/v1/pictures")


class StrangeWordsEnd(Acme):
    """Gives up on a word that it does not know."""

    def read_poll(self, job: Any, reply: Any) -> Any:
        reading = super().read_poll(job, reply)
        return Ended(reason="remote", message="?") if isinstance(reading, Running) and not reading.is_known_word else reading


class PagesEnd(Acme):
    """Takes a gateway's page for the end of a task."""

    def read_poll(self, job: Any, reply: Any) -> Any:
        return Ended(reason="remote", message="error") if reply.body.startswith(b"<") else super().read_poll(job, reply)


class NoUrlEnds(Acme):
    """Takes a finished task without a URL for a failed one."""

    def read_poll(self, job: Any, reply: Any) -> Any:
        reading = super().read_poll(job, reply)
        return Ended(reason="remote", message="no url") if isinstance(reading, Done) and not reading.urls else reading


class AnyUrl(Acme):
    """Gives whatever stands there as the URL."""

    def read_poll(self, job: Any, reply: Any) -> Any:
        reading = super().read_poll(job, reply)
        return replace(reading, urls=(str(json.loads(reply.body).get("url")),)) if isinstance(reading, Done) else reading


class NeverDone(Acme):
    """Does not know when a task is finished."""

    def read_poll(self, job: Any, reply: Any) -> Any:
        reading = super().read_poll(job, reply)
        return Trouble(message="?") if isinstance(reading, Done) else reading


class OddSizes(Acme):
    """Reads a size without looking at it first."""

    def complaints(self, params: Any, **facts: Any) -> Sequence[Complaint]:
        width, height = map(int, params.get("size", "1x1").split("x"))
        return [] if width and height else [Complaint(param="size", message="empty")]


class NoSuchParameter(Acme):
    """Complains of a parameter that nobody has."""

    def complaints(self, params: Any, **facts: Any) -> Sequence[Complaint]:
        return [*super().complaints(params, **facts), Complaint(param="width", message="too wide", severity="warning")]


class RefusesItsModel(Acme):
    """Lists a model that it refuses."""

    def models(self) -> Sequence[Model]:
        return [Model(name="acme-brush", sizes=("2048x2048",))]


class StrangeOperations(Acme):
    """Lists a model for an operation that it does not have."""

    def models(self) -> Sequence[Model]:
        return [Model(name="acme-brush", operations=("video",))]


class RefusesItsExample(Acme):
    """Complains of what its own example orders."""

    def complaints(self, params: Any, **facts: Any) -> Sequence[Complaint]:
        return [Complaint(param="size", message="no")]


class WaysRaise(Acme):
    """Knows only its own operations."""

    def ways(self, operation: str) -> frozenset[str]:
        return {"image": frozenset[str]()}[operation]


class UploadsNowhere(Acme):
    """Takes uploads without being able to."""

    def ways(self, operation: str) -> frozenset[str]:
        return frozenset({"upload"})


class NothingToOrder(Acme):
    """Has no operation."""

    operations = ()


class FreeOfCharge(Acme):
    """Says 0 where no price is known."""

    def estimate(self, prices: Any, params: Any, **facts: Any) -> int:
        return 0


class FloodsNames(Acme):
    """Names everything that it does not know, as it stands."""

    def unfamiliar(self, job: Any, reply: Any) -> Sequence[str]:
        try:
            body = json.loads(reply.body)
        except (ValueError, RecursionError):
            return ()
        return [name for name in body if name not in ("picture", "state", "price", "url", "error")] if isinstance(body, dict) else ()


class KnowsNothing(Acme):
    """Finds its own documentation strange."""

    def unfamiliar(self, job: Any, reply: Any) -> Sequence[str]:
        return ["field picture"]


class Renamed(Acme):
    """Has another name each time."""

    _numbers = itertools.count()

    @property
    def name(self) -> str:  # type: ignore[override]
        """Give the next name."""
        return f"acme-{next(self._numbers)}"


class LongName(Acme):
    """Has a name with blanks."""

    name = "The Acme Company"


class Uploading(Acme):
    """Keeps uploads, and cannot read the answer to one."""

    upload_ttl_s = 60.0

    def upload(self, attachment: Attachment) -> Call:
        return Call(method="POST", path="/v1/files", body=attachment.content, content_type=attachment.media_type)

    def read_upload(self, reply: Any) -> Any:
        return json.loads(reply.body)["url"]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (RandomBytes, "submit gives the same bytes each time"),
        (ClockBytes, "submit gives the same bytes each time"),
        (Changes, "submit does not change the job"),
        (GetOrder, "an order is a POST"),
        (Elsewhere, "a path is absolute on the host, in plain ASCII"),
        (Synchronous, "a call is synchronous exactly where its operation is"),
        (KnowsTheKey, "no call holds the API key: only the client knows it"),
        (OwnAuthorization, "a call leaves the client's own headers alone"),
        (TwoKeys, "authorization is a header and its value, which holds {key} exactly once"),
        (Raises, "read_submit never raises"),
        (ReadsPages, "an answer that does not say what happened is Unreadable, so that the order is never sent again"),
        (RefusesWithoutId, "an answer that does not say what happened is Unreadable, so that the order is never sent again"),
        (FindsHalfIds, "an answer that does not say what happened is Unreadable, so that the order is never sent again"),
        (WantsAState, "an answer that still names the task or holds the image means that the order was taken"),
        (AnyId, "a task id is a short printable text"),
        (Invents, "read_submit gives a SubmitReading"),
        (Invents, "read_poll gives a PollReading or a Question"),
        (NegativeCost, "a cost is None or whole micros, never negative"),
        (JunkWait, "retry_after_s is None or a finite time, whatever Retry-After says"),
        (Deaf, "Retry-After is obeyed"),
        (NotThrottled, "a throttled order is Throttled"),
        (Unquoted, "a task's id is quoted in the path, whatever it holds"),
        (PostsQuestions, "poll is a GET without a body"),
        (ForgetsTheId, "a question about a task names its id"),
        (StrangeWordsEnd, "a task under an unknown status word is still running, and the word is told"),
        (PagesEnd, "an answer that says nothing of a task never ends it"),
        (NoUrlEnds, "a finished task that names no usable URL is Done without URLs: it is paid for, and asked after again"),
        (AnyUrl, "only absolute http(s) URLs come out of an answer about a task"),
        (NeverDone, "a finished task is Done and names the example's URLs"),
        (OddSizes, "complaints never raises"),
        (NoSuchParameter, "a complaint names a parameter that exists"),
        (RefusesItsModel, "every model passes complaints() with its first values"),
        (StrangeOperations, "models() speaks of the dialect's operations"),
        (RefusesItsExample, "the examples can be ordered: complaints() has no error for them"),
        (WaysRaise, "ways never raises"),
        (UploadsNowhere, "who takes uploads is core.dialects.Uploads"),
        (NothingToOrder, "there is something to order: operations is not empty"),
        (FreeOfCharge, "where the catalogue tells no price the estimate is None, never 0"),
        (FloodsNames, "unfamiliar names at most 16 things, each printable and at most 120 characters long"),
        (KnowsNothing, "nothing in the examples is unfamiliar"),
        (Renamed, "the name is a short word of a-z, 0-9, '.', '_' and '-', and stays the same"),
        (LongName, "the name is a short word of a-z, 0-9, '.', '_' and '-', and stays the same"),
        (Uploading, "read_upload never raises"),
    ],
)
def test_each_broken_promise_is_told_in_its_own_sentence(bad: Any, sentence: str) -> None:
    """One fault in a sound dialect, and the kit names it."""
    with pytest.raises(AssertionError) as told:
        check_dialect(bad(), [EXAMPLE], mutants=2000)

    assert re.search(rf"^  - {re.escape(sentence)}(: | \(|$)", str(told.value), re.MULTILINE)


def test_the_dialect_that_is_spoilt_here_is_sound() -> None:
    """Else every other test of this file would prove nothing."""
    check_dialect(Acme(), [EXAMPLE])


def test_what_is_no_dialect_is_told_by_what_it_lacks() -> None:
    """Nothing else is asked of it."""
    with pytest.raises(AssertionError, match=r"breaks 1 promise:\n  - a dialect has every member .* it lacks .*read_poll"):
        check_dialect(SimpleNamespace(name="thing"), [EXAMPLE])  # type: ignore[arg-type] # the point of the test


def test_an_example_that_says_too_little_is_told() -> None:
    """A kit that is shown nothing finds nothing, so it says so."""
    with pytest.raises(AssertionError, match="the example of a task has running, done and failed"):
        check_dialect(Acme(), [replace(EXAMPLE, done=())], mutants=100)
    with pytest.raises(AssertionError, match="there is at least one example"):
        check_dialect(Acme(), [], mutants=0)


def test_a_trial_orders_on_loopback_only() -> None:
    """A slip of the hand must not buy anything."""
    with pytest.raises(ValueError, match="loopback"):
        check_against(Acme(), "http://192.0.2.1:8000", [EXAMPLE])


def test_a_trial_says_at_once_when_there_is_no_server() -> None:
    """Else every promise would seem broken."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        with pytest.raises(ValueError, match="nothing answers at"):
            check_against(Acme(), f"http://127.0.0.1:{nobody.getsockname()[1]}", [EXAMPLE])


def test_a_trial_wants_a_key_that_can_be_found_again() -> None:
    """A key of one letter stands in every file."""
    with pytest.raises(ValueError, match="a key of fewer than"):
        check_against(Acme(), "http://127.0.0.1:9", [EXAMPLE], key="k")


class OrdersAgain(Acme):
    """Does not believe the first answer to each order."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def read_submit(self, job: Any, reply: Any) -> Any:
        if job.key not in self._seen:
            self._seen.add(job.key)
            return Throttled(message="again", retry_after_s=0.01)
        return super().read_submit(job, reply)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "key", "sentence"),
    [
        (OrdersAgain, KEY, "exactly one POST for each job reaches the vendor"),
        (PagesEnd, KEY, "every job is saved once, save the one whose answer was lost"),
        (Acme, "another-key", "every job is saved once, save the one whose answer was lost"),
        (RefusesItsExample, KEY, "the example's order can be planned"),
    ],
)
def test_a_trial_finds_what_only_a_run_can_show(bad: Any, key: str, sentence: str) -> None:
    """What reaches the server is counted on the way, and held against the database."""
    with open_acme() as acme, pytest.raises(AssertionError) as told:
        check_against(bad(), acme.url, [EXAMPLE], key=key, rows=4)

    assert sentence in str(told.value)
