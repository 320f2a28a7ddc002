"""Compare `batchgen run` with bare loops that do the same requests, in one run, on two cores.

The measured process has core 0, the vendor core 1. Each runner does the same number of jobs against a fresh vendor;
the order is turned round from round to round and the medians are printed.

    python bench/throughput.py              # 2,000 jobs a runner, two rounds: about five minutes
    python bench/throughput.py --quick      # 300 jobs, one round
    python bench/throughput.py --loops-only # the floors alone
    python bench/throughput.py --dir /data  # where pictures and databases go; a disk, if fsync is to mean something

Two cases: task latency 1 s with 100 in flight (the network's pace), and latency 0, where the CPU is the limit and the
loops fsync each picture as batchgen does. In the columns, "work" counts from the first request to the last file (for
batchgen: from the first accepted order to the last saved picture, as its database says) and "whole" the process from
start to end. CPU and RSS are always the whole process's. "vendor" is the share of time that the server was busy.
"""

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from common import (
    CLIENT_CORE,
    ROOT,
    TRIM_THRESHOLD_BYTES,
    Usage,
    Vendor,
    batchgen_command,
    filesystem_of,
    measure,
    pin,
    print_table,
    vendor,
    vendor_ceiling,
)

IN_FLIGHT = 100
LOOPS = ("aiohttp", "mixed", "httpx")
OURS = "batchgen run"
HEAD = (
    "runner",
    "jobs/s work",
    "/aiohttp",
    "/mixed",
    "whole",
    "/aiohttp",
    "CPU ms/job",
    "RSS MiB",
    "req/job",
    "vendor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What every runner has to do."""

    jobs: int
    latency_s: float
    image_bytes: int
    fsync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One runner's figures in one round. Rates are jobs a second, `vendor_share` is CPU seconds a second."""

    work_rate: float
    whole_rate: float
    cpu_ms: float
    rss_mib: float
    requests: float
    vendor_share: float


def run_loop(kind: str, case: Case, server: Vendor, folder: Path) -> Result:
    """Measure one bare loop."""
    before = server.usage()
    options = ["--url", server.url, "--jobs", str(case.jobs), "--in-flight", str(IN_FLIGHT)]
    options += ["--latency", str(case.latency_s), "--out", str(folder), *["--fsync"][: case.fsync]]
    done = measure([sys.executable, str(ROOT / "bench/loops.py"), kind, *options])
    work_s = json.loads(done.stdout)["wall_s"]
    used = server.usage().since(before)
    return _result(case, used, work_s=work_s, wall_s=done.wall_s, cpu_s=done.cpu_s, rss_mib=done.peak_rss_mib)


def run_batchgen(case: Case, server: Vendor, folder: Path) -> Result:
    """Measure one `batchgen run` from an empty database; refuse to report unless it bought and saved each job once."""
    manifest, database = write_manifest(folder, case.jobs, server.url), folder / "bench.db"
    before = server.usage()
    done = measure(batchgen_command("run", str(manifest), "-y", "--db", str(database)), cwd=folder)
    used = server.usage().since(before)
    saved, work_s = read_span(database)
    if (saved, used.posts) != (case.jobs, case.jobs):
        raise SystemExit(f"batchgen saved {saved} and ordered {used.posts} of {case.jobs} jobs")
    return _result(case, used, work_s=work_s, wall_s=done.wall_s, cpu_s=done.cpu_s, rss_mib=done.peak_rss_mib)


def _result(case: Case, used: Usage, *, work_s: float, wall_s: float, cpu_s: float, rss_mib: float) -> Result:
    return Result(
        work_rate=case.jobs / work_s,
        whole_rate=case.jobs / wall_s,
        cpu_ms=1_000 * cpu_s / case.jobs,
        rss_mib=rss_mib,
        requests=(used.posts + used.polls + used.files) / case.jobs,
        vendor_share=used.busy_s / wall_s,
    )


def write_manifest(folder: Path, jobs: int, url: str) -> Path:
    """Write a manifest of one prompt a job, ordered from the vendor at `url`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts = "".join(f"A lighthouse at dusk, study number {number}\n" for number in range(jobs))
    (folder / "prompts.txt").write_text(prompts)
    manifest = folder / "bench.yaml"
    manifest.write_text(
        f"""version: 1
name: bench
provider: {{use: jimmyai, base_url: "{url}", api_key_env: BENCH_KEY}}
defaults: {{model: gpt-image-2}}
prompts: [{{file: prompts.txt}}]
output: {{dir: out, sidecar: none}}
limits: {{in_flight: {IN_FLIGHT}}}
"""
    )
    return manifest


def read_span(database: Path) -> tuple[int, float]:
    """Return how many jobs are saved, and the seconds from the first accepted order to the last saved picture."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*), min(submitted_at), max(saved_at) FROM v_jobs WHERE state = 'saved'"
        saved, first, last = connection.execute(query).fetchone()
    if not saved:
        return 0, 1.0
    return saved, (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def journal_of(database: Path) -> str:
    """Say which journal a database was written with; SQLite keeps only WAL in the file."""
    with closing(sqlite3.connect(database)) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return "WAL" if mode == "wal" else "rollback journal"


def run_case(case: Case, runners: Sequence[str], *, rounds: int, folder: Path) -> dict[str, list[Result]]:
    """Measure every runner once a round, in turning order, against one vendor."""
    results: dict[str, list[Result]] = {runner: [] for runner in runners}
    with vendor(latency_s=case.latency_s, image_bytes=case.image_bytes) as server:
        for turn in range(rounds):
            for runner in runners if turn % 2 == 0 else reversed(runners):
                print(f"  round {turn + 1}: {runner}", file=sys.stderr)
                place = folder / f"{case.latency_s:g}-{turn}-{runner.replace(' ', '-')}"
                measured = run_batchgen if runner == OURS else partial(run_loop, runner)
                results[runner].append(measured(case, server, place))
    return results


def middle(results: Sequence[Result]) -> Result:
    """Take the median of each figure over the rounds."""
    return Result(**{name: statistics.median(getattr(each, name) for each in results) for name in Result.__slots__})


def print_case(title: str, results: dict[str, list[Result]]) -> None:
    """Print one case as a table with the ratios to the two loops."""
    figures = {runner: middle(rounds) for runner, rounds in results.items()}
    rows = []
    for runner, own in figures.items():
        ratios = [f"{own.work_rate / figures[floor].work_rate:.2f}" for floor in ("aiohttp", "mixed")]
        whole = [f"{own.whole_rate:.1f}", f"{own.whole_rate / figures['aiohttp'].whole_rate:.2f}"]
        rest = [f"{own.cpu_ms:.2f}", f"{own.rss_mib:.0f}", f"{own.requests:.2f}", f"{own.vendor_share:.0%}"]
        rows.append([runner, f"{own.work_rate:.1f}", *ratios, *whole, *rest])
    print_table(title, HEAD, rows)


def print_setting(case: Case, *, rounds: int, folder: Path) -> None:
    """Print what the figures depend on, and how much the vendor could serve."""
    with vendor(latency_s=0, image_bytes=case.image_bytes) as server:
        ceiling, busy = vendor_ceiling(server.url)
    print(f"{case.jobs} jobs, {IN_FLIGHT} in flight, pictures of {case.image_bytes} bytes, rounds: {rounds}")
    print(f"client on core {CLIENT_CORE}, files on {filesystem_of(folder)}, SQLite {sqlite3.sqlite_version}")
    print(f"MALLOC_TRIM_THRESHOLD_={TRIM_THRESHOLD_BYTES} for every process")
    print(f"the vendor alone serves {ceiling:.0f} jobs/s (POST, poll, file), {busy:.0%} busy")


def main() -> None:
    """Read the options, measure both cases and print them beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 jobs and one round")
    parser.add_argument("--loops-only", action="store_true", help="leave batchgen out")
    parser.add_argument("--image-bytes", type=int, default=65_536)
    parser.add_argument("--dir", type=Path, help="existing folder for the files; a temporary one is made inside")
    options = parser.parse_args()
    jobs, rounds = (300, 1) if options.quick else (2_000, 2)
    runners = LOOPS if options.loops_only else (*LOOPS, OURS)
    paced = Case(jobs=jobs, latency_s=1.0, image_bytes=options.image_bytes, fsync=False)
    hurried = Case(jobs=jobs, latency_s=0.0, image_bytes=options.image_bytes, fsync=True)
    pin(CLIENT_CORE)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-") as name:
        folder = Path(name)
        print_setting(paced, rounds=rounds, folder=folder)
        print_case("Task latency 1 s", run_case(paced, runners, rounds=rounds, folder=folder))
        print("target: batchgen >= 0.85 of aiohttp, <= 8 ms CPU a job")
        print_case("Task latency 0, loops with fsync", run_case(hurried, runners, rounds=rounds, folder=folder))
        print("target: batchgen >= 0.85 of mixed, the loop with the same client")
        for database in list(folder.glob("*/bench.db"))[:1]:
            print(f"batchgen's database: {journal_of(database)}")


if __name__ == "__main__":
    main()
