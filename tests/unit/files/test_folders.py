"""Moves without clobbering on file systems that lack the better ways, and the wording of disk errors."""

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batchgen.core.errors import FileError
from batchgen.files import folders
from batchgen.files.folders import (
    NOT_A_FILE,
    Root,
    disk_errors,
    files_below,
    measure,
    move_new,
    open_regular,
    rename_new,
    reserve_and_rename,
    sync,
    sync_or_remove,
)

Move = Callable[[int, str, str], None]
MOVES = [move_new, rename_new, reserve_and_rename]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Open the temporary folder."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def _refusing(number: int) -> Callable[..., None]:
    def refuse(source: str, target: str, **_: object) -> None:
        raise OSError(number, os.strerror(number), source, None, target)

    return refuse


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _failing_with(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    return fail


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


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EMLINK])
def test_where_there_are_no_links_a_file_is_renamed(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whatever word a file system has for it (link(2)); the first name is gone then."""
    monkeypatch.setattr(os, "link", _refusing(number))
    (tmp_path / "temp").write_text("image")

    move_new(folder, "temp", "final")

    assert {"final": "image"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_no_rename_is_exclusive_the_name_is_taken_first(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Old kernels and some network file systems (renameat2(2)); a name that is taken is still not replaced."""
    monkeypatch.setattr(folders, "_RENAMEAT2", _failing_with(number))
    (tmp_path / "temp").write_text("image")
    (tmp_path / "other").write_text("other")

    rename_new(folder, "temp", "final")
    with pytest.raises(FileExistsError):
        rename_new(folder, "other", "final")

    assert {"final": "image", "other": "other"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_is_not_asked_in_another_way(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Neither a failed link nor a failed rename is tried otherwise."""
    (tmp_path / "temp").write_text("image")
    for move, name, failing in ((move_new, "link", _refusing(number)), (rename_new, "_RENAMEAT2", _failing_with(number))):
        with monkeypatch.context() as patched:
            patched.setattr(os if name == "link" else folders, name, failing)
            with pytest.raises(OSError, match="final") as caught:
                move(folder, "temp", "final")
        assert number == caught.value.errno

    assert ["temp"] == [path.name for path in tmp_path.iterdir()]


def test_a_link_is_moved_and_not_what_it_leads_to(tmp_path: Path, folder: int) -> None:
    """Whoever plants a link where a temporary file was gets the link back."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "temp").symlink_to("secret")

    move_new(folder, "temp", "final")

    assert (tmp_path / "final").is_symlink()
    assert 1 == (tmp_path / "secret").stat().st_nlink


def test_a_planted_link_is_not_synced(tmp_path: Path, folder: int) -> None:
    """What it leads to is not touched."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "temp").symlink_to("secret")

    with pytest.raises(OSError, match="temp") as caught:
        sync_or_remove(folder, "temp")

    assert errno.ELOOP == caught.value.errno


def test_a_folder_that_cannot_be_synced_is_an_error_unless_its_disk_knows_no_such_thing() -> None:
    """A pipe stands for a file system that says EINVAL, as fsync(2) has it."""
    reading, writing = os.pipe()
    sync(writing)
    os.close(reading)
    os.close(writing)

    with pytest.raises(OSError, match="descriptor"):
        sync(writing)


def test_folders_are_made_only_when_that_is_asked_for(tmp_path: Path) -> None:
    """Reading leaves no trace; making makes all of them, also above the root, for their owner alone."""
    root = Root(tmp_path / "a" / "b" / "out")
    for below in ((), ("x", "y")):
        with pytest.raises(FileNotFoundError), root.opened(below):
            pass
    assert [] == list(tmp_path.iterdir())

    with root.opened(("x", "y"), create=True):
        pass
    with pytest.raises(FileNotFoundError), root.opened(("x", "z")):
        pass

    made = [tmp_path / "a" / "b" / "out" / name for name in ("x", "x/y")]
    assert [0o700, 0o700] == [path.stat().st_mode & 0o777 for path in made]
    assert ["y"] == [path.name for path in made[0].iterdir()]


def test_no_descriptor_is_left_open(tmp_path: Path, folder: int) -> None:
    """Not by folders that were entered, a root that was replaced, a name that is no file, or a search."""
    root, place = Root(tmp_path / "out"), tmp_path / "out"
    with root.opened(("x", "y"), create=True):
        pass
    (place / "x" / "y" / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    before = _open_files()

    with root.opened(("x", "y")) as opened:
        assert 1 == measure(opened, "file").bytes
    with root.opened() as opened:
        assert ["x/y/file"] == [path for _, _, path in files_below(opened)]
    assert open_regular(folder, "pipe") is None
    place.rename(tmp_path / "away")
    place.mkdir()
    with pytest.raises(FileError), root.opened():
        pass
    with suppress(FileNotFoundError), Root(tmp_path / "missing" / "out").opened():
        pass
    with Root(tmp_path / "new" / "out").opened(create=True):
        pass

    assert before == _open_files()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disks_are_told_with_figures(tmp_path: Path, number: int) -> None:
    """The operator reads what is needed and what there is."""
    with (
        pytest.raises(FileError, match=r"cannot write .*/a\.png: .* \(needs 70000 bytes, \d+ free\)"),
        disk_errors("write", Root(tmp_path), "a.png", need=70_000),
    ):
        raise OSError(number, os.strerror(number))
    with pytest.raises(FileError, match="needs 0 bytes"), disk_errors("sync", Root(tmp_path), "a.png"):
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
