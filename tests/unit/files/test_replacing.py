"""Files that are written anew: whole, and never over what is not theirs."""

import os
import stat
from pathlib import Path

import pytest

from batchgen.core.errors import FileError
from batchgen.files.replacing import begins_with, replace_text


def test_a_reader_keeps_the_file_that_it_opened(tmp_path: Path) -> None:
    """The new file takes the name of the old one at once; nothing is written into what somebody reads."""
    path = tmp_path / "night.prom"
    replace_text(path, "first")

    with path.open() as reader:
        replace_text(path, "second")
        read = reader.read()

    assert ("first", "second") == (read, path.read_text())
    assert [path] == list(tmp_path.iterdir())


def test_others_may_read_the_file(tmp_path: Path) -> None:
    """A collector runs as another user: the mode is the usual one of the process."""
    path = tmp_path / "night.prom"
    umask = os.umask(0o022)
    try:
        replace_text(path, "figures")
    finally:
        os.umask(umask)

    assert 0o644 == stat.S_IMODE(path.stat().st_mode)


def test_the_rest_of_a_run_that_broke_off_is_not_written_through(tmp_path: Path) -> None:
    """A link that somebody laid in the place of the temporary file leads nowhere."""
    kept = tmp_path / "kept"
    kept.write_text("precious")
    (tmp_path / ".night.prom.part").symlink_to(kept)

    replace_text(tmp_path / "night.prom", "figures")

    assert ("precious", "figures") == (kept.read_text(), (tmp_path / "night.prom").read_text())


def test_a_missing_folder_is_a_file_error(tmp_path: Path) -> None:
    """It is named, and not made: the path may be mistyped."""
    with pytest.raises(FileError, match=r"nowhere.*No such file"):
        replace_text(tmp_path / "nowhere" / "night.prom", "figures")


def test_only_its_own_kind_is_replaced(tmp_path: Path) -> None:
    """Nothing, an empty file and one that begins like it; no other content, no folder, no link, no device."""
    contents = {"empty": b"", "own": b"# HELP x\n", "other": b"\xff\xfe precious", "short": b"# HE"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "own")

    found = {name for name in (*contents, "none", "link", ".", "/dev/null") if begins_with(tmp_path / name, "# HELP")}

    assert {"empty", "own", "none"} == found
