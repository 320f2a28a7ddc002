"""Describe a job database for Datasette, which shows it in a browser: what the views mean, how to look at them, and the pictures.

Datasette itself shows no pictures. The output folders are served as static files, and a stored query gives cells that the plugin
datasette-json-html turns into pictures; without it such a cell tells the picture's address. Two tables hold signed addresses: they, and
queries of one's own, are for the user ``root`` alone, whom ``datasette --root`` lets in.
"""

from collections.abc import Mapping
from typing import Any, Final

from batchgen.store.schema import metadata as tables
from batchgen.store.views import VIEWS, View

_ROOT: Final = {"id": "root"}
_SIGNED: Final = ("attempt", "upload")
_FACETS: Final = {
    "v_jobs": ("batch", "state", "model", "sweep", "reason"),
    "v_attempts": ("batch", "model", "outcome", "reason"),
    "v_events": ("batch", "event", "actor", "reason"),
    "v_failures": ("batch", "model", "reason"),
    "v_files": ("batch", "state", "media_type"),
    "v_ambiguous": ("batch", "model", "reason"),
}
_SORTS: Final = {
    "v_jobs": {"sort": "job_id"},
    "v_attempts": {"sort": "attempt_id"},
    "v_failures": {"sort_desc": "jobs"},
    "v_cost_by_model": {"sort_desc": "cost_micros"},
    "v_latency": {"sort_desc": "median_s"},
    "v_throughput_5m": {"sort": "bucket"},
    "v_ambiguous": {"sort": "opened_at"},
}
"""v_events and v_files have no order of their own: a large one would be sorted whole for each page."""
_UNITS: Final = {"bytes": "byte", "width": "pixel", "height": "pixel", "min_s": "s", "median_s": "s", "p90_s": "s", "max_s": "s"}

_PICTURES: Final = """
SELECT CASE WHEN path LIKE '%.mp4' OR path LIKE '%.webm' THEN json_object('href', address, 'label', path)
            ELSE json_object('img_src', address, 'href', address, 'width', 240, 'alt', prompt_id) END AS picture,
       batch, model, cell, sample, prompt, key
FROM (SELECT *, {address} AS address FROM v_jobs WHERE path IS NOT NULL)
WHERE (:batch = '' OR batch = :batch) AND (:model = '' OR model = :model) AND (:words = '' OR instr(lower(prompt), lower(:words)))
ORDER BY job_id
"""
_STORY: Final = "SELECT * FROM v_events WHERE key = :key ORDER BY batch, seq"


def describe(database: str, mounts: Mapping[str, str]) -> dict[str, Any]:
    """Give the metadata of a database that Datasette knows by this name; ``mounts`` says under which name each output folder is served."""
    hidden: dict[str, dict[str, Any]] = {name: {"hidden": True} for name in (*tables.tables, "alembic_version")}
    hidden |= {name: {"hidden": True, "allow": _ROOT} for name in _SIGNED}
    pictures = {
        "title": "Pictures",
        "description": "Saved pictures in the order of planning; each field may stay empty.",
        "sql": _PICTURES.format(address=_address(mounts)).strip(),
    }
    return {
        "title": "batchgen",
        "description": "A job database of batchgen. Money is whole millionths of the vendor's unit (*_micros), instants are UTC.",
        "databases": {
            database: {
                "allow_sql": _ROOT,
                "tables": hidden | {view.name: _table(view) for view in VIEWS},
                "queries": {
                    "pictures": pictures,
                    "story": {"title": "Story", "description": "All that happened to one job, by its key.", "sql": _STORY},
                },
            }
        },
    }


def _table(view: View) -> dict[str, Any]:
    units = {name: unit for name, unit in _UNITS.items() if name in view.columns}
    shown = {"description": view.title, "columns": dict(view.columns), "units": units, "facets": list(_FACETS.get(view.name, ()))}
    return {name: value for name, value in shown.items() if value} | _SORTS.get(view.name, {})


def _address(mounts: Mapping[str, str]) -> str:
    """Write the SQL for the address of a file: what means something in an address is escaped, the percent sign first."""
    path = "path"
    for char in "%#?":
        path = f"replace({path}, '{char}', '%{ord(char):02X}')"
    served = " ".join(f"WHEN {_literal(folder)} THEN {_literal(f'/{name}/')} || {path}" for folder, name in mounts.items())
    return f"CASE output_dir {served} END" if served else "NULL"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
