"""The half that needs no network: a dialect is pure, so everything that it promises can be asked of it directly."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from batchgen.core.dialects import Dialect, Question, Reply
from batchgen.core.jobs import Params
from batchgen.testing.calls import check_key, check_order, check_questions, check_same
from batchgen.testing.examples import Example
from batchgen.testing.findings import Findings
from batchgen.testing.following import check_tasks
from batchgen.testing.hostile import JUNK_WAITS, mutations, strangers, wrong_types
from batchgen.testing.ordering import check_answers
from batchgen.testing.readings import check_names, check_order_reading, check_task_reading
from batchgen.testing.rules import check_attributes, check_rules, is_dialect
from batchgen.testing.services import check_services

MUTATIONS: Final = 10_000


def check_dialect(
    dialect: Dialect, examples: Sequence[Example], *, usual: Params | None = None, mutants: int = MUTATIONS, seed: int = 1
) -> None:
    """Check everything that a dialect promises; raise AssertionError with every broken promise, or return.

    Give one example for each operation, and more where answers differ. ``usual`` holds values for parameters that the models describe in
    words only. ``mutants`` mutated answers, made from the examples' by ``seed``, are shared out among the examples. Takes a few seconds.
    """
    examples = [example.copied() for example in examples]
    findings = Findings(getattr(dialect, "name", type(dialect).__name__))
    findings.unless(examples, "there is at least one example")
    if is_dialect(dialect, findings):
        check_attributes(dialect, findings)
        check_rules(dialect, examples, findings, usual=usual or {})
        for number, example in enumerate(examples):
            findings.where = f"example {number + 1}"
            _check_example(dialect, example, findings, mutants=mutants // len(examples), seed=seed + number)
        findings.where = ""
        check_services(dialect, _hostile(examples, mutants=mutants // 5, seed=seed), findings)
    findings.conclude()


def _check_example(dialect: Dialect, example: Example, findings: Findings, *, mutants: int, seed: int) -> None:
    first = check_order(dialect, example, findings)
    check_questions(dialect, example, findings)
    check_key(dialect, example, findings)
    check_answers(dialect, example, findings)
    check_tasks(dialect, example, findings)
    _check_familiar(dialect, example, findings)
    for name, reply in _hostile([example], mutants=mutants, seed=seed):
        _check_reply(dialect, example, name, reply, findings)
    if first is not None:
        # A second or so has passed since the first: what was taken from the clock would differ.
        check_same(first, dialect, example, findings)


def _hostile(examples: Sequence[Example], *, mutants: int, seed: int) -> Iterator[tuple[str, Reply]]:
    replies = [reply for example in examples for reply in example.replies]
    yield from strangers()
    yield from wrong_types(replies)
    for junk in JUNK_WAITS:
        waits = {"retry-after": junk, "retry-after-ms": junk, "date": junk}
        yield from ((f"Retry-After {junk!r:.40}", replace(reply, headers=waits)) for reply in replies)
    yield from mutations(replies, mutants, seed=seed)


def _check_familiar(dialect: Dialect, example: Example, findings: Findings) -> None:
    for reply in example.replies:
        names = findings.attempt("unfamiliar", lambda reply=reply: list(dialect.unfamiliar(example.job, reply)))  # type: ignore[misc]
        findings.unless(not names, "nothing in the examples is unfamiliar", f"{names}")


def _check_reply(dialect: Dialect, example: Example, name: str, reply: Reply, findings: Findings) -> None:
    """Show one hostile answer to everything that reads answers."""
    ordered, asked = example.job, replace(example.job, task_id=example.task_id or "sync-1")
    evidence = f"{name} (HTTP {reply.status} {reply.body[:60]!r})"
    taken = findings.attempt("read_submit", lambda: dialect.read_submit(ordered, reply), evidence)
    if taken is not None:
        check_order_reading(taken, reply, findings, evidence)
    told = findings.attempt("read_poll", lambda: dialect.read_poll(asked, reply), evidence)
    if told is not None:
        check_task_reading(told, findings, evidence)
    names = findings.attempt("unfamiliar", lambda: dialect.unfamiliar(asked, reply), evidence)
    if names is not None:
        check_names(names, findings, evidence)
    for following in _questions(dialect, example):
        result = findings.attempt("a further question's read", lambda read=following.read: read(reply), evidence)  # type: ignore[misc]
        if result is not None:
            findings.unless(not isinstance(result, Question), "a further question leads to an answer, not to more questions", evidence)
            check_task_reading(result, findings, evidence)


def _questions(dialect: Dialect, example: Example) -> Iterator[Question]:
    if len(example.done) > 1:
        reading = dialect.read_poll(replace(example.job, task_id=example.task_id), example.done[0])
        if isinstance(reading, Question):
            yield reading
