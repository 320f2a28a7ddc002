"""New files and folders have their name only once they are whole."""

import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from batchgen.core.errors import FileError, InputError
from batchgen.files.folders import reserve_and_rename
from batchgen.files.placing import new_file, new_folder

New = Callable[[Path], AbstractContextManager[Any]]
BOTH = pytest.mark.parametrize("new", [new_file, new_folder])


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Before that nothing stands there; afterwards it is its owner's alone, and nothing else is left."""
    target = tmp_path / "jobs.csv"

    with new_file(target) as file:
        file.write(b"rows")
        stands = target.exists()

    assert not stands
    assert b"rows" == target.read_bytes()
    assert 0o600 == stat.S_IMODE(target.stat().st_mode)
    assert [target] == list(tmp_path.iterdir())


def test_a_folder_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """It comes with what was put into it, and is its owner's alone."""
    target = tmp_path / "bundle"

    with new_folder(target) as folder:
        (folder / "a").write_text("here")
        stands = target.exists()

    assert not stands
    assert "here" == (target / "a").read_text()
    assert 0o700 == stat.S_IMODE(target.stat().st_mode)
    assert [target] == list(tmp_path.iterdir())


@BOTH
def test_after_an_error_nothing_is_there(tmp_path: Path, new: New) -> None:
    """Half of it is worth nothing."""
    with pytest.raises(ZeroDivisionError), new(tmp_path / "half"):
        raise ZeroDivisionError

    assert [] == list(tmp_path.iterdir())


@BOTH
@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere"])
def test_what_stands_there_is_left_alone(tmp_path: Path, new: New, kind: str) -> None:
    """Whatever it is, the work does not even begin."""
    target = tmp_path / "taken"
    {"file": target.touch, "folder": target.mkdir, "link to nowhere": lambda: target.symlink_to("nowhere")}[kind]()
    before = target.lstat()

    with pytest.raises(InputError, match="exists already"), new(target):
        pytest.fail("began")

    assert before == target.lstat()


@BOTH
def test_what_came_in_between_is_left_alone(tmp_path: Path, new: New) -> None:
    """Another process was quicker: its file stays."""
    target = tmp_path / "taken"

    with pytest.raises(InputError, match="exists already"), new(target):
        target.write_text("theirs")

    assert "theirs" == target.read_text()
    assert [target] == list(tmp_path.iterdir())


def test_a_file_may_replace_another(tmp_path: Path) -> None:
    """The old one stands there until the new one is whole."""
    target = tmp_path / "jobs.csv"
    target.write_text("old")

    with new_file(target, replaces=True) as file:
        file.write(b"new")
        before = target.read_text()

    assert ("old", "new") == (before, target.read_text())


@BOTH
def test_the_rest_of_a_death_is_removed(tmp_path: Path, new: New) -> None:
    """The hidden name of an earlier try is no obstacle, and nothing of it gets into the new one."""
    part = tmp_path / ".x.part"
    if new is new_folder:
        part.mkdir()
        (part / "rest").touch()
    else:
        part.touch()

    with new(tmp_path / "x"):
        pass

    assert [tmp_path / "x"] == list(tmp_path.iterdir())
    assert not (tmp_path / "x" / "rest").exists()


@BOTH
def test_a_missing_folder_is_named(tmp_path: Path, new: New) -> None:
    """One sentence with the path and what the system says."""
    with pytest.raises(FileError, match=r"cannot write .*nowhere/x: No such file"), new(tmp_path / "nowhere" / "x"):
        pytest.fail("began")


def test_a_folder_is_renamed_where_the_system_cannot_do_it_in_one_step(tmp_path: Path) -> None:
    """The name is taken with an empty folder, which the whole one replaces; a taken name stays."""
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "a").touch()
    folder = os.open(tmp_path, os.O_RDONLY)

    reserve_and_rename(folder, "part", "whole")
    (tmp_path / "part").mkdir()
    with pytest.raises(FileExistsError):
        reserve_and_rename(folder, "part", "whole")
    os.close(folder)

    assert (tmp_path / "whole" / "a").exists()
