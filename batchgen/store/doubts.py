"""What the job table tells about orders whose answer was lost: when they went out, and what else cost money since."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, or_, select

from batchgen.core import events as e
from batchgen.core.reconciling import REFUNDS_TAKE, Evidence, Use
from batchgen.core.states import Outcome, State
from batchgen.store import schema as s
from batchgen.store.effects import POLICY

_A, _J, _R, _V = s.attempt.c, s.job.c, s.run.c, s.event.c


def evidence(connection: Connection, *, batch_id: int, run_id: int | None = None) -> Evidence | None:
    """Say what the table tells of the time since the run that sent the oldest order in doubt; None when no order is in doubt.

    Another run at work, whoever asks by ``run_id``, uses the key as well.
    """
    orders = s.attempt.join(s.job, _J.id == _A.job_id)
    in_doubt = (_J.batch_id == batch_id, _J.state == literal_column(f"'{State.AMBIGUOUS.value}'"), _A.id == _J.attempt_id)
    count, first_run = connection.execute(select(func.count(), func.min(_A.run_id)).select_from(orders).where(*in_doubt)).one()
    if not count:
        return None
    run = connection.execute(select(s.run).where(_R.id == first_run)).mappings().one()
    since: datetime = run["started_at"]
    mine = (_J.batch_id == batch_id, _A.run_id >= first_run, _A.outcome == Outcome.ACCEPTED.value)
    lasting = (*mine, _J.state != State.FAILED.value, ~_A.superseded)
    at_work = and_(_R.ended_at.is_(None), _R.lease_until.is_not(None), _R.id != (run_id or 0))
    unfinished = (_J.batch_id == batch_id, _J.state == literal_column(f"'{State.SUBMITTED.value}'"))
    unpriced = connection.scalar(select(func.count()).select_from(orders).where(*lasting, _A.cost_micros.is_(None)))
    explained = connection.scalar(select(func.sum(_A.cost_micros)).select_from(orders).where(*lasting))
    return Evidence(
        since=since,
        use=None if run["used_before"] is None else Use(whose=run["used_whose"], micros=run["used_before"]),
        doubtful=count,
        explained=int(explained or 0),
        unpriced=int(unpriced or 0),
        others=bool(connection.scalar(select(func.count()).where(_R.id > first_run, or_(_R.batch_id != batch_id, at_work)))),
        unfinished=int(connection.scalar(select(func.count()).where(*unfinished)) or 0),
        failed_before=_last_failure(connection, _V.at > since - REFUNDS_TAKE, _V.at <= since) is not None,
        last_failure=_last_failure(connection, _V.at > since),
    )


def repeated(connection: Connection, *, batch_id: int) -> int:
    """Give the micros of the orders in doubt that policy has had ordered again."""
    decided = s.event.join(s.attempt, _A.id == _V.attempt_id).join(s.job, _J.id == _V.job_id)
    where: tuple[Any, ...] = (_J.batch_id == batch_id, _V.is_decision, _V.event == e.ResubmitAllowed.word(), _V.actor == POLICY)
    return int(connection.scalar(select(func.sum(func.coalesce(_A.cost_micros, _A.est_micros))).select_from(decided).where(*where)) or 0)


def _last_failure(connection: Connection, *when: ColumnElement[bool]) -> datetime | None:
    """Say when a task last ended without an image, which may earn it a refund."""
    latest: datetime | None = connection.scalar(select(func.max(_V.at)).where(_V.event == e.RenderFailed.word(), *when))
    return latest
