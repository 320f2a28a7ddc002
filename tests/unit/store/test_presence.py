"""A database that is replaced in use, and who holds one."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from batchgen.core.errors import SchemaError
from batchgen.store.engine import open_engine, parse
from batchgen.store.presence import holders

_HOLD = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_replaced", [False, True])
def test_no_transaction_begins_in_a_database_that_is_gone(url: str, is_replaced: bool) -> None:
    """A file without its name, or another file under that name: neither takes a change, and the other one stays as it was."""
    path = Path(parse(url).database or "")
    engine = open_engine(url)
    path.rename(path.with_suffix(".moved"))
    if is_replaced:
        path.write_bytes(path.with_suffix(".moved").read_bytes())
    before = path.read_bytes() if is_replaced else b""

    with pytest.raises(SchemaError, match="removed or replaced while it was in use"), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM batch")

    engine.dispose()
    assert (before == path.read_bytes()) if is_replaced else not path.exists()


def test_the_file_put_back_is_used_again(url: str) -> None:
    """Moved away and back, it is the same file."""
    path = Path(parse(url).database or "")
    engine = open_engine(url)
    path.rename(path.with_suffix(".moved"))
    path.with_suffix(".moved").rename(path)

    with engine.begin() as connection:
        assert 0 == connection.exec_driver_sql("SELECT count(*) FROM batch").scalar()

    engine.dispose()


def test_another_process_that_holds_a_database_is_named_and_our_own_locks_stay(url: str) -> None:
    """The system knows the holder; asking it drops no lock of ours, as opening the file would."""
    path = Path(parse(url).database or "")
    assert [] == holders(path)
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert [other.pid] == holders(path)
        other.kill()

    ours = sqlite3.connect(path, isolation_level=None)
    ours.execute("BEGIN EXCLUSIVE")
    assert [] == holders(path)
    probe = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    assert 1 == subprocess.run([sys.executable, "-c", probe, str(path)], capture_output=True, check=False).returncode
    ours.close()


def test_where_the_system_tells_no_locks_nobody_is_named(tmp_path: Path) -> None:
    """A missing list and a missing file are no error."""
    assert [] == holders(tmp_path / "jobs.db", locks=tmp_path / "locks")
