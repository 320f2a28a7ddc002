"""A batch and a job, told for people."""

from batchgen.app.reading import Story

ADDRESS = {"name": "wall", "url": "https://example.com/wall.jpg"}
FILE = {"name": "hole", "sha256": "3fa2b1c0" * 8, "role": "mask"}
JOB = {"key": "3f2a", "state": "planned", "reason": "", "prompt": "a fox", "operation": "edit", "params": {"model": "painter"}}
ROW = {"batch": "night", "sweep": "main", "prompt_id": "p1", "cell": "c1", "sample": 1, "path": None}


def _attempt(outcome: str, *, est: int | None = 60_000) -> dict[str, object]:
    plain = {"n": 1, "task_id": None, "cost_micros": None, "opened_at": "then", "reason": "", "detail": ""}
    return {**plain, "outcome": outcome, "est_micros": est}


def _lines(*attempts: dict[str, object]) -> list[str]:
    job = {**JOB, **ROW, "refs": [ADDRESS, FILE]}
    return list(Story(told={"job": job, "attempts": attempts, "events": []}, unit="coin").lines())


def test_a_story_names_operation_and_references() -> None:
    """Each reference has its role, its name, and its address or the beginning of its hash."""
    lines = _lines()

    assert "  operation  edit" in lines
    assert "  reference  images wall https://example.com/wall.jpg" in lines
    assert "  reference  mask hole 3fa2b1c0" in lines


def test_amounts_of_a_story_have_their_unit() -> None:
    """An order that may be bought has an amount or says that none is known; one that cost nothing has none."""
    bought, unpriced, refused, unsent = _lines(
        *map(_attempt, ("accepted",)), _attempt("ambiguous", est=None), *map(_attempt, ("refused", "not_sent"))
    )[-4:]

    assert "accepted, 0.06 coin, task" in bought
    assert "ambiguous, price unknown, task" in unpriced
    assert ["  order 1  refused, task -, then", "  order 1  not_sent, task -, then"] == [refused, unsent]
