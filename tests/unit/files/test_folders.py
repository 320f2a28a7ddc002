"""Moves without clobbering on file systems that lack the better ways, and the wording of disk errors."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchgen.core.errors import FileError
from batchgen.files.folders import NOT_A_FILE, Root, disk_errors, measure, move_new, rename_new, reserve_and_rename

Move = Callable[[int, str, str], None]
MOVES = [move_new, rename_new, reserve_and_rename]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Open the temporary folder."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("move", MOVES)
def test_every_move_gives_the_file_its_name(tmp_path: Path, folder: int, move: Move) -> None:
    """With links, with an exclusive rename, and with neither, the bytes arrive."""
    (tmp_path / "temp").write_text("image")

    move(folder, "temp", "final")

    assert (tmp_path / "final").read_text() == "image"


@pytest.mark.parametrize("move", MOVES)
def test_no_move_replaces_a_file(tmp_path: Path, folder: int, move: Move) -> None:
    """A taken name is an error, and both files stay."""
    (tmp_path / "temp").write_text("image")
    (tmp_path / "final").write_text("precious")

    with pytest.raises(FileExistsError):
        move(folder, "temp", "final")

    assert (tmp_path / "final").read_text() == "precious"
    assert (tmp_path / "temp").read_text() == "image"


@pytest.mark.parametrize("move", [move_new, rename_new])
def test_move_of_nothing_is_an_error(tmp_path: Path, folder: int, move: Move) -> None:
    """The cause keeps its errno."""
    with pytest.raises(FileNotFoundError):
        move(folder, "temp", "final")

    assert list(tmp_path.iterdir()) == []


def test_measure_tells_nothing_from_no_file(tmp_path: Path, folder: int) -> None:
    """A missing name, a socket and a folder are three answers apart from a file's."""
    (tmp_path / "folder").mkdir()
    place = os.path.relpath(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)

        assert measure(folder, "missing") is None
        assert measure(folder, "socket") == NOT_A_FILE
        assert measure(folder, "folder") == NOT_A_FILE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disks_are_told_with_figures(tmp_path: Path, number: int) -> None:
    """The operator reads what is needed and what there is."""
    with (
        pytest.raises(FileError, match=r"cannot write .*/a\.png: .* \(needs 70000 bytes, \d+ free\)"),
        disk_errors("write", Root(tmp_path), "a.png", need=70_000),
    ):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES])
def test_other_disk_errors_keep_their_errno_in_the_cause(tmp_path: Path, number: int) -> None:
    """The worker decides by the number, people by the sentence."""
    with pytest.raises(FileError) as caught, disk_errors("fsync", Root(tmp_path), "a.png"):
        raise OSError(number, os.strerror(number))

    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number
    assert "needs" not in str(caught.value)


def test_root_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    """A file where a folder should be is not replaced."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(NotADirectoryError), Root(tmp_path / "file" / "out").opened(create=True):
        pass
