"""How much vendors were found to bear."""

from batchgen.core.limits import Found
from batchgen.store import paces
from tests.support.databases import Table
from tests.support.fake_clock import START

_VENDOR = "jimmyai https://api.example"


def _keep(table: Table, vendor: str, found: dict[str, Found]) -> None:
    table.thread.call(lambda connection: paces.keep(connection, vendor, found, at=START)).result()


def test_what_was_found_is_kept_by_vendor_and_model(table: Table) -> None:
    """The next run reads what the last one wrote; other vendors and models keep theirs."""
    _keep(table, _VENDOR, {"": Found(in_flight=12.5, submits_per_s=2.0), "painter": Found(in_flight=3.0)})
    _keep(table, "other", {"": Found(in_flight=99.0)})
    _keep(table, _VENDOR, {"": Found(in_flight=40.0)})

    assert {"": Found(in_flight=40.0), "painter": Found(in_flight=3.0)} == paces.found(table.thread.engine, _VENDOR)
    assert {"": Found(in_flight=99.0)} == paces.found(table.thread.engine, "other")
    assert {} == paces.found(table.thread.engine, "unknown")
