"""Commands that tell of vendors: models and the account."""

from pathlib import Path

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session

USE = click.option("--use", metavar="NAME", help="Only this dialect, as under provider.use.")


@command("models", examples=["batchgen models", "batchgen models --use openai --offline", "batchgen models --json | jq '.models[].name'"])
@USE
@click.option("--offline", is_flag=True, help="Do not ask the vendors for prices.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def models(session: Session, use: str | None, offline: bool, as_json: bool) -> None:
    """Show what each known model takes and costs; unknown models pass with a warning."""
    from batchgen.app.catalogue import offers

    found = offers(session.settings, use=use, offline=offline)
    for trouble in found.troubles:
        output.tell(f"warning: {trouble}", err=True)
    if as_json:
        prices = [{"source": listed.source, "at": listed.at.isoformat(), "names": len(listed.prices)} for listed in found.listed]
        output.document("models", models=[offer.as_object() for offer in found.offers], prices=prices)
        return
    seen = ""
    for offer in found.offers:
        if offer.use != seen:
            seen = offer.use
            click.echo(f"[{offer.use}] {output.harmless(offer.origin)}")
        for text in offer.lines():
            click.echo(output.harmless(text))
    for listed in found.listed:
        click.echo(f"prices of {listed.at:%Y-%m-%d %H:%M} UTC from {listed.source}", err=True)
    if not found.listed:
        click.echo("no catalogue was asked: prices are unknown" if offline else "no catalogue answered: prices are unknown", err=True)


@command("account", examples=["batchgen account", "batchgen account night.yaml --json", "batchgen account --use jimmyai-video"])
@click.argument("manifest", required=False, type=click.Path(path_type=Path))
@USE
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def account(session: Session, manifest: Path | None, use: str | None, as_json: bool) -> None:
    """Show the account's balance, the key's quota and the catalogue's prices, of the manifest's provider or of jimmyai."""
    from batchgen.app.accounting import provider_for, statement

    told = statement(provider_for(manifest, use, session.settings), session.settings)
    if as_json:
        output.document("account", **told.as_object())
        return
    for text in told.lines():
        click.echo(output.harmless(text))
