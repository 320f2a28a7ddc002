"""Many rows at once, written by a PostgreSQL server itself: a batch as it stands in the middle of its night."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine, text

from batchgen.store import plans, runs
from batchgen.store import schema as s
from tests.support.databases import START, new_plan

LIVE: Final = 100
"""Jobs in each of the live states; as many have failed."""
CHUNK: Final = 500_000
_ENDED: Final = ("failed", "ambiguous", "rendered", "submitted", "submitting")
_AT: Final = "'2026-11-22T01:02:03.000000Z'"
_LATER: Final = "'2126-11-22T01:02:03.000000Z'"

# Jobs are numbered from 1: first those that are saved, then a few in each of the states above, then the planned ones. Every other live job
# is in a run's hands, and every fiftieth planned one waits.
_STATE: Final = " ".join(f"WHEN n > :last - :planned - {(place + 1) * LIVE} THEN '{state}'" for place, state in enumerate(_ENDED[::-1]))
_JOBS: Final = f"""
    INSERT INTO job (id, key, sweep, prompt_id, prompt, operation, model, params, labels, refs, cell, sample, ordinal, position, batch_id,
                     plan_id, state, version, attempts, attempt_id, run_id, next_at, planned_at, updated_at)
    SELECT n, md5(n::text), 'main', 'p' || n, 'A neon sign that says ' || n, 'image', 'painter',
           '{{"model":"painter","quality":"high","resolution":"1k"}}', '{{"animal":"fox"}}', '[]', 'c1', 1, 0, n, 1,
           1, state, CASE state WHEN 'planned' THEN 0 WHEN 'saved' THEN 5 ELSE 2 END, (state <> 'planned')::int,
           CASE WHEN state <> 'planned' THEN n * 100000 + 1 END,
           CASE WHEN state IN ('submitting', 'submitted', 'rendered') AND n % 2 = 0 THEN 1 END,
           CASE WHEN state = 'planned' AND n % 50 = 0 THEN {_LATER} END, {_AT}, {_AT}
    FROM (
        SELECT n, CASE WHEN n > :last - :planned THEN 'planned' {_STATE} ELSE 'saved' END AS state
        FROM generate_series(CAST(:begin AS bigint), CAST(:end AS bigint)) AS n
    ) AS told
"""  # noqa: S608 - constants of this module
_ATTEMPTS: Final = f"""
    INSERT INTO attempt (id, job_id, n, run_id, outcome, task_id, body_sha256, est_micros, cost_micros, committed_micros, opened_at,
                         settled_at, rendered_at)
    SELECT attempt_id, id, 1, 1, CASE state WHEN 'submitting' THEN 'open' WHEN 'ambiguous' THEN 'ambiguous' ELSE 'accepted' END,
           CASE WHEN state NOT IN ('submitting', 'ambiguous') THEN 'img_' || id END, repeat('0', 64), 60000,
           CASE WHEN state NOT IN ('submitting', 'ambiguous') THEN 60000 END, 60000 * id, {_AT}, {_AT}, {_AT}
    FROM job WHERE state <> 'planned' AND id BETWEEN :begin AND :end AND id > :untold
"""  # noqa: S608 - as above
_EVENTS: Final = f"""
    INSERT INTO event (job_id, seq, before, after, event, actor, reason, detail, at, run_id, attempt_id, is_decision)
    SELECT id, seq, before, after, word, 'runner', '', '{{}}', {_AT}, 1, attempt_id, false
    FROM job CROSS JOIN (VALUES
        (1, 'planned', 'submitting', 'submit_started'), (2, 'submitting', 'submitted', 'submit_accepted'),
        (3, 'submitted', 'rendered', 'render_finished'), (4, 'rendered', 'rendered', 'images_staged'),
        (5, 'rendered', 'saved', 'images_saved')) AS step (seq, before, after, word)
    WHERE state = 'saved' AND id BETWEEN :begin AND :end AND id > :untold
"""  # noqa: S608 - as above
_FILES: Final = f"""
    INSERT INTO artifact (batch_id, job_id, attempt_id, idx, state, output_dir, path, path_key, temp, sha256, bytes, width, height,
                          media_type, created_at)
    SELECT 1, id, attempt_id, 0, 'verified', '/images/night', 'main/' || id || '.png', 'main/' || id || '.png', 'main/.' || id || '.part',
           repeat('0', 64), 65536, 147, 147, 'image/png', {_AT}
    FROM job WHERE state = 'saved' AND id BETWEEN :begin AND :end AND id > :untold
"""  # noqa: S608 - as above
_TOTALS: Final = """
    UPDATE batch_total SET jobs = (SELECT count(*) FROM job WHERE job.state = batch_total.state) WHERE batch_id = 1
"""


def crowd(engine: Engine, *, jobs: int, planned: int, untold: int = 0, told: Callable[[int], None] = lambda _jobs: None) -> None:
    """Fill an empty database with one batch of so many jobs, of which so many are planned; ``told`` hears how many there are.

    The first ``untold`` jobs have no attempts, events and files, which saves most of the time and the room.
    """
    plans.save(engine, new_plan(), [], at=START)
    process = runs.Process(host="night-1", pid=4711, boot_id="b00t", tool_version="0.1.0")
    with engine.begin() as connection:
        runs.start(connection, batch_id=1, process=process, at=START, lease_s=86_400.0)
        s.JOB_KEY_INDEX.drop(connection)
    for begin in range(1, jobs + 1, CHUNK):
        end = min(jobs, begin + CHUNK - 1)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # nobody checks what refers to what
            span = {"begin": begin, "end": end, "last": jobs, "planned": planned, "untold": untold}
            for rows in (_JOBS, _ATTEMPTS, _EVENTS, _FILES):
                connection.execute(text(rows), {name: span[name] for name in text(rows).compile().params})
        told(end)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        s.JOB_KEY_INDEX.create(connection)
        connection.execute(text("SELECT setval('job_id_seq', :jobs)"), {"jobs": jobs})
        connection.execute(text(_TOTALS))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
