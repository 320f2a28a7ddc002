"""Time `batchgen status` on a database of a million rows, beside what only starting up costs.

    python bench/plan.py --db /data/million.db && python bench/status.py --db /data/million.db
    python bench/status.py --rows 20000     # makes its own database first

Each line is the median of seven runs of the whole process, after one that is not counted. "the same imports" starts
the interpreter, imports every module that `status` imports, and ends: what is above it is work.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import CLIENT_CORE, ENVIRONMENT, batchgen_command, measure, pin, print_table
from plan import count_rows, save_plan

RUNS = 7
TARGET_MS = 200
SMALL_ROWS = 8


def median_ms(command: Sequence[str]) -> float:
    """Return the median wall time of a command in milliseconds, its files warm."""
    measure(command)
    return 1_000 * statistics.median(measure(command).wall_s for _ in range(RUNS))


def imports_of(command: Sequence[str]) -> str:
    """Return a program that imports what a command imports, the standard library's lazier parts left out.

    A name that the command tried in vain is tried in vain again, since that costs time too.
    """
    ENVIRONMENT["PYTHONPROFILEIMPORTTIME"] = "1"
    report = measure(command).stderr
    del ENVIRONMENT["PYTHONPROFILEIMPORTTIME"]
    names = [line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")]
    foreign = [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names]
    return f"""
import contextlib, importlib
for name in {foreign!r}:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""


def main() -> None:
    """Read the options, make what databases are missing, time the commands and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", type=Path, help="an existing database; without it one is planned first")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the database planned without --db")
    parser.add_argument("--dir", type=Path, help="existing folder for the files; a temporary one is made inside")
    options = parser.parse_args()
    pin(CLIENT_CORE)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-") as name:
        folder = Path(name)
        database = options.db.resolve() if options.db else folder / "large.db"
        if not options.db:
            save_plan(folder / "large", database, options.rows)
        save_plan(folder / "small", folder / "small.db", SMALL_ROWS)
        print_report(database, folder / "small.db")


def print_report(large: Path, small: Path) -> None:
    """Time each command and print how far `status` stays above its own start-up."""
    status = batchgen_command("status", "--db", str(large))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "batchgen --version": batchgen_command("--version"),
        "the same imports": [sys.executable, "-c", imports_of(status)],
        f"batchgen status, {count_rows(small):,} rows": batchgen_command("status", "--db", str(small)),
        f"batchgen status, {count_rows(large):,} rows": status,
    }
    times = {name: median_ms(command) for name, command in commands.items()}
    print_table(
        f"Start-up, median of {RUNS}",
        ["command", "ms", "above the same imports"],
        [[name, f"{ms:.0f}", f"{ms - times['the same imports']:+.0f}"] for name, ms in times.items()],
    )
    print(f"target: status <= {TARGET_MS} ms above the same imports")


if __name__ == "__main__":
    main()
