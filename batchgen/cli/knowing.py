"""Commands that tell what batchgen knows: the manifest's schema, this machine, shell completion."""

import json
import sys
from pathlib import Path

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session


@command(
    "schema",
    examples=[
        "batchgen schema > manifest.v1.schema.json",
        "batchgen schema --vendor > vendor.v1.schema.json",
        "batchgen schema --output manifests/manifest.v1.schema.json",
    ],
)
@click.option("--output", "target", type=click.Path(path_type=Path), help="Write to this file instead of stdout.")
@click.option("--vendor", is_flag=True, help="The schema of a vendor's description (use: http) instead of the manifest's.")
def schema(target: Path | None, vendor: bool) -> None:
    """Print the JSON Schema of the manifest, or of a vendor's description, for editors."""
    from batchgen.planning.schema import manifest_schema
    from batchgen.planning.vendors import vendor_schema

    text = json.dumps(vendor_schema() if vendor else manifest_schema(), ensure_ascii=False, indent=2) + "\n"
    if target is None:
        click.echo(text, nl=False)
    else:
        target.write_text(text, encoding="utf-8")


@command("doctor", examples=["batchgen doctor", "batchgen doctor --db /data/night.db --json"])
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def doctor(session: Session, as_json: bool) -> int:
    """Check Python, SQLite, key, disk, clock, terminal and schema; say how to mend what is wrong."""
    from batchgen.app.doctor import examine

    findings = examine(session.settings, is_terminal=sys.stderr.isatty(), encoding=sys.stdout.encoding or "")
    if as_json:
        output.document("doctor", findings=[{"check": f.check, "verdict": f.verdict, "found": f.found, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:<5} {finding.check:<10} {finding.found}")
            if finding.fix:
                click.echo(f"{'':<17}fix: {finding.fix}")
    return max(finding.exit_code for finding in findings)


@command(
    "completion", examples=["batchgen completion bash >> ~/.bashrc", "batchgen completion fish > ~/.config/fish/completions/batchgen.fish"]
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "batchgen", "_BATCHGEN_COMPLETE").source())
