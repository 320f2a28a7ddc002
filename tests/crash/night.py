"""A whole night: manifests/parti-night.yaml against the rough simulator, killed three times at random moments, and resumed.

    python tests/crash/night.py --keep ~/night

Prints what was bought, saved, bought twice and lost, the ``verify`` line and the wall time; exits 1 unless every picture is saved once.
With ``--keep`` pictures, database and log stay in that folder.
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.chain import Told, play
from tests.support.cli import ROOT, CommandLine, Vendor, open_vendor

BATCH = "parti-night"
_PROVIDER = re.compile(r"^provider:.*\n(?:[ \t#].*\n|\n)*", re.MULTILINE)


def prepare(folder: Path, url: str) -> Path:
    """Copy the example manifests into the folder and turn the night's provider to the simulator that outlives its kills."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    manifest = folder / "manifests" / f"{BATCH}.yaml"
    text, found = _PROVIDER.subn(f"provider: {{use: jimmyai, base_url: '{url}'}}\n", manifest.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{manifest.name} has {found} provider sections")
    manifest.write_text(text, encoding="utf-8")
    return manifest


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    """Give the folder to keep, or one that vanishes afterwards."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="batchgen-night-") as name:
            yield Path(name)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()


def summary(told: Told, vendor: Vendor, cli: CommandLine) -> Iterator[str]:
    """Tell how the night went."""
    found = told.findings
    pictures = {name: content for name, content in cli.images().items() if f"{BATCH}/" in name}
    yield f"kills {told.kills}, wall time {told.wall_s:.0f} s, decisions: {told.resolved} resolved, {told.retried} retried"
    yield f"vendor: {len(vendor.charges())} tasks billed, faults met: {sum(vendor.stats()['faults'].values())}"
    yield f"states: {dict(told.states)}; {len(pictures)} pictures, {sum(map(len, pictures.values())) / 1e6:.0f} MB"
    yield f"duplicates {len(found.duplicates)}, lost {len(found.lost)}, violations {len(found.violations)}"
    yield from found.sentences()
    yield f"last run: {told.ended}"
    yield told.verified


def main() -> int:
    """Read the options, play the night, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder for pictures, database and log; a new one")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--latency", type=float, default=1.0, help="median seconds of a task (default: 1)")
    options = parser.parse_args()
    with folder_of(options.keep) as folder:
        terms = {"profile": "rough", "seed": options.seed, "latency_s": options.latency, "fsync": True, "image_scale": 0.5}
        with open_vendor(**terms, ledger=folder / "vendor-ledger.jsonl") as vendor:
            cli = CommandLine(folder=folder)
            manifest = prepare(folder, vendor.url)
            told = play(cli, vendor, manifest, batch=BATCH, kills=options.kills, seed=options.seed)
            sys.stdout.write("\n".join(summary(told, vendor, cli)) + "\n")
            leaks = cli.leaks()
    sys.stdout.write(f"places that hold the API key: {len(leaks)}\n")
    if options.keep:
        sys.stdout.write(f"look at it: {folder}\n")
    return 0 if told.is_clean and not leaks else 1


if __name__ == "__main__":
    sys.exit(main())
