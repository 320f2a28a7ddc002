"""How much vendors were found to bear, so that the next run starts where the last one was."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from batchgen.core.limits import Found
from batchgen.store import schema as s
from batchgen.store.engine import keep_row
from batchgen.store.queries import look


def found(engine: Engine, vendor: str) -> dict[str, Found]:
    """Give what was found, by model; "" stands for all models together."""
    query = select(s.pace).where(s.pace.c.vendor == vendor)
    rows = look(engine, lambda connection: connection.execute(query).mappings().all())
    return {row["model"]: Found(in_flight=row["in_flight"], submits_per_s=row["submits_per_s"]) for row in rows}


def keep(connection: Connection, vendor: str, paces: Mapping[str, Found], *, at: datetime) -> None:
    """Write what was found of a vendor in the place of what earlier runs found of the same models."""
    for model, pace in paces.items():
        row = {"vendor": vendor, "model": model, "in_flight": pace.in_flight, "submits_per_s": pace.submits_per_s, "updated_at": at}
        keep_row(connection, s.pace, row)
