"""A long run at full speed against the rough simulator, to see whether anything grows that should not.

    python tests/crash/soak.py --minutes 30

One request in ten meets a fault. Throttling is rarer, because each such answer rightly holds every order back for a second. Memory and
open files of the run are looked at every five seconds; what they were in the second sixth of the time is held against the last sixth.
Prints both, the rate, the size of the diary, and what ``verify --full`` and the vendor's bill
say; exits 1 when memory or files grew by more than a twentieth, when anything was bought twice or lost, or an invariant broke.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.audit import audit
from tests.support.cli import CommandLine, Vendor, open_vendor, study

EVERY_S: Final = 5.0
ROWS_A_MINUTE: Final = 6_000
"""More than a run orders in a minute, so that the rows never end."""
GROWTH: Final = 0.05
DIARY_BYTES: Final = 5 * 16 * 1024 * 1024
RATES: Final = {
    "post.429": 0.0005,
    "post.429_retry_after": 0.0005,
    "post.too_frequent": 0.0005,
    "post.server_error": 0.06,
    "poll.429": 0.0005,
    "poll.reset": 0.03,
}
"""What differs from the rough profile."""
_DRAIN_S: Final = 600.0
_VERIFY_S: Final = 3600.0


class Sample(NamedTuple):
    """What a process held at one moment: resident bytes and open files."""

    rss_bytes: int
    files: int


def sample(pid: int) -> Sample:
    """Look at a process (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return Sample(rss_bytes=rss_kib * 1024, files=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))


def watch(process: "subprocess.Popen[str]") -> list[Sample]:
    """Take samples until the process ends."""
    samples = []
    while process.poll() is None:
        try:
            samples.append(sample(process.pid))
        except (OSError, StopIteration):
            break  # it has just ended
        time.sleep(EVERY_S)
    return samples


def sixths(values: Sequence[int]) -> list[float]:
    """Give the median of each sixth of the time."""
    size = max(1, len(values) // 6)
    return [median(values[at : at + size]) for at in range(0, min(len(values), 6 * size), size)]


def soak(cli: CommandLine, vendor: Vendor, minutes: int, in_flight: int) -> Iterator[tuple[str, bool]]:
    """Run for so many minutes; give what was found, sentence by sentence, each with whether it is as it should be."""
    prompts = [f"picture {number}" for number in range(1, minutes * ROWS_A_MINUTE + 1)]
    retry = {"attempts": 9, "backoff": {"initial": "0.5s", "max": "10s"}}
    cli.write(study(vendor.url, prompts, limits={"in_flight": in_flight}, retry=retry))
    cli("plan", "study.yaml", "--save", "--max-jobs", len(prompts), timeout_s=_VERIFY_S)
    began, until = time.monotonic(), datetime.now(UTC) + timedelta(minutes=minutes)
    with cli.background("resume", "-y", "--until", until.isoformat(timespec="seconds")) as process:
        samples = watch(process)
        ended = cli.finish(process, timeout_s=_DRAIN_S)
    wall_s = time.monotonic() - began
    saved = cli.select("SELECT sum(jobs) AS jobs FROM batch_total WHERE state = 'saved'")[0]["jobs"]
    yield f"exit {ended.code}: {ended.out.splitlines()[0] if ended.out else ended.err[-300:]}", ended.code == 5
    told = vendor.stats()
    met, requests = sum(told["faults"].values()), sum(told[name] for name in ("posts", "polls", "downloads"))
    yield f"{saved} saved in {wall_s:.0f} s: {saved / wall_s:.1f} jobs/s; faults met: {met} in {requests} requests", True
    for name, values, unit in (
        ("MiB", [one.rss_bytes for one in samples], 2**20),
        ("open files", [one.files for one in samples], 1),
    ):
        each = sixths(values)
        early, late = each[min(1, len(each) - 1)], each[-1]
        told = f"{name} by sixths of the time: {', '.join(f'{one / unit:.1f}' for one in each)}"
        yield f"{told} ({late / early - 1:+.1%}), {len(values)} samples", late <= early * (1 + GROWTH)
    diary = [path.stat().st_size for path in cli.folder.glob("batchgen.log*")]
    yield f"diary: {len(diary)} files, {sum(diary) / 2**20:.0f} MiB", sum(diary) <= DIARY_BYTES
    settled = cli("resume", "-y", "--budget", "0", timeout_s=_DRAIN_S)
    yield f"fetching what was left: exit {settled.code}", settled.code in {0, 3, 5}
    verified = cli("verify", "--full", timeout_s=_VERIFY_S)
    yield f"verify --full: exit {verified.code}: {verified.out.strip().splitlines()[-1]}", verified.code == 0
    found = audit(cli.folder / "batchgen.db", vendor.charges())
    told = f"duplicates {len(found.duplicates)}, lost {len(found.lost)}, violations {len(found.violations)}"
    yield "; ".join([told, *found.sentences()[:5]]), not found.sentences()


def main() -> int:
    """Read the options, soak, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    is_good = True
    terms = {"profile": "rough", "seed": options.seed, "latency_s": 0.5, "image_scale": 0.05, "image_bytes": 16_384, "balance": "1000000"}
    terms |= {"faults": tuple(f"{name}={rate}" for name, rate in RATES.items()), "max_running": 10_000}
    with tempfile.TemporaryDirectory(prefix="batchgen-soak-") as name, open_vendor(**terms) as vendor:
        cli = CommandLine(folder=Path(name))
        for sentence, is_as_promised in soak(cli, vendor, options.minutes, options.in_flight):
            sys.stdout.write(f"{'ok ' if is_as_promised else 'BAD'} {sentence}\n")
            sys.stdout.flush()
            is_good = is_good and is_as_promised
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
