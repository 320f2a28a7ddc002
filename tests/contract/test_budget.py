"""The caps hold whoever orders: many claimers at once, on SQLite and on PostgreSQL, with answers of every kind coming in between."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from batchgen.core import events as e
from batchgen.core.errors import BudgetReachedError, StaleJobError
from batchgen.core.jobs import Change
from batchgen.core.limits import Cap
from batchgen.core.money import Micros
from batchgen.store import runs
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.writer import DatabaseThread
from tests.support.databases import START, Table, event, opened, postgres_url, spec, sqlite_url, violated

CLAIMERS = 6
ROWS = 90
MODELS = {"dear": 90_000, "fair": 40_000, "cheap": 7_000}
CAPS: dict[str, Any] = {"cap_cost": Micros(1_500_000), "cap_orders": 70, "day_cap": Cap(cost=Micros(1_200_000))}
MODEL_CAPS = {"dear": Cap(cost=Micros(500_000)), "fair": Cap(orders=11), "cheap": Cap()}

_TAKEN = """SELECT j.model, count(*), sum(coalesce(a.cost_micros, a.est_micros)) FROM attempt a JOIN job j ON j.id = a.job_id
            WHERE a.outcome IN ('open', 'accepted', 'ambiguous', 'unproven') GROUP BY j.model"""


def _passed(engine: Engine) -> list[str]:
    """Name the caps that what is or may be bought has passed, by a count of the orders themselves."""
    with engine.connect() as connection:
        taken = {model: (orders, int(cost)) for model, orders, cost in connection.execute(text(_TAKEN))}
    orders, cost = (sum(column) for column in zip(*taken.values(), strict=True)) if taken else (0, 0)
    day = CAPS["day_cap"]
    passed = [name for name, cap in (("batch", CAPS["cap_cost"]), ("day", day.cost)) if cost > cap]
    passed += ["orders"] * (orders > CAPS["cap_orders"])
    for model, (count, spent) in taken.items():
        cap = MODEL_CAPS[model]
        passed += [model] * ((cap.cost is not None and spent > cap.cost) or (cap.orders is not None and count > cap.orders))
    return passed


def _answer(random: Random, price: int) -> e.Event:
    """Give what may become of an order: accepted for no more than was reserved, or not, or nobody knows."""
    kind = random.choices([e.SubmitAccepted, e.SubmitNotSent, e.SubmitUnproven, e.SubmitUnknown, e.SubmitRejected], [6, 2, 1, 1, 1])[0]
    if kind is e.SubmitAccepted:
        return event(kind, cost=Micros(random.choice([0, price // 2, price])))
    return event(kind, next_at=None) if kind in {e.SubmitNotSent, e.SubmitUnproven} else event(kind)


def _claim(table: Table, seed: int) -> Counter[str]:
    """Claim and order until all that is left is refused; give how the tries ended."""
    random, seen, refused = Random(seed), Counter[str](), 0
    engine = open_engine(table.url)
    with closing(DatabaseThread(engine)) as thread:
        process = runs.Process(host="night-1", pid=seed, boot_id="b00t", tool_version="0.1.0")
        begun = thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START, lease_s=600.0))
        ledger = SqlLedger(thread, batch_id=table.batch_id, run_id=begun.result())
        while refused < 40:
            page = ledger.claim(limit=20, now=START + timedelta(days=1), skip=frozenset(), full_models=frozenset()).result()
            if not page:
                break
            job = random.choice(page)
            price = None if random.random() < 0.05 else Micros(MODELS[job.model])
            started = event(e.SubmitStarted, reserved=price, model_cap=MODEL_CAPS[job.model], **CAPS)
            change = Change(job_id=job.id, version=job.version, event=started, at=START, actor=f"claimer-{seed}")
            try:
                opened = ledger.record(change).result()
            except StaleJobError:
                seen["stale"] += 1
                continue
            except BudgetReachedError:
                seen["refused"] += 1
                refused += 1
                continue
            seen["passed"] += len(_passed(engine))
            ledger.record(replace(change, version=opened.version, event=_answer(random, price or 0))).result()
            seen["ordered"] += 1
    engine.dispose()
    return seen


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_no_cap_is_passed_by_many_claimers(kind: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Batch, model and day, money and orders: at no moment is more taken than allowed, and the books equal a recount."""
    url = sqlite_url(tmp_path) if kind == "sqlite" else postgres_url(request.getfixturevalue("postgres"))
    rows = [spec(number, model=list(MODELS)[number % 3]) for number in range(1, ROWS + 1)]
    with opened(url) as open_table:
        table = open_table(rows=rows)
        with ThreadPoolExecutor(CLAIMERS) as pool:
            seen = sum(pool.map(lambda number: _claim(table, 100 * seed + number), range(CLAIMERS)), Counter[str]())

        assert 0 == seen["passed"]
        assert seen["refused"] >= CLAIMERS
        assert seen["ordered"] >= 20
        assert [] == violated(table.engine)
        assert [] == _passed(table.engine)
