"""What a batch still needs: rows and prices before a run, what is left undecided after it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, literal_column, select

from batchgen.core.pricing import RowKind
from batchgen.core.states import State
from batchgen.store import schema as s
from batchgen.store.engine import place_of, reading
from batchgen.store.faults import translated

_ASKED: Final = (s.job.c.operation, s.job.c.model, s.job.c.params, s.job.c.refs)
_MEAN_OF: Final = 500
"""How many of the latest images their mean size is taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """``planned`` counts the rows not yet sent, by what they order; ``mean_bytes`` is the size of recent images, None before the first."""

    planned: Mapping[RowKind, int]
    mean_bytes: int | None


def outlook(engine: Engine, batch: str) -> Outlook:
    """Look at what is still to be ordered in a batch; empty for a batch that does not exist."""
    query = (
        select(*_ASKED, func.count())
        .join(s.batch, s.batch.c.id == s.job.c.batch_id)
        .where(s.batch.c.name == batch, s.job.c.state == literal_column(f"'{State.PLANNED.value}'"))
        .group_by(*_ASKED)
    )
    recent = select(s.artifact.c.bytes).order_by(s.artifact.c.id.desc()).limit(_MEAN_OF).subquery()
    with translated(place_of(engine.url)), reading(engine).connect() as connection:
        mean = connection.scalar(select(func.avg(recent.c.bytes)))
        rows = connection.execute(query).all()
    planned: Counter[RowKind] = Counter()
    for operation, model, params, refs, count in rows:
        planned[RowKind(operation, model, params, len(json.loads(refs)))] += count
    return Outlook(planned=planned, mean_bytes=None if mean is None else int(mean))


def undecided(engine: Engine, batch_id: int) -> int:
    """Count the jobs that failed or wait for a decision, without those that the manifest no longer asks for."""
    total = 0
    for state in (State.FAILED, State.AMBIGUOUS):
        mine = (s.job.c.batch_id == batch_id) & (s.job.c.state == literal_column(f"'{state.value}'")) & s.job.c.retired_at.is_(None)
        with translated(place_of(engine.url)), reading(engine).connect() as connection:
            total += connection.scalar(select(func.count()).select_from(s.job).where(mine)) or 0
    return total
