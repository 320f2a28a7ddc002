"""Whatever a reference points at, it is refused quickly, with its place in the manifest, and nothing is written or sent."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cli import CommandLine, study
from tests.support.pictures import PNG_MAGIC, bomb, picture

NOWHERE = "http://127.0.0.1:9"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
QUICK_S = 2.0
PRIVATE = (
    "http://example.com/a.png",
    "https://127.0.0.1/a.png",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/a.png",
    "https://2130706433/a.png",
    "https://localhost/a.png",
    "https://user:word@example.com/a.png",
    "https://example.com:8080/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "https://example.com/a b.png",
)


def _manifest(cli: CommandLine, references: dict[str, object], **changes: object) -> None:
    cli.write(study(NOWHERE, ["a gate"], references=references, **changes), "home/study.yaml")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(PNG_MAGIC)
        file.truncate(10 * 1024**3)


def _make(folder: Path) -> dict[str, str]:
    """Lay out everything that is no reference image, and give the path of each as a manifest might write it."""
    (folder / "home/dir").mkdir(parents=True)
    (folder / "outside.png").write_bytes(picture())
    (folder / "home/real.png").write_bytes(picture())
    (folder / "home/link.png").symlink_to("real.png")
    (folder / "home/linked").symlink_to("dir")
    (folder / "home/dir/inside.png").write_bytes(picture())
    os.mkfifo(folder / "home/fifo.png")
    (folder / "home/text.png").write_text("no picture at all")
    (folder / "home/drawing.svg").write_text(SVG)
    (folder / "home/disguised.png").write_text(SVG)
    (folder / "home/empty.png").touch()
    (folder / "home/cut.png").write_bytes(picture()[:-400])
    (folder / "home/bomb.png").write_bytes(bomb())
    (folder / "home/locked.png").write_bytes(b"%PDF-1.7")
    _sparse(folder / "home/sparse.png")
    return {
        "link": "link.png",
        "through": "linked/inside.png",
        "fifo": "fifo.png",
        "device": "/dev/zero",
        "terminal": "/dev/tty",
        "proc": "/proc/self/environ",
        "text": "text.png",
        "svg": "drawing.svg",
        "disguised": "disguised.png",
        "empty": "empty.png",
        "cut": "cut.png",
        "pdf": "locked.png",
        "sparse": "sparse.png",
        "parent": "../outside.png",
        "absolute": str(folder / "outside.png"),
        "folder": "dir",
        "gone": "gone.png",
        "nul": "a\0b.png",
        "long": "x" * 5000 + ".png",
    }


@pytest.fixture
def paths(cli: CommandLine) -> Iterator[dict[str, str]]:
    """Give the hostile paths by a word for each; the giant is gone before all files are searched for the key."""
    yield _make(cli.folder)
    (cli.folder / "home/sparse.png").unlink()


def test_each_hostile_file_is_a_located_error_and_all_are_told_at_once(cli: CommandLine, paths: dict[str, str]) -> None:
    """Links, pipes, devices, text, drawings, a sparse giant and places outside: E207 at each one's line, exit 2, nothing written."""
    _manifest(cli, {name: {"path": path} for name, path in paths.items()})
    before = _listing(cli.folder)

    started = time.monotonic()
    checked = cli("validate", "home/study.yaml", "--json")
    lasted_s = time.monotonic() - started
    run = cli("run", "home/study.yaml", "-y")

    problems = checked.document["problems"]
    told = {name for name in paths for problem in problems if f"'{name}'" in problem["message"]}
    assert (2, 2) == (checked.code, run.code)
    assert set(paths) - {"nul", "long"} <= told
    assert len(paths) <= len({problem["line"] for problem in problems})
    assert {"E207", "E109", "E105"} >= {problem["code"] for problem in problems}
    assert before == _listing(cli.folder)
    assert lasted_s < QUICK_S * len(paths) / 4


@pytest.mark.parametrize("name", ["fifo", "device", "sparse", "disguised", "parent"])
def test_one_hostile_file_is_refused_at_once(cli: CommandLine, paths: dict[str, str], name: str) -> None:
    """Nothing waits for a pipe, reads a device or a giant to its end, or looks outside: the answer takes about as long as any."""
    _manifest(cli, {"fine": {"path": "real.png"}})
    usual_s = _seconds(lambda: cli("validate", "home/study.yaml"))
    _manifest(cli, {name: {"path": paths[name]}})

    codes: list[int] = []
    lasted_s = _seconds(lambda: codes.append(cli("plan", "home/study.yaml", "--offline", timeout_s=20).code))

    assert [2] == codes
    assert lasted_s < usual_s + QUICK_S


def test_picture_that_would_fill_the_memory_is_refused(cli: CommandLine, paths: dict[str, str]) -> None:
    """A PNG of four hundred million pixels in fifty kilobytes is an error and is never unpacked."""
    _manifest(cli, {"fine": {"path": "real.png"}})
    fine = cli.measured("validate", "home/study.yaml")
    _manifest(cli, {"bomb": {"path": "bomb.png"}})

    refused = cli.measured("validate", "home/study.yaml")

    assert (0, 2) == (fine.code, refused.code)
    assert "E207" in refused.err
    assert int(refused.out.split()[-1]) < 2 * int(fine.out.split()[-1])


def test_second_folder_opens_that_folder_and_no_more(cli: CommandLine, paths: dict[str, str]) -> None:
    """With ``references_root`` a file below it is taken; beside it, through a link, or at the file system's root nothing is."""
    (cli.folder / "shared").mkdir()
    (cli.folder / "shared/fine.png").write_bytes(picture(seed=2))
    (cli.folder / "shared/sly.png").symlink_to("../outside.png")
    (cli.folder / "alias").symlink_to("shared")
    _manifest(
        cli, {"fine": {"path": "../shared/fine.png"}}, references_root="../shared", defaults={"model": "gpt-image-2", "images": "fine"}
    )
    fine = cli("validate", "home/study.yaml")
    references = {"beside": {"path": "../outside.png"}, "sly": {"path": "../shared/sly.png"}}
    _manifest(cli, references, references_root="../shared")
    refused = cli("validate", "home/study.yaml", "--json")
    _manifest(cli, {"fine": {"path": "../alias/fine.png"}}, references_root="../alias")
    alias = cli("validate", "home/study.yaml", "--json")

    assert (0, 2, 2) == (fine.code, refused.code, alias.code)
    assert ["E207", "E207"] == [problem["code"] for problem in refused.document["problems"]]
    assert "E207" in {problem["code"] for problem in alias.document["problems"]}


def test_addresses_that_are_not_public_are_refused(cli: CommandLine) -> None:
    """Only a plain https address of a public host may be sent to a vendor; every other one is a located error."""
    cli.write(study(NOWHERE, ["a gate"], references={f"r{number}": {"url": url} for number, url in enumerate(PRIVATE)}))

    checked = cli("validate", "study.yaml", "--json")

    problems = checked.document["problems"]
    assert 2 == checked.code
    assert {"E207"} == {problem["code"] for problem in problems}
    assert len(PRIVATE) == len({problem["line"] for problem in problems})


def _listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def _seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started
