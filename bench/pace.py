"""Let `batchgen run` find limits that the simulator does not tell and that step up and down, in real time.

    python bench/pace.py             # both limits, three minutes a step: about fourteen minutes
    python bench/pace.py --step 60   # quicker, and no fair test of "within two minutes"

First tasks in flight: 20, then 60, then 10. Then submits a second: 2, then 8. The manifest fixes nothing (`in_flight: auto`). Twice a
second the simulator is asked what it has taken, refused and not finished. "reached" is when nine tenths of the hidden limit were first in
use after the step: that many unfinished tasks, or that many orders taken a second over fifteen seconds. "in use" is the average share of
the limit from there to the next step, "refused" the share of the orders that were throttled.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import ENVIRONMENT, ROOT, batchgen_command, print_table

sys.path.insert(0, str(ROOT))
from batchgen.sim.child import SimProcess, start_in_child
from batchgen.sim.options import SimOptions

LOOKS_EVERY_S = 0.5
LATENCY_S = 8.0
RATE_OVER_S = 15.0
TARGET_S = 120.0
TARGET_REFUSED = 0.02
HEAD = ("hidden limit", "reached after", "in use", "orders", "refused", "share")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A limit by its name, and what it is in each step."""

    limit: str
    levels: tuple[float, ...]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the simulator told at an instant, in seconds since the first order; the counts are running totals."""

    at: float
    alive: int
    taken: int
    refused: int


CASES = (
    Case(limit="in_flight", levels=(20, 60, 10), unit="in flight"),
    Case(limit="submit_rate", levels=(2, 8), unit="submits/s"),
)


def vendor(case: Case, step_s: float, folder: Path) -> SimProcess:
    """Start a simulator whose limit steps from level to level."""
    steps = tuple(f"{number * step_s}s:{case.limit}={level:g}" for number, level in enumerate(case.levels))
    options = SimOptions(latency_s=LATENCY_S, max_running=10_000, steps=steps, image_scale=0.1, fsync=False)
    return start_in_child(options, log_path=folder / "sim.log")


def write_manifest(case: Case, step_s: float, folder: Path, url: str) -> Path:
    """Write a manifest with more rows than can be ordered in the time."""
    rates = [level if case.limit == "submit_rate" else level / LATENCY_S for level in case.levels]
    rows = int(1.5 * step_s * sum(rates)) + 200
    (folder / "prompts.txt").write_text("".join(f"A lighthouse at dusk, study number {number}\n" for number in range(rows)))
    manifest = folder / "pace.yaml"
    manifest.write_text(
        f"""version: 1
name: pace
provider: {{use: jimmyai, base_url: "{url}", api_key_env: BENCH_KEY}}
defaults: {{model: gpt-image-2}}
prompts: [{{file: prompts.txt}}]
output: {{dir: out, sidecar: none}}
limits: {{in_flight: auto}}
"""
    )
    return manifest


def stats(url: str) -> dict[str, int]:
    """Ask the simulator for its counters."""
    with DIRECT.open(f"{url}/_sim/stats", timeout=30) as answer:
        return json.load(answer)


def looks(url: str, seconds: float, process: subprocess.Popen[bytes]) -> Iterator[Look]:
    """Look at the simulator until so long after the first order; raise SystemExit when the run ends before."""
    began = None
    while began is None or time.monotonic() - began < seconds:
        if process.poll() is not None:
            raise SystemExit(f"the run ended by itself with exit code {process.returncode}")
        seen, now = stats(url), time.monotonic()
        began = now if began is None and seen["posts"] else began
        if began is not None:
            yield Look(at=now - began, alive=seen["queued"] + seen["running"], taken=seen["accepted"], refused=seen["throttled"])
        time.sleep(LOOKS_EVERY_S)


def measured(case: Case, step_s: float, folder: Path) -> list[Look]:
    """Run one batch against the simulator for all steps and return what was seen."""
    with vendor(case, step_s, folder) as sim:
        command = batchgen_command("run", str(write_manifest(case, step_s, folder, sim.url)), "-y", "--db", str(folder / "pace.db"))
        with (folder / "run.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            return list(looks(sim.url, step_s * len(case.levels), process))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def use_at(case: Case, seen: Sequence[Look], number: int) -> float:
    """Return how much of a limit was in use at a look: tasks, or orders taken a second in the seconds before it."""
    if case.limit == "in_flight":
        return float(seen[number].alive)
    before = next(look for look in seen if look.at >= seen[number].at - RATE_OVER_S)
    return (seen[number].taken - before.taken) / max(RATE_OVER_S / 2, seen[number].at - before.at)


def row(case: Case, number: int, step_s: float, seen: Sequence[Look]) -> tuple[list[str], bool]:
    """Return one step's line of the table, and whether its target was reached."""
    level, begin, end = case.levels[number], number * step_s, (number + 1) * step_s
    own = [index for index, look in enumerate(seen) if begin <= look.at < end]
    is_lower = number > 0 and level < case.levels[number - 1]
    fits = (index for index in own if 0.9 * level <= use_at(case, seen, index) and (not is_lower or use_at(case, seen, index) <= level))
    first = next(fits, None)
    refused, taken = (getattr(seen[own[-1]], name) - getattr(seen[own[0]], name) for name in ("refused", "taken"))
    cells = [f"{level:g} {case.unit}", "never", "", f"{taken + refused}", f"{refused}", f"{refused / max(1, taken + refused):.1%}"]
    if first is None:
        return cells, False
    after_s = seen[first].at - begin
    uses = [use_at(case, seen, index) / level for index in own if index >= first]
    return [cells[0], f"{after_s:.0f} s", f"{sum(uses) / len(uses):.0%}", *cells[3:]], after_s <= TARGET_S


def report(case: Case, step_s: float, seen: Sequence[Look]) -> bool:
    """Print one case and return whether both targets were reached."""
    rows = [row(case, number, step_s, seen) for number in range(len(case.levels))]
    share = seen[-1].refused / max(1, seen[-1].refused + seen[-1].taken)
    print_table(f"Hidden limit: {case.unit}, tasks of {LATENCY_S:g} s", HEAD, [cells for cells, _ in rows])
    print(f"refused in all: {share:.2%} of {seen[-1].refused + seen[-1].taken} orders")
    return all(is_reached for _, is_reached in rows) and share < TARGET_REFUSED


def main() -> None:
    """Read the options, measure both cases, print them beside the targets; exit with 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=float, default=165.0, help="seconds between the steps")
    parser.add_argument("--dir", type=Path, help="existing folder for the files; a temporary one is made inside")
    options = parser.parse_args()
    reached = []
    for case in CASES:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="pace-") as name:
            reached.append(report(case, options.step, measured(case, options.step, Path(name))))
    print(f"target: 90 % within {TARGET_S:.0f} s of each step, under {TARGET_REFUSED:.0%} of the orders refused")
    print("reached" if all(reached) else "missed")
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
