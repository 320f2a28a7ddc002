"""What a batch has cost, as ``status --json`` tells it and as the vendor saw it."""

from tests.support.cli import CommandLine, Vendor


def books(cli: CommandLine, *words: str) -> str:
    """Write orders and money of the one batch in a line: ``2 orders, 0.06 spent, 0 reserved, 0 held``."""
    (batch,) = cli(*words, "status", "--json").document["batches"]
    money = batch["money"]
    return f"{money['orders']} orders, {money['spent']} spent, {money['reserved']} reserved, {money['held']} held"


def bill(vendor: Vendor) -> str:
    """Write what the vendor saw: ``2 POSTs, 2 charges``."""
    return f"{vendor.posts} POSTs, {len(vendor.charges())} charges"
