"""Commands that look at manifests: validate and plan."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.core.errors import ManifestError
from batchgen.core.problems import Problem

if TYPE_CHECKING:
    from batchgen.app.plans import Preview

MANIFEST = click.argument("manifest", type=click.Path(path_type=Path))
SETS = click.option("--set", "sets", multiple=True, metavar="K=V", help="Set a parameter for every row; wins over the manifest.")
ONLY = click.option("--only", multiple=True, metavar="K=V", help="Only rows with this parameter, label, sweep or prompt_id.")
MAX_JOBS = click.option("--max-jobs", type=click.IntRange(1), default=10_000, show_default=True, help="Refuse larger plans.")


def problem_object(problem: Problem) -> dict[str, object]:
    """Give a problem as JSON."""
    return {name: getattr(problem, name) for name in ("path", "line", "column", "severity", "code", "message", "hint")}


@command("validate", examples=["batchgen validate manifests/*.yaml", "batchgen validate poster.yaml --json"])
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@MAX_JOBS
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def validate(session: Session, manifests: tuple[Path, ...], max_jobs: int, as_json: bool) -> int:
    """Check manifests as far as possible without database and network: schema, files, templates, impossible cells."""
    from batchgen.app.plans import check
    from batchgen.app.wording import counted

    reports = [check(path, session.settings, max_jobs=max_jobs) for path in manifests]
    problems = [problem for report in reports for problem in report.problems]
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        output.document("validate", problems=[problem_object(problem) for problem in problems])
        return 2 if errors else 0
    for problem in problems:
        output.tell(str(problem), err=True)
    for report in reports:
        if report.jobs is not None:
            output.say(f"{report.path}: {counted(report.jobs, 'job')}")
    if errors:
        click.echo(counted(errors, "error"), err=True)
    return 2 if errors else 0


@command("plan", examples=["batchgen plan poster.yaml", "batchgen plan poster.yaml --explain 3f2a", "batchgen plan poster.yaml --save"])
@MANIFEST
@SETS
@ONLY
@MAX_JOBS
@click.option("--save", is_flag=True, help="Store the rows without running them.")
@click.option("--explain", "key", metavar="KEY", help="Say who set each parameter of the job with this key.")
@click.option("--exit-code", is_flag=True, help="Exit 9 when there is work to do.")
@click.option("--offline", is_flag=True, help="Do not ask the vendor's catalogue for prices.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def plan(session: Session, /, **chosen: object) -> int:
    """Show what a run would order: new, done, changed and retired rows, money, bytes and free disk. Reads only, unless --save."""
    from batchgen.app import database, plans

    as_json = bool(chosen["as_json"])
    try:
        preview = plans.preview(
            Path(str(chosen["manifest"])),
            session.settings,
            sets=_words(chosen["sets"]),
            only=_words(chosen["only"]),
            max_jobs=_int(chosen["max_jobs"]),
            offline=bool(chosen["offline"]),
        )
    except ManifestError as error:
        if not as_json:
            raise
        output.document("plan", problems=[problem_object(problem) for problem in error.problems])
        return 2
    if chosen["key"]:
        explain(preview, str(chosen["key"]), as_json=as_json)
        return 0
    if as_json:
        output.document("plan", **plans.as_document(preview))
    else:
        show_preview(preview)
    if chosen["save"]:
        with database.writing(session.settings) as thread:
            plans.save(preview, thread, on_progress=lambda rows: click.echo(f"{rows} rows stored", err=True))
        if not as_json:
            output.tell(f"stored; next: {database.command(session.settings)} resume {preview.name}")
    return 9 if chosen["exit_code"] and preview.has_work else 0


def explain(preview: "Preview", key: str, *, as_json: bool) -> None:
    """Print who set each parameter of one job."""
    found = preview.plan.explain(key)
    if as_json:
        parameters = [{"name": f.param, "value": f.value, "layer": f.layer, "place": f.place} for f in found]
        output.document("explain", key=key, parameters=parameters)
    else:
        output.table(["PARAMETER", "VALUE", "SET BY", "WHERE"], [(f.param, f.value or "(unset)", f.layer, f.place) for f in found])


def show_preview(preview: "Preview") -> None:
    """Print a plan for people."""
    for warning in preview.plan.warnings:
        output.tell(str(warning), err=True)
    for text in preview.lines():
        output.say(text)
    provider = preview.plan.settings.provider
    for address in () if provider.use == "sim" else filter(None, (provider.base_url, provider.sync_base_url)):
        output.say(f"  orders and the key go to {address}")


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, tuple) else ()


def _int(value: object) -> int:
    return int(str(value))
