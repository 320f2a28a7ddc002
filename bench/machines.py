"""Let 1, 2, 4 and 8 processes of `batchgen work` share one PostgreSQL and a fast vendor, and count what each job costs the server.

    python bench/machines.py                  # 2,000 jobs a case, then the recording alone (bench/claims.py): about ten minutes
    python bench/machines.py --jobs 500 --workers 1,4 --skip-claims

The vendor is bench/vendor.py with a latency of half a second and small pictures; 400 tasks in flight are shared by the workers. "jobs/s"
counts from the first accepted order to the last saved picture. What the server did is the difference of its own counters (pg_stat_database,
the place in the WAL) over the life of the workers; "read" are rows that it looked at. Disk is what all tables and their indexes take at the
end, by the number of jobs. CPU of workers includes the children that judge pictures, and a second or so of each one's start. Workers,
server and vendor share the cores of one machine, so that the rates say what this machine bears and not what a server of its own would;
the counts and bytes a job do not depend on that.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common import ENVIRONMENT, ROOT, Vendor, batchgen_command, filesystem_of, measure, print_table, vendor
from server import Done, Waits, look, setting, sizes, watched

sys.path.insert(0, str(ROOT))
import psycopg

from tests.support.databases import postgres_server, postgres_url

IN_FLIGHT = 400
LATENCY_S = 0.5
IMAGE_BYTES = 8_192
HEAD = (
    "workers", "jobs/s", "commits/s", "commits/job", "read/job", "written/job", "WAL B/job", "disk B/job", "server ms/job", "worker ms/job",
    "vendor",
)  # fmt: skip
_SPAN = "SELECT count(*), min(submitted_at), max(saved_at) FROM v_jobs WHERE state = 'saved'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one case came to."""

    workers: int
    rate: float
    wall_s: float
    done: Done
    worker_cpu_s: float
    vendor_share: float
    waits: Waits
    sizes: dict[str, tuple[int, int]]


def manifest(folder: Path, jobs: int, url: str, budget: bool) -> Path:
    """Write a manifest of one prompt a job."""
    folder.mkdir()
    (folder / "prompts.txt").write_text("".join(f"A lighthouse at dusk, study number {number}\n" for number in range(jobs)))
    path = folder / "bench.yaml"
    limits = f"{{in_flight: {IN_FLIGHT}{', budget: {cost: 1000000}' if budget else ''}}}"
    path.write_text(
        f"""version: 1
name: bench
provider: {{use: jimmyai, base_url: "{url}", api_key_env: BENCH_KEY}}
defaults: {{model: gpt-image-2}}
prompts: [{{file: prompts.txt}}]
output: {{dir: out, sidecar: none}}
limits: {limits}
"""
    )
    return path


def crew_cpu_s(crew: Sequence[subprocess.Popen[bytes]]) -> float:
    """Wait for the workers and give the CPU seconds that they used, with their children."""
    cpu_s = 0.0
    for each in crew:
        _, status, used = os.wait4(each.pid, 0)
        each.returncode = os.waitstatus_to_exitcode(status)
        if each.returncode:
            raise SystemExit(f"a worker ended with {each.returncode}")
        cpu_s += used.ru_utime + used.ru_stime
    return cpu_s


def play(server: str, shop: Vendor, folder: Path, *, workers: int, jobs: int, budget: bool) -> Result:
    """Store the jobs in a new database, let workers drain it, and count; refuse to report unless each was bought and saved once."""
    url, plan = postgres_url(server), manifest(folder, jobs, shop.url, budget)
    measure(batchgen_command("--db", url, "plan", str(plan), "--save"), cwd=folder)
    before, ordered = look(url), shop.usage()
    started = time.perf_counter()
    with watched(url) as waits:
        crew = [
            subprocess.Popen(
                batchgen_command("--db", url, "--log-file", f"{number}.log", "work", "--drain"),
                cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for number in range(workers)
        ]  # fmt: skip
        cpu_s = crew_cpu_s(crew)
    wall_s = time.perf_counter() - started
    done, used = look(url).since(before), shop.usage().since(ordered)
    with psycopg.connect(url) as connection:
        row = connection.execute(_SPAN).fetchone()
    assert row is not None  # noqa: S101 # it counts
    if (row[0], used.posts) != (jobs, jobs):
        raise SystemExit(f"{row[0]} saved and {used.posts} ordered of {jobs} jobs")
    span_s = (datetime.fromisoformat(row[2]) - datetime.fromisoformat(row[1])).total_seconds()
    return Result(
        workers=workers,
        rate=jobs / span_s,
        wall_s=wall_s,
        done=done,
        worker_cpu_s=cpu_s,
        vendor_share=used.busy_s / wall_s,
        waits=waits,
        sizes=sizes(url),
    )


def print_results(results: Sequence[Result], jobs: int, title: str) -> None:
    """Print the cases, what the connections were at, and where the bytes lie."""
    rows = []
    for each in results:
        done, disk = each.done, sum(map(sum, each.sizes.values()))
        counts = [f"{count / jobs:.1f}" for count in (done.commits, done.read, done.written)]
        bytes_a_job = [f"{count / jobs:,.0f}" for count in (done.wal_bytes, disk)]
        cpu = [f"{1e3 * seconds / jobs:.2f}" for seconds in (done.cpu_s, each.worker_cpu_s)]
        rates = [f"{each.rate:.1f}", f"{done.commits / each.wall_s:.0f}"]
        rows.append([str(each.workers), *rates, *counts, *bytes_a_job, *cpu, f"{each.vendor_share:.0%}"])
    print_table(title, HEAD, rows)
    for each in results:
        print(f"{each.workers} workers, connections on average: {each.waits.told()}")
    told = [[name, f"{table / jobs:.0f}", f"{indexes / jobs:.0f}"] for name, (table, indexes) in results[-1].sizes.items()]
    print_table("Bytes a job on disk", ("table", "rows", "indexes"), told[:5])


def main() -> None:
    """Read the options, measure every case on one server, and print them; then the recording alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--budget", action="store_true", help="with a limit of cost")
    parser.add_argument("--skip-claims", action="store_true", help="leave the recording alone out")
    chosen = parser.parse_args()
    results = []
    with (
        vendor(latency_s=LATENCY_S, image_bytes=IMAGE_BYTES) as shop,
        postgres_server() as server,
        tempfile.TemporaryDirectory(prefix="bench-") as name,
    ):
        for workers in map(int, chosen.workers.split(",")):
            folder = Path(name) / str(workers)
            results.append(play(server, shop, folder, workers=workers, jobs=chosen.jobs, budget=chosen.budget))
            print(f"  {workers} workers: {results[-1].rate:.1f} jobs/s", file=sys.stderr, flush=True)
        title = f"{chosen.jobs} jobs, files on {filesystem_of(Path(name))}, {setting()}"
        print_results(results, chosen.jobs, title)
    if not chosen.skip_claims:
        subprocess.run([sys.executable, str(ROOT / "bench/claims.py"), "--workers", chosen.workers], check=True, env=ENVIRONMENT)


if __name__ == "__main__":
    main()
