"""Double faults: a run is killed at a call through a port, the run that resumes it is killed as well, and the next must mend it all (T4).

    python tests/crash/double_faults.py --pairs 300 --seed 1

Plays the pairs over every kind of batch; prints a line for each kind and the totals, and exits 1 when anything is wrong afterwards.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.deaths import PORTS, SIDES, Death, Stage, play, stage_of
from tests.crash.studies import STUDIES

AT_ONCE = 4


def pairs_of(stage: Stage, random: Random, count: int) -> Iterator[list[Death]]:
    """Draw pairs of deaths, every call through every port as likely as any other."""
    calls = [(port, call) for port in PORTS for call in range(1, stage.calls.get(port, 0) + 1)]
    drawn = set()
    while len(drawn) < count:
        pair = tuple(Death(port=port, side=random.choice(SIDES), call=call) for port, call in random.choices(calls, k=2))
        if pair not in drawn:
            drawn.add(pair)
            yield list(pair)


def main() -> int:
    """Read the options, play, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found: list[str] = []
    pairs = cut = 0
    sys.stdout.write("kind         pairs     cut  wrong\n")
    with tempfile.TemporaryDirectory(prefix="batchgen-twice-") as name:
        for place, (kind, study) in enumerate(STUDIES.items()):
            share = options.pairs // len(STUDIES) + (place < options.pairs % len(STUDIES))
            folder = Path(name) / kind
            folder.mkdir()
            with stage_of(study, folder, at_once=AT_ONCE) as stage, ThreadPoolExecutor(AT_ONCE) as pool:
                played = list(pool.map(lambda pair, stage=stage: play(stage, pair), pairs_of(stage, Random(options.seed + place), share)))
            wrong = [text for _, texts in played for text in texts]
            pairs, cut, found = pairs + share, cut + sum(was_cut for was_cut, _ in played), found + wrong
            sys.stdout.write(f"{kind:<12} {share:>5}  {sum(was_cut for was_cut, _ in played):>6}  {len(wrong):>5}\n")
            sys.stdout.write("".join(f"    {text}\n" for text in wrong))
            sys.stdout.flush()
    sys.stdout.write(f"pairs {pairs}, cut {cut}, wrong {len(found)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
