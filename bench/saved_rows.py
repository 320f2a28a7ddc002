"""Turn every planned job of a database into a saved one, as a run would have left it: order, five events, one file that is not on disk.

    python bench/saved_rows.py DATABASE.db

The rows are made by the engine out of the job table, so nothing is held in memory. Prints one JSON object: jobs and seconds.
"""

import argparse
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

AT = "'2026-11-22T01:02:03.000000Z'"
PRICE_MICROS = 60_000
STEPS = (
    ("planned", "submitting", "submit_started", f'{{"body_sha256": "{"ab" * 32}", "reserved": {PRICE_MICROS}}}'),
    ("submitting", "submitted", "submit_accepted", f'{{"task_id": "01999999-0000-7000-8000-000000000000", "cost": {PRICE_MICROS}}}'),
    ("submitted", "rendered", "render_finished", f'{{"cost": {PRICE_MICROS}, "urls": 1}}'),
    ("rendered", "rendered", "images_staged", f'{{"images": [{{"path": "main/0.png", "sha256": "{"ab" * 32}", "bytes": 1000}}]}}'),
    ("rendered", "saved", "images_saved", f'{{"images": [{{"path": "main/0.png", "sha256": "{"ab" * 32}", "bytes": 1000}}]}}'),
)

# Put together from the constants above only.
STATEMENTS = (
    f"""INSERT INTO run (batch_id, host, pid, boot_id, started_at, heartbeat_at, ended_at, stop_reason, exit_code, tool_version)
        SELECT id, 'bench', 1, 'boot', {AT}, {AT}, {AT}, 'done', 0, '0' FROM batch""",  # noqa: S608
    f"""INSERT INTO attempt (id, job_id, n, run_id, outcome, task_id, body_sha256, est_micros, cost_micros, cap_micros, committed_micros,
                             opened_at, settled_at, rendered_at)
        SELECT id * 100000 + 1, id, 1, 1, 'accepted', printf('task-%032x', id), '{"ab" * 32}', {PRICE_MICROS}, {PRICE_MICROS},
               1000000000000, id * {PRICE_MICROS}, {AT}, {AT}, {AT} FROM job""",  # noqa: S608
    *(
        f"""INSERT INTO event (job_id, seq, before, after, event, actor, reason, detail, at, run_id, attempt_id, is_decision)
            SELECT id, {seq}, '{before}', '{after}', '{event}', 'runner', '', '{detail}', {AT}, 1, id * 100000 + 1, 0 FROM job"""  # noqa: S608
        for seq, (before, after, event, detail) in enumerate(STEPS, 1)
    ),
    f"""INSERT INTO artifact (batch_id, job_id, attempt_id, idx, state, output_dir, path, path_key, temp, sha256, bytes, width, height,
                              media_type, created_at)
        SELECT j.batch_id, j.id, j.id * 100000 + 1, 0, 'verified', b.output_dir, printf('main/%032x.png', j.id),
               printf('main/%032x.png', j.id), printf('main/.%032x.part', j.id), printf('%064x', j.id), 1000, 1024, 1024, 'image/png', {AT}
        FROM job j JOIN batch b ON b.id = j.batch_id""",  # noqa: S608
    f"UPDATE job SET state = 'saved', version = {len(STEPS)}, attempts = 1, attempt_id = id * 100000 + 1, updated_at = {AT}",  # noqa: S608
    "UPDATE batch_total SET jobs = (SELECT count(*) FROM job j WHERE j.batch_id = batch_total.batch_id AND j.state = batch_total.state)",
    f"""UPDATE batch SET orders = (SELECT count(*) FROM job j WHERE j.batch_id = batch.id),
        spent_micros = {PRICE_MICROS} * (SELECT count(*) FROM job j WHERE j.batch_id = batch.id)""",  # noqa: S608
    *(
        f"""INSERT INTO purse (batch_id, scope, name, spent_micros, orders)
            SELECT batch_id, '{scope}', {name}, {PRICE_MICROS} * count(*), count(*) FROM job GROUP BY batch_id, {name}"""  # noqa: S608
        for scope, name in (("model", "model"), ("day", f"substr({AT}, 1, 10)"))
    ),
)


def save_all(database: Path) -> int:
    """Write the rows in one transaction and return the number of jobs."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in STATEMENTS:
            connection.execute(statement)
        connection.execute("COMMIT")
        return int(connection.execute("SELECT count(*) FROM job").fetchone()[0])


def main() -> None:
    """Read the option, write the rows and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    options = parser.parse_args()
    started = time.perf_counter()
    jobs = save_all(options.database)
    print(json.dumps({"jobs": jobs, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
