"""Plan and save a million rows, beside a bare sqlite3 executemany of the same rows and indexes in the same run.

    python bench/plan.py                        # 1,000,000 rows
    python bench/plan.py --rows 20000           # quick
    python bench/plan.py --db /data/million.db  # keep the database, for bench/status.py

The manifest has a file of prompts, four ratios and two samples a cell. Ours is the whole `batchgen plan --save` process
from start to end: reading, expanding, hashing, inserting, indexing. The bare insert gets its rows ready-made, is timed
without reading them, and the faster of its two ways (indexes before or after the rows) is what the ratio is taken of.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from common import (
    CLIENT_CORE,
    ROOT,
    TRIM_THRESHOLD_BYTES,
    Measured,
    batchgen_command,
    filesystem_of,
    measure,
    pin,
    print_table,
)

RATIOS = ("1:1", "16:9", "9:16", "3:2")
SAMPLES = 2


def write_manifest(folder: Path, rows: int) -> Path:
    """Write a manifest of at least `rows` rows with its prompt file, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts = -(-rows // (len(RATIOS) * SAMPLES))
    with (folder / "prompts.txt").open("w") as file:
        file.writelines(
            f"A quiet harbour in the fog, a red boat at the pier, gulls above, oil on canvas, study {number}\n" for number in range(prompts)
        )
    manifest = folder / "million.yaml"
    manifest.write_text(
        f"""version: 1
name: million
defaults: {{model: gpt-image-2}}
prompts: [{{file: prompts.txt}}]
grid: {{ratio: [{", ".join(f'"{ratio}"' for ratio in RATIOS)}]}}
samples: {SAMPLES}
"""
    )
    return manifest


def save_plan(folder: Path, database: Path, rows: int) -> Measured:
    """Plan and save `rows` rows into a new database with the real command, and return what that used."""
    manifest = write_manifest(folder, rows)
    options = ["--save", "--offline", "--max-jobs", str(2 * rows), "--db", str(database)]
    return measure(batchgen_command("plan", str(manifest), *options), cwd=folder)


def count_rows(database: Path) -> int:
    """Count the job table."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM job").fetchone()[0])


def bare_seconds(database: Path, folder: Path, indexes: str) -> float:
    """Insert the same rows with plain sqlite3 in a child and return the seconds it took to write them."""
    target = folder / f"bare-{indexes}.db"
    script = str(ROOT / "bench/bare_insert.py")
    done = measure([sys.executable, script, str(database), str(target), "--indexes", indexes])
    target.unlink()
    return float(json.loads(done.stdout)["seconds"])


def print_report(rows: int, ours: Measured, bare: dict[str, float]) -> None:
    """Print the rates, the ratio to the faster bare insert, and the memory."""
    floor_s = min(bare.values())
    table = [["batchgen plan --save", f"{ours.wall_s:.1f}", f"{rows / ours.wall_s:,.0f}", f"{floor_s / ours.wall_s:.2f}"]]
    for indexes, seconds in bare.items():
        table.append([f"bare executemany, indexes {indexes}", f"{seconds:.1f}", f"{rows / seconds:,.0f}", f"{floor_s / seconds:.2f}"])
    print_table(f"Plan and save {rows:,} rows", ["writer", "seconds", "rows/s", "of bare"], table)
    print("target: batchgen >= 0.6 of the faster bare insert")
    print(f"peak RSS of batchgen: {ours.peak_rss_mib:.0f} MiB (limit 300, goal 130); CPU {ours.cpu_s:.1f} s")


def main() -> None:
    """Read the options, plan, insert again bare, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--db", type=Path, help="write the database to this new file and keep it")
    parser.add_argument("--dir", type=Path, help="existing folder for the files; a temporary one is made inside")
    options = parser.parse_args()
    pin(CLIENT_CORE)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-") as name:
        folder = Path(name)
        database = options.db.resolve() if options.db else folder / "million.db"
        if database.exists():
            parser.error(f"{database} exists")
        print(f"files on {filesystem_of(folder)}, SQLite {sqlite3.sqlite_version}, core {CLIENT_CORE}")
        print(f"MALLOC_TRIM_THRESHOLD_={TRIM_THRESHOLD_BYTES} for every process", flush=True)
        ours = save_plan(folder, database, options.rows)
        bare = {indexes: bare_seconds(database, folder, indexes) for indexes in ("before", "after")}
        print_report(count_rows(database), ours, bare)


if __name__ == "__main__":
    main()
