"""One run at a time in an output folder."""

import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from batchgen.core.errors import FileError, LockedError
from batchgen.files import folderlock
from tests.support.cli import ROOT

_HOLD = """
import sys
from pathlib import Path
from batchgen.files import folderlock
with folderlock.held(Path(sys.argv[1]), is_shared="shared" in sys.argv):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_against_another_process_until_it_dies(tmp_path: Path) -> None:
    """While a process holds the folder nobody else gets it; a kill frees it, and nothing is left inside."""
    folder = tmp_path / "deep" / "out"
    command = [sys.executable, "-c", _HOLD, str(folder)]

    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        with pytest.raises(LockedError, match=r"another run is storing its images in .*/deep/out"), folderlock.held(folder):
            pass
        holder.send_signal(signal.SIGKILL)

    with folderlock.held(folder):
        assert [] == list(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the way is trouble with the disk."""
    (tmp_path / "out").write_text("in the way")

    with pytest.raises(FileError, match=r"cannot open .*/out"), folderlock.held(tmp_path / "out"):
        pass


@pytest.mark.parametrize(("theirs", "ours", "is_free"), [("shared", True, True), ("shared", False, False), ("alone", True, False)])
def test_a_folder_is_shared_only_by_those_that_all_share_it(tmp_path: Path, theirs: str, ours: bool, is_free: bool) -> None:
    """Runs on a server share their folder with each other, and with no run that wants it alone."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path), theirs]

    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        with nullcontext() if is_free else pytest.raises(LockedError), folderlock.held(tmp_path, is_shared=ours):
            pass
        holder.send_signal(signal.SIGKILL)
