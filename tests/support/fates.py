"""What became of a run: each failure test compares all of it, so that no figure goes unlooked at."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.cli import CommandLine, Finished, study, wait_until
from tests.support.rude_vendor import COST, RudeVendor


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a run left its batch.

    ``jobs`` holds ``state(reason): outcome outcome`` for each row, an outcome an order; ``money`` is what ``status --json`` calls spent,
    reserved and held; ``posts`` and ``charges`` are the vendor's own counts.
    """

    code: int
    jobs: tuple[str, ...]
    money: tuple[str, str, str] = ("0", "0", "0")
    posts: int
    charges: int = 0


def manifest(url: str, rows: int, **changes: object) -> dict[str, object]:
    """Give a manifest of so many rows of a known price, ordered one after the other with quick retries."""
    usual = {"provider": {"use": "jimmyai", "base_url": url, "prices": {"gpt-image-2": COST}}, "limits": {"in_flight": 1}}
    return study(url, [f"gate {number}" for number in range(1, rows + 1)], **usual | changes)


def told(cli: CommandLine, run: Finished) -> tuple[dict[str, object], str]:
    """Give the batch as ``status --json`` has it, and all that an operator may have read: the run's outputs and that status."""
    (batch,) = cli("status", "--json").document["batches"]
    return batch, "\n".join((run.out, run.err, json.dumps(batch, ensure_ascii=False)))


def fate(cli: CommandLine, run: Finished, batch: dict[str, object], *, posts: int, charges: int) -> Fate:
    """Gather what became of a run."""
    money = batch["money"]
    return Fate(
        code=run.code,
        jobs=tuple(_stories(cli)),
        money=(money["spent"], money["reserved"], money["held"]),
        posts=posts,
        charges=charges,
    )


def fate_of(cli: CommandLine, run: Finished, batch: dict[str, object], vendor: RudeVendor) -> Fate:
    """Gather what became of a run that ordered from this vendor."""
    return fate(cli, run, batch, posts=vendor.posts, charges=len(vendor.charges))


def run_until(cli: CommandLine, *words: str) -> Finished:
    """Start a run, wait until its diary holds the words, and end it as an operator would."""
    diary = cli.folder / "batchgen.log"

    def is_over() -> bool:
        told = diary.read_text(encoding="utf-8") if diary.exists() else ""
        return running.poll() is not None or all(word in told for word in words)

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(is_over, timeout_s=90)
        running.send_signal(signal.SIGTERM)
        return cli.finish(running)


def _stories(cli: CommandLine) -> Iterator[str]:
    query = "SELECT v.key, v.state, v.reason FROM v_jobs v ORDER BY v.prompt"
    for job in cli.select(query):
        orders = cli.select("SELECT outcome FROM v_attempts WHERE key = ? ORDER BY n", job["key"])
        reason = f"({job['reason']})" if job["reason"] else ""
        yield f"{job['state']}{reason}: {' '.join(order['outcome'] for order in orders)}".rstrip(": ")
