"""Job databases for tests: fresh ones copied from a template, on SQLite and on a real PostgreSQL, and rows to put in them."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, text

from batchgen.core import events as e
from batchgen.core.jobs import Change, Job, JobId, JobSpec, Recorded
from batchgen.core.money import Micros
from batchgen.core.states import State
from batchgen.store import invariants, migrate, plans, queries, runs
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.plans import NewPlan
from batchgen.store.writer import DatabaseThread
from tests.support.servers import pg_server

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"
START: Final = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
SHA256: Final = "ab" * 32
PRICE: Final = Micros(60_000)

_numbers: Final = count(1)


@cache
def _template() -> Path:
    """Give an SQLite database at the head, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="batchgen-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate.upgrade(str(folder / "template.db"), MIGRATIONS)
    return folder / "template.db"


def sqlite_url(folder: Path) -> str:
    """Put a fresh SQLite database into the folder."""
    path = folder / f"jobs{next(_numbers)}.db"
    shutil.copy(_template(), path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start the packaged PostgreSQL server in a temporary folder; give the URL of its maintenance database."""
    with pg_server() as server:
        with _admin(server.url) as connection:
            connection.execute(text("CREATE DATABASE template_jobs"))
        migrate.upgrade(_named(server.url, "template_jobs"), MIGRATIONS)
        yield server.url


def postgres_url(server: str, template: str = "template_jobs") -> str:
    """Make a database on the server, at the head or like another one; it goes when the server goes."""
    name = f"jobs{next(_numbers)}"
    with _admin(server) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    return _named(server, name)


@contextmanager
def _admin(server: str) -> Iterator[Connection]:
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _named(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


def spec(number: int, **changes: Any) -> JobSpec:
    """Build the row of that number, as a plan asks for it."""
    plain = JobSpec(
        key=f"{number:032x}",
        sweep="main",
        prompt_id=f"p{number}",
        prompt=f"A neon sign that says {number}",
        operation="image",
        model="painter",
        params='{"model":"painter","quality":"high","resolution":"1k"}',
        labels='{"animal":"fox"}',
        references="[]",
        cell="c1",
        sample=1,
        ordinal=0,
        position=number,
    )
    return plain._replace(**changes)


def specs(how_many: int, *, first: int = 1, **changes: Any) -> list[JobSpec]:
    """Build rows of successive numbers."""
    return [spec(number, **changes) for number in range(first, first + how_many)]


def new_plan(name: str = "night", **changes: Any) -> NewPlan:
    """Build what a plan is beside its rows."""
    plain: dict[str, Any] = {
        "name": name,
        "output_dir": "/images/night",
        "source": b"version: 1\n",
        "source_path": "night.yaml",
        "files": "[]",
        "settings": '{"name": "night"}',
        "total": 1,
        "tool_version": "0.1.0",
    }
    return NewPlan(**plain | changes)


def image(name: str = "main/a.png", **changes: Any) -> e.Image:
    """Build an image file of that name."""
    plain: dict[str, Any] = {"temp": f"{name}.part", "sha256": SHA256, "bytes": 1000, "width": 64, "height": 64, "media_type": "image/png"}
    return e.Image(path=name, **plain | changes)


def event(kind: type[e.Event], **changes: Any) -> e.Event:
    """Build an event of the class, with something in every field that has no default; task ids and paths are never the same twice."""
    number = next(_numbers)
    usual: dict[str, Any] = {
        "reason": "because",
        "body_sha256": SHA256,
        "reserved": PRICE,
        "task_id": f"task-{number}",
        "cost": PRICE,
        "urls": (f"https://cdn.example/{number}.png?signature=secret",),
        "expires_at": START + timedelta(days=1),
        "images": (image(f"main/{number}.png"),),
    }
    return kind(**{name: value for name, value in usual.items() if name in kind.__dataclass_fields__} | changes)


def violated(engine: Engine) -> list[str]:
    """Name the invariants that do not hold in a database, in order of their names."""
    return sorted(finding.name for finding in invariants.examine(engine) if finding.violations)


@dataclass(slots=True, kw_only=True)
class Table:
    """A job table with its database thread, and one call for one change."""

    url: str
    engine: Engine
    thread: DatabaseThread
    ledger: SqlLedger
    batch_id: int
    run_id: int
    name: str = "night"
    versions: dict[int, int] = field(default_factory=dict)

    def change(self, job_id: int, kind: type[e.Event] | e.Event, *, at: datetime = START, actor: str = "runner", **facts: Any) -> Change:
        """Build the next change of a job, at the version it has after the changes recorded through this table."""
        happened = kind if isinstance(kind, e.Event) else event(kind, **facts)
        return Change(job_id=JobId(job_id), version=self.versions.get(job_id, 0), event=happened, at=at, actor=actor)

    def record(self, job_id: int, kind: type[e.Event] | e.Event, **facts: Any) -> Recorded:
        """Record the next event of a job and wait for its commit."""
        recorded = self.ledger.record(self.change(job_id, kind, **facts)).result()
        self.versions[job_id] = recorded.version
        return recorded

    def walk(self, job_id: int, *kinds: type[e.Event]) -> State:
        """Record events one after the other and give the state they lead to."""
        return [self.record(job_id, kind) for kind in kinds][-1].state

    def claim(self, limit: int = 100, *, at: datetime = START, skip: Iterable[int] = (), full_models: Iterable[str] = ()) -> list[Job]:
        """Claim planned rows."""
        return self.ledger.claim(limit=limit, now=at, skip=frozenset(skip), full_models=frozenset(full_models)).result()

    def live(self) -> list[Job]:
        """Give the rows that a run has in its hands."""
        return self.ledger.live().result()

    def totals(self) -> queries.Totals:
        """Count jobs and money."""
        return queries.totals(self.engine, self.batch_id)

    def story(self, number: int) -> dict[str, Any]:
        """Tell one job's story."""
        return queries.story(self.engine, f"{number:032x}", batch=self.name)

    def violations(self) -> list[str]:
        """Name the invariants that do not hold."""
        return violated(self.engine)

    def sql(self, statement: str) -> Any:
        """Run a statement past the ledger."""
        with self.engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else result.rowcount


OpenTable = Callable[..., Table]


@contextmanager
def opened(url: str) -> Iterator[OpenTable]:
    """Give a function that plans rows in the database and opens a table on them; all is closed at the end."""
    with ExitStack() as stack:

        def open_table(how_many: int = 1, *, rows: Iterable[JobSpec] | None = None, name: str = "night") -> Table:
            engine = open_engine(url)
            stack.callback(engine.dispose)
            plans.save(engine, new_plan(name), specs(how_many) if rows is None else rows, at=START)
            thread = DatabaseThread(engine)
            stack.callback(thread.close)
            batch = queries.batch_named(engine, name)
            process = runs.Process(host="night-1", pid=4711, boot_id="b00t", tool_version="0.1.0")
            started = thread.call(lambda c: runs.start(c, batch_id=batch.id, process=process, at=START, lease_s=86_400.0))
            run_id = started.result()
            ledger = SqlLedger(thread, batch_id=batch.id, run_id=run_id)
            return Table(url=url, engine=engine, thread=thread, ledger=ledger, batch_id=batch.id, run_id=run_id, name=name)

        yield open_table
