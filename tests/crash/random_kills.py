"""Random SIGKILLs: runs of 200 jobs, 20 in flight, against the rough simulator, each killed one to five times and brought to its end.

    python tests/crash/random_kills.py --kills 200 --seed 1

Each chain has a vendor of its own and a seed that settles its faults and its moments of death. Prints a line for each chain and the
totals; exits 1 when an order was billed twice, a paid picture is missing, or an invariant is broken.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.chain import Told, play
from tests.support.cli import CommandLine, open_vendor, study

ROWS, IN_FLIGHT, LATENCY_S = 200, 20, 0.3
AT_ONCE = 3
HEAD = " seed  kills  saved  resolved  retried  duplicates  lost  violations  seconds"


def play_chain(folder: Path, *, seed: int, kills: int, rows: int = ROWS) -> Told:
    """Play one chain in a new folder."""
    folder.mkdir()
    cli = CommandLine(folder=folder)
    with open_vendor(profile="rough", seed=seed, latency_s=LATENCY_S, fsync=True) as vendor:
        prompts = [f"picture {number} of chain {seed}" for number in range(rows)]
        manifest = cli.write(study(vendor.url, prompts, limits={"in_flight": IN_FLIGHT}))
        return play(cli, vendor, manifest, batch="study", kills=kills, seed=seed)


def chains(folder: Path, *, kills: int, seed: int) -> Iterator[tuple[int, Told]]:
    """Play chains, some at once, until that many kills are done."""
    seeds, done = count(seed), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while done < kills:
            left, wave = kills - done, []
            for number in (next(seeds) for _ in range(AT_ONCE)):
                if left > 0:
                    share = min(left, Random(number).randint(1, 5))
                    left -= share
                    wave.append((number, pool.submit(play_chain, folder / str(number), seed=number, kills=share)))
            for number, future in wave:
                told = future.result()
                done += told.kills
                yield number, told


def line(seed: int, told: Told) -> str:
    """Give a chain as a row of the table."""
    found = told.findings
    wrong = len(found.violations) + told.violated
    return (
        f"{seed:>5}  {told.kills:>5}  {told.states.get('saved', 0):>5}  {told.resolved:>8}  {told.retried:>7}"
        f"  {len(found.duplicates):>10}  {len(found.lost):>4}  {wrong:>10}  {told.wall_s:>7.0f}"
    )


def totals(played: Sequence[Told]) -> Iterator[str]:
    """Give the sums over all chains."""
    found = [told.findings for told in played]
    pictures = sum(told.states.get("saved", 0) for told in played)
    yield f"kills {sum(told.kills for told in played)}, chains {len(played)}, pictures {pictures}"
    yield f"duplicates {sum(len(each.duplicates) for each in found)}, lost {sum(len(each.lost) for each in found)}"
    yield f"violations {sum(len(told.findings.violations) + told.violated for told in played)}"
    yield f"chains that did not end with every picture saved: {sum(set(told.states) != {'saved'} for told in played)}"


def main() -> int:
    """Read the options, play, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first chain; later ones count up")
    options = parser.parse_args()
    played: list[Told] = []
    sys.stdout.write(HEAD + "\n")
    with tempfile.TemporaryDirectory(prefix="batchgen-kills-") as name:
        for seed, told in chains(Path(name), kills=options.kills, seed=options.seed):
            played.append(told)
            sys.stdout.write(line(seed, told) + "\n")
            for text in (
                *told.findings.duplicates,
                *told.findings.lost,
                *told.findings.violations,
                *[told.verified, told.ended][: 2 * (not told.is_clean)],
            ):
                sys.stdout.write(f"       {text}\n")
            sys.stdout.flush()
    for text in totals(played):
        sys.stdout.write(text + "\n")
    return 0 if all(told.is_clean for told in played) else 1


if __name__ == "__main__":
    sys.exit(main())
