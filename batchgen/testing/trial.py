"""A small batch for a trial: the real planner, database, client and shelf in a folder of its own."""

import json
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from batchgen import __version__
from batchgen.app import database
from batchgen.app.clock import SystemClock
from batchgen.app.fitting import Ports
from batchgen.app.reading import JobFilter, Row, jobs
from batchgen.app.reports import Report
from batchgen.app.shift import Shift
from batchgen.app.vendor import Vendor, endpoint_of
from batchgen.app.verifying import Audit, verify
from batchgen.core.dialects import Attachment, Call, Dialect, Reply
from batchgen.core.errors import ExchangeError
from batchgen.core.ports import Answer, Client, Fetched, Sink
from batchgen.files.inspector import Inspector
from batchgen.files.referencecheck import inspect_image
from batchgen.logs import lines as diary
from batchgen.planning.loader import load
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.store import plans, queries
from batchgen.store.lock import RunLock
from batchgen.testing.examples import Example
from batchgen.testing.relay import Relay

BATCH: Final = "conformance"

_KEY_ENV: Final = "CONFORMANCE_KEY"
_EXTENSIONS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One batch of orders like the example's, each with a prompt of its own."""

    dialect: Dialect
    example: Example
    folder: Path
    base_url: str
    key: str
    rows: int
    in_flight: int

    @property
    def settings(self) -> Settings:
        """Give the surroundings: nothing but the trial's own folder."""
        return Settings.from_environment({}, db=str(self.folder / "jobs.db"))

    def run(self, relay: Relay) -> Report:
        """Plan the batch, save it and work until nothing is left; again = resume."""
        with closing(Inspector()) as inspector:
            plan = load(
                self._manifest(),
                rules_for=lambda _use, _vendor: self.dialect,
                known_uses=(self.dialect.name,),
                measure=partial(inspect_image, inspector=inspector),
                environ={},
                max_jobs=self.rows,
            )
        wanted = plan.settings.model_copy(update={"operations": (self.example.job.operation,)})
        new = plans.NewPlan(
            name=BATCH,
            output_dir=wanted.output.dir,
            source=plan.source,
            source_path=plan.path.name,
            files="[]",
            settings=wanted.to_json(),
            total=plan.total,
            tool_version=__version__,
        )
        settings = self.settings
        with database.writing(settings) as thread, RunLock(settings.db_url):
            plans.save(thread.engine, new, plan.jobs(), at=SystemClock().now())
            stored = queries.batch_named(thread.engine, BATCH)
            kept = queries.latest_plan(thread.engine, stored.id)
            run = RunSettings.from_json(kept.settings)
            diary.configure(settings.log_file, secrets=[self.key], console=False)
            try:
                shift = Shift(
                    batch=BATCH,
                    batch_id=stored.id,
                    plan_id=kept.id,
                    run=run,
                    prices=None,
                    settings=settings,
                    thread=thread,
                    vendor=Vendor(dialect=self.dialect, endpoint=endpoint_of(run.provider, self.dialect, key=self.key)),
                    limits=run.limits(now=SystemClock().now()),
                )
                return shift.work(watch=None, fit=lambda ports: _opening(ports, relay))
            finally:
                diary.configure(None, secrets=(), console=False)

    def jobs(self) -> list[Row]:
        """Give every job as the database knows it."""
        return list(jobs(self.settings, JobFilter(batch=BATCH)))

    def verify(self) -> Audit:
        """Check every invariant and re-hash every file."""
        return verify(self.settings, None, on_progress=lambda _said: None)

    def files_with(self, secret: str) -> list[str]:
        """Name the files of the trial that hold the secret."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in found if secret.encode() in path.read_bytes())

    def _manifest(self) -> Path:
        job = self.example.job
        named = {f"reference{number}": each for number, each in enumerate(self.example.attachments, start=1)}
        roles = {
            role: [name for name, each in named.items() if each.role == role] for role in dict.fromkeys(e.role for e in named.values())
        }
        manifest: dict[str, object] = {
            "version": 1,
            "name": BATCH,
            "provider": {"use": self.dialect.name, "base_url": self.base_url, "api_key_env": _KEY_ENV},
            "operation": job.operation,
            "defaults": {
                **job.params,
                "model": job.model,
                **{role: names if len(names) > 1 else names[0] for role, names in roles.items()},
            },
            "prompts": [f"{job.prompt} {number}" for number in range(1, self.rows + 1)],
            "output": {"dir": "out"},
            "limits": {"in_flight": self.in_flight},
            "retry": {"attempts": 5, "backoff": {"initial": "100ms", "max": "1s"}},
        }
        if named:
            manifest["references"] = {name: self._reference(name, each) for name, each in named.items()}
        path = self.folder / f"{BATCH}.yaml"
        path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
        return path

    def _reference(self, name: str, attachment: Attachment) -> dict[str, str]:
        if attachment.content is None:
            return {"url": attachment.url or ""}
        path = self.folder / f"{name}.{_EXTENSIONS.get(attachment.media_type, 'png')}"
        path.write_bytes(attachment.content)
        return {"path": path.name}


@dataclass(frozen=True, slots=True)
class _Opener:
    """A client that opens the relay's door once a POST has found it shut."""

    client: Client
    relay: Relay

    async def order(self, call: Call, answer: Answer | None = None) -> Reply:
        return await self._watched(self.client.order(call, answer))

    async def ask(self, call: Call) -> Reply:
        return await (self._watched(self.client.ask(call)) if call.method == "POST" else self.client.ask(call))

    async def fetch(self, url: str, sink: Sink) -> Fetched:
        return await self.client.fetch(url, sink)

    async def close(self) -> None:
        await self.client.close()

    async def _watched(self, sending: Awaitable[Reply]) -> Reply:
        try:
            return await sending
        except ExchangeError:
            self.relay.open()
            raise


def _opening(ports: Ports, relay: Relay) -> Ports:
    return replace(ports, client=_Opener(ports.client, relay))
