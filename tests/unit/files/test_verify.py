"""Hashing again what was saved, and finding what nobody recorded."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchgen.core.errors import FileError
from batchgen.files.verify import rehash, unknown_files


def test_rehash_gives_hash_and_size(tmp_path: Path) -> None:
    """The bytes on disk decide."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").write_bytes(b"image")

    assert rehash(tmp_path, "a/x.png") == (hashlib.sha256(b"image").hexdigest(), 5)


@pytest.mark.parametrize("path", ["missing.png", "missing/x.png", "folder", "link.png", "linked/x.png", "file/x.png"])
def test_rehash_sees_only_regular_files_below_the_root(tmp_path: Path, path: str) -> None:
    """A missing file, a folder and anything behind a link are nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(b"image")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_text("x")
    (root / "link.png").symlink_to(outside / "x.png")
    (root / "linked").symlink_to(outside)

    assert rehash(root, path) is None


def test_rehash_of_a_missing_root_is_none(tmp_path: Path) -> None:
    """A whole folder may be gone."""
    assert rehash(tmp_path / "missing", "x.png") is None


def test_rehash_refuses_paths_that_leave_the_root(tmp_path: Path) -> None:
    """A path from a foreign database does not reach other files."""
    with pytest.raises(FileError):
        rehash(tmp_path, "../x.png")


def test_unknown_files_are_those_that_nobody_recorded(tmp_path: Path) -> None:
    """Known images, their sidecars and whatever is hidden are left out; links are not, and a name need not be text."""
    (tmp_path / "a").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ["a/x.png", "a/x.png.json", "a/y.png", "notes.json", ".marker", ".git/head"]:
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / os.fsdecode(b"\xff.png")).write_text("x")

    found = unknown_files(tmp_path, {"a/x.png"}.intersection)

    assert ["a/y.png", "link", "notes.json", "\ufffd.png"] == sorted(found)


def test_known_files_are_asked_for_in_small_numbers(tmp_path: Path) -> None:
    """However many files a folder holds, only some hundreds of names are in hand."""
    for number in range(450):
        (tmp_path / f"{number}.png").touch()
    asked: list[int] = []

    def known(paths: Sequence[str]) -> set[str]:
        asked.append(len(paths))
        return set(paths)

    assert [] == list(unknown_files(tmp_path, known))
    assert [200, 200, 50] == asked


def test_missing_folder_holds_no_unknown_file(tmp_path: Path) -> None:
    """Before the first image there is nothing to complain about."""
    assert [] == list(unknown_files(tmp_path / "missing", set().intersection))
