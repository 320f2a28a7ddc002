"""How a batch is steered, in words."""

from batchgen.app.standing import Standing
from batchgen.core.limits import Limits
from batchgen.store.queries import Batch

BATCH = Batch(id=1, name="night", output_dir="pictures", created_at="2026-11-26T14:00:00Z")


def _at_work(*pids: int) -> str:
    runs = [{"id": pid, "pid": pid, "host": "studio"} for pid in pids]
    return Standing(batch=BATCH, runs=runs, paused=None, waiting=[], changes=[], limits=Limits()).at_work


def test_it_is_told_who_works() -> None:
    """One by its process, several by their number."""
    said = [_at_work(), _at_work(7), _at_work(7, 8)]

    assert ["no process works on it", "process 7 on studio works on it", "2 workers work on it"] == said
