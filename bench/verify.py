"""Time `batchgen verify` on a million saved jobs and on ten thousand, and apart from it the hashing of ten thousand small files.

    python bench/verify.py --keep build           # the databases are made once and stay there
    python bench/verify.py --rows 20000           # quick, everything temporary

A saved job has one order, five events and one file. The files of the large databases are not on disk: that no file is found
is then a violation for every job, which shows at the same time that a million violations do not fill the memory. The seconds of the
database are those of the whole process without the search for the files. "rows" are jobs, orders, events and files together.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from common import ROOT, Measured, batchgen_command, filesystem_of, measure, print_table
from plan import save_plan

SMALL_ROWS = 10_000
ROWS_A_JOB = 8
FILE_BYTES = 65_536
VIOLATED = 3
FILE_CHECK = "I20"


def saved_database(folder: Path, rows: int) -> Path:
    """Return a database of that many saved jobs in the folder; it is made if it is not there."""
    database = folder / f"saved-{rows}.db"
    if not database.exists():
        unfinished = folder / f"saving-{rows}.db"
        unfinished.unlink(missing_ok=True)
        save_plan(folder / f"study-{rows}", unfinished, rows)
        measure([sys.executable, str(ROOT / "bench/saved_rows.py"), str(unfinished)])
        unfinished.rename(database)
    return database


def write_files(database: Path, folder: Path) -> None:
    """Put a file of random bytes where the database says that each picture stands, and its hash and size into the database."""
    content = Path("/dev/urandom").open("rb")  # noqa: SIM115  # closed below
    with content, closing(sqlite3.connect(database, isolation_level=None)) as connection:
        (folder / "main").mkdir(parents=True, exist_ok=True)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE batch SET output_dir = ?", (str(folder),))
        for file, path in connection.execute("SELECT id, path FROM artifact").fetchall():
            picture = content.read(FILE_BYTES)
            (folder / path).write_bytes(picture)
            facts = (str(folder), sha256(picture).hexdigest(), len(picture), file)
            connection.execute("UPDATE artifact SET output_dir = ?, sha256 = ?, bytes = ? WHERE id = ?", facts)
        connection.execute("COMMIT")


def verify(database: Path, *options: str, code: int) -> tuple[Measured, dict[str, float]]:
    """Run the command and return what it used, and the seconds of each check; only the files may be violated."""
    done = measure(batchgen_command("verify", "--json", "--db", str(database), *options), code=code)
    checks = json.loads(done.stdout)["checks"]
    assert {check["name"] for check in checks if check["violations"]} <= {FILE_CHECK}, checks  # noqa: S101  # else nothing is measured
    return done, {check["name"]: check["seconds"] for check in checks}


def print_databases(databases: dict[int, Path]) -> None:
    """Time the command on each database and print the rates, the memory and the longest checks."""
    table, seconds = [], {}
    for rows, database in databases.items():
        done, seconds[rows] = verify(database, code=VIOLATED)
        taken_s = done.wall_s - seconds[rows][FILE_CHECK]
        rate = f"{rows * ROWS_A_JOB / taken_s:,.0f}"
        table.append(
            [f"{rows:,} jobs", f"{taken_s:.1f}", rate, f"{seconds[rows][FILE_CHECK]:.1f}", f"{done.cpu_s:.1f}", f"{done.peak_rss_mib:.0f}"]
        )
    print_table("Verify a database", ["database", "seconds", "rows/s", "missing files, s", "CPU of both, s", "peak RSS, MiB"], table)
    longest = sorted(seconds[rows].items(), key=lambda check: -check[1])[:6]
    print(f"longest at {rows:,} jobs: {', '.join(f'{name} {taken:.1f} s' for name, taken in longest)}")
    print("target: 1,000,000 jobs within minutes, peak RSS no more than 50 MiB above that of 10,000")


def print_files(database: Path, folder: Path) -> None:
    """Put files under a database, time the command with its search for strangers, and print the rates."""
    write_files(database, folder)
    done, seconds = verify(database, "--full", code=0)
    taken_s = seconds[FILE_CHECK]
    rate = [f"{SMALL_ROWS / taken_s:,.0f}", f"{SMALL_ROWS * FILE_BYTES / taken_s / 2**20:,.0f}"]
    row = [f"{SMALL_ROWS:,} files of {FILE_BYTES // 1024} KiB", f"{taken_s:.1f}", *rate, f"{done.wall_s:.1f}"]
    print_table("Hash files again", ["files", "seconds", "files/s", "MiB/s", "whole command, s"], [row])


def main() -> None:
    """Read the options, make what databases are missing, time the command and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="jobs of the large database")
    parser.add_argument("--keep", type=Path, help="existing folder for the databases, which stay there and are used again")
    parser.add_argument("--dir", type=Path, help="existing folder for the other files; a temporary one is made inside")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-") as name:
        folder = Path(name)
        kept = options.keep.resolve() if options.keep else folder
        print(f"databases on {filesystem_of(kept)}, files on {filesystem_of(folder)}, SQLite {sqlite3.sqlite_version}", flush=True)
        print_databases({rows: saved_database(kept, rows) for rows in (SMALL_ROWS, options.rows)})
        print_files(saved_database(folder, SMALL_ROWS), folder / "pictures")


if __name__ == "__main__":
    main()
