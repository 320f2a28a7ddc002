"""What an author tells the kit: one order, and the vendor's answers to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchgen.core.dialects import Attachment, Dialect, Question, Reply
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.readings import PollReading
from batchgen.core.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One order as the vendor's documentation tells it; take real answers where there are some.

    ``taken`` says that the order was taken. With ``task_id`` it names that task, and ``running``, ``done`` and ``failed`` are answers about
    it; without, it holds the result. ``done`` and ``failed`` are one answer for each question that the dialect asks. ``urls`` are those
    that the result names, empty where it stands in the answer itself. ``refused`` and ``throttled`` are answers to the order.

    An attachment may have both a ``url`` and ``content``: the first is used without a network, the second as a file in a real run.
    """

    job: Job
    attachments: tuple[Attachment, ...] = ()
    taken: Reply
    refused: Reply
    throttled: Reply
    task_id: str | None = None
    running: Reply | None = None
    done: tuple[Reply, ...] = ()
    failed: tuple[Reply, ...] = ()
    urls: tuple[str, ...] = ()

    def copied(self) -> "Example":
        """Give the example with mappings of its own, so that nobody can change another's."""
        references = tuple(dict(reference) for reference in self.job.references)
        own = replace(self.job, params=dict(self.job.params), labels=dict(self.job.labels), references=references)
        return replace(self, job=own)

    @property
    def replies(self) -> tuple[Reply, ...]:
        """Give every answer of the example."""
        running = () if self.running is None else (self.running,)
        return (self.taken, self.refused, self.throttled, *running, *self.done, *self.failed)


def job(
    model: str, *, operation: str = "image", prompt: str = "A neon sign that says OPEN", references: Sequence[str] = (), **params: str
) -> Job:
    """Make a job for an example; ``params`` are its parameters, ``references`` the names of its reference images."""
    return Job(
        id=JobId(1),
        key=JobKey("c0f0" * 8),
        batch_id=1,
        sweep="main",
        prompt_id="p1",
        prompt=prompt,
        operation=operation,
        model=model,
        params={"model": model, **params},
        labels={},
        references=tuple({"name": name} for name in references),
        cell="c1",
        sample=1,
        position=1,
        state=State.PLANNED,
        version=0,
    )


def reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Make an answer: ``body`` is sent as JSON, bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}
    return Reply(status=status, headers={**kind, **(headers or {})}, body=content)


def told(dialect: Dialect, asked: Job, replies: Sequence[Reply]) -> PollReading | Question:
    """Read the answers to one question after the other, as far as the dialect asks on."""
    reading = dialect.read_poll(asked, replies[0])
    for following in replies[1:]:
        if isinstance(reading, Question):
            reading = reading.read(following)
    return reading
