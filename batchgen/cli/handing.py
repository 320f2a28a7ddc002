"""Commands that hand a batch on to others: export, bundle."""

import sys
from pathlib import Path

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.cli.reading import AS_JSON, BATCH

VIEWS = ("v_jobs", "v_attempts", "v_events", "v_failures", "v_cost_by_model", "v_latency", "v_throughput_5m", "v_files", "v_ambiguous")
FORMATS = ("csv", "jsonl", "parquet")


@command(
    "export",
    examples=[
        "batchgen export poster-study --output jobs.csv",
        "batchgen export --view v_events --format jsonl | jq .event",
        "batchgen export poster-study --excel-safe --output for-a-spreadsheet.csv",
    ],
)
@BATCH
@click.option("--view", default="v_jobs", show_default=True, metavar="NAME", help=f"One of: {', '.join(VIEWS)}.")
@click.option("--format", "wanted", type=click.Choice(FORMATS), help="[default: what the file's suffix says, else csv]")
@click.option("--output", "target", type=click.Path(path_type=Path), metavar="FILE", help="New file.  [default: standard output]")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@click.option("--excel-safe", is_flag=True, help="CSV in which no text is taken for a formula: such texts get an apostrophe.")
@pass_session
def export(session: Session, batch: str | None, view: str, wanted: str | None, target: Path | None, force: bool, excel_safe: bool) -> None:
    """Write a public view as CSV, JSON lines or Parquet.

    The columns are exactly the view's, so money is whole millionths of the vendor's unit (*_micros), not the decimal text of "jobs --json".
    CSV is RFC 4180 in UTF-8, texts byte for byte; a value that is not there is an empty cell. In JSON lines, columns of JSON are values,
    and each object of v_jobs begins with a custom_id, which is the job's key. Parquet needs a file and the extra 'parquet'.
    """
    from batchgen.app import exporting

    format_name = exporting.chosen_format(target, wanted)
    table = exporting.Wanted(view=view, batch=batch, format_name=format_name, is_excel_safe=excel_safe)
    exporting.export(session.settings, table, target or sys.stdout.buffer, replaces=force)


@command("bundle", examples=["batchgen bundle poster-study", "batchgen bundle poster-study --output /media/audit/poster-study.zip"])
@BATCH
@click.option(
    "--output", "target", type=click.Path(path_type=Path), metavar="PATH", help="New folder, or a file.zip.  [default: BATCH-bundle]"
)
@AS_JSON
@pass_session
def bundle(session: Session, batch: str | None, target: Path | None, as_json: bool) -> int:
    """Put all that a batch left into one folder or zip archive, for who audits it elsewhere.

    It holds a copy of the whole job database without signed addresses, the manifest of the latest plan, the batch's images with their
    sidecars, and SHA256SUMS. Other batches are in the database by their rows only. A run may go on meanwhile. Exit 3 if an image is not
    as it was saved; the bundle then has what there is. Check it anywhere with verify --bundle.
    """
    from batchgen.app.bundling import bundle as pack

    done = pack(session.settings, batch, target, on_progress=lambda text: output.tell(text, err=True))
    if as_json:
        output.document("bundle", **done.as_object())
    else:
        for text in done.lines():
            output.tell(text)
    return 3 if done.amiss else 0
