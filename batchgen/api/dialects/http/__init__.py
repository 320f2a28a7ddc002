"""A vendor described in words: paths, a body with placeholders, and pointers into its answers.

Pure. It builds Calls and reads Replies; whatever the bytes, reading one gives exactly one meaning and never raises.

How an order's answer is read. A usable id (or, from a synchronous vendor, an image) in a JSON answer with HTTP 2xx means that the order was
taken. Otherwise the description's own rules decide, then what the HTTP status proves; everything else is Unreadable, and the order counts
as perhaps billed. Rules speak of JSON only: a gateway's page never decides anything by its words.
"""

from collections.abc import Mapping, Sequence
from json import dumps
from types import MappingProxyType
from typing import Final

from batchgen.api.dialects.http import answers, checks, filling
from batchgen.api.dialects.http.description import Description, read
from batchgen.core.dialects import Attachment, Call, Complaint, Model, Prices, Question, Reference, Reply, Way
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.readings import Done, NotFound, PollReading, SubmitReading


class HttpDialect:
    """The language of one described vendor (``core.dialects.Dialect``)."""

    def __init__(self, description: Mapping[str, object]) -> None:
        """Take a description as ``planning.vendors`` gives it."""
        about = read(description)
        self._about: Final[Description] = about
        self.name: str = about.name
        self.unit: str = about.unit
        self.params: tuple[str, ...] = ("model", *about.params)
        self.roles: tuple[str, ...] = tuple(about.roles)
        self.operations: tuple[str, ...] = ("image",)
        self.synchronous: frozenset[str] = frozenset(self.operations if about.poll is None else ())
        self.result_ttl_s: float = about.result_ttl_s
        self.key_env: str = about.key_env
        self.base_url: str = about.base_url
        self.api_path: str = ""
        self.sync_hosts: Mapping[str, str] = MappingProxyType({})
        self.authorization: tuple[str, str] = about.authorization

    def ways(self, operation: str) -> frozenset[Way]:
        """Say how references may travel in an operation: in any of the ways that one of the roles takes."""
        if operation not in self.operations:
            return frozenset()
        return frozenset(way for role in self._about.roles.values() for way in role.ways)

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """List what the description rules out in this combination; warnings pass."""
        if operation not in self.operations:
            return [Complaint(param="operation", message=f"{self.name} does no {operation!r}", hint=f"it does {self.operations[0]}")]
        return list(checks.complaints(self._about, params, prompt_chars=prompt_chars, references=references))

    def models(self) -> Sequence[Model]:
        """List the models that the description names."""
        most = sum(role.most or 0 for role in self._about.roles.values())
        return [Model(name=name, max_references=most, operations=self.operations) for name in self._about.prices]

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:  # noqa: ARG002 - of the protocol
        """Give the model's price in the user's own list, else in the description, else None."""
        name = params.get("model", "")
        return prices[name].micros if name in prices else self._about.prices.get(name)

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Build the order for the job; with the same attachments its body is byte for byte the same each time."""
        about, known = self._about, self._values(job, attachments)
        text = dumps(filling.body(about.submit.body, known), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Call(
            method="POST",
            path=filling.path(about.submit.path, known),
            body=text.encode(),
            headers=filling.headers(about.submit.headers, known),
            host="sync" if about.poll is None else "api",
            is_synchronous=about.poll is None,
        )

    def read_submit(self, job: Job, reply: Reply) -> SubmitReading:  # noqa: ARG002 - of the protocol
        """Say what became of an order."""
        return answers.order_outcome(self._about, reply)

    def poll(self, job: Job) -> Call:
        """Build the question about the job's task; its id is quoted, whatever it holds.

        A vendor without tasks is never asked: a run reads the kept answer again instead.
        """
        poll = self._about.poll
        return Call(method="GET", path="/" if poll is None else filling.path(poll.path, self._values(job)))

    def read_poll(self, job: Job, reply: Reply) -> PollReading | Question:
        """Say what became of a task; where the result stands elsewhere, a finished task leads to one more question."""
        about = self._about
        if about.poll is None:
            return NotFound(message="this vendor has no tasks")
        reading, result = answers.progress(about, about.poll, reply), about.result
        if result is None or not isinstance(reading, Done):
            return reading
        cost = reading.cost
        call = Call(method="GET", path=filling.path(result.path, self._values(job)))
        return Question(call=call, read=lambda answer: answers.result(about, result, answer, known_cost=cost))

    def unfamiliar(self, job: Job, reply: Reply) -> Sequence[str]:  # noqa: ARG002 - of the protocol
        """Name a status word that the description does not list; it says nothing of other fields."""
        poll, answer = self._about.poll, answers.opened(self._about, reply)
        word = answers.status_word(poll, answer) if poll is not None and answer.is_success else ""
        return (f"status {word}"[:80],) if poll is not None and word and word.lower() not in poll.words else ()

    def _values(self, job: Job, attachments: Sequence[Attachment] = ()) -> filling.Values:
        return filling.values(job, attachments, params=self._about.params, roles=self.roles)
