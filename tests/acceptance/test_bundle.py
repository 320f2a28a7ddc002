"""Bundles: what a batch left, checked where nothing else of it is."""

import hashlib
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGINT
from typing import Any
from zipfile import ZipFile

import pytest

from batchgen.app.bundlecheck import verify_bundle
from batchgen.settings import Settings
from tests.contract.conftest import postgres
from tests.support.cli import CommandLine, Vendor, study, wait_until
from tests.support.databases import postgres_url

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[CommandLine]:
    """Give a folder with two batches that are done, the bundle of the first as folder and as archive."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("bundle"))
    for name in ("study", "other"):
        manifest = study(
            vendor.url, [f"a fox for {name}", f"a hen for {name}"], name=name, output={"dir": f"out/{name}", "sidecar": "json"}
        )
        command_line.write(manifest, f"{name}.yaml")
        assert 0 == command_line("run", f"{name}.yaml", "-y").code
    yield command_line
    assert [] == command_line.leaks()


@pytest.fixture(scope="module")
def made(cli: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder elsewhere that holds the bundle twice, as ``study`` and as ``study.zip``."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for target in ("study", "study.zip"):
        told = cli("bundle", "study", "--output", elsewhere / target)
        assert 0 == told.code, told.err
    return elsewhere


@pytest.fixture
def auditor(tmp_path: Path, made: Path) -> CommandLine:
    """Give a command line on another machine: it has the bundle, and nothing else."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return CommandLine(folder=tmp_path)


def names(folder: Path) -> set[str]:
    """Name every file of a bundle."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def found_in(path: Path) -> set[str]:
    """Check a bundle with nothing else at hand; give the names of what is violated."""
    nowhere = Settings.from_environment({}, db=str(path / "nowhere.db"))
    return {finding.name for finding in verify_bundle(nowhere, path, on_progress=lambda _: None).findings if finding.violations}


def test_a_bundle_has_all_of_its_batch_and_no_picture_of_another(cli: CommandLine, made: Path) -> None:
    """Database, manifest, pictures and sidecars as they are, the report, and the list of hashes."""
    pictures = {name.removeprefix("out/study/"): content for name, content in cli.images().items() if name.startswith("out/study/")}
    sidecars = {f"{name}.json" for name in pictures}

    images = {name for name in names(made / "study") if name.startswith("images/")}
    report = {name for name in names(made / "study") if name.startswith("report/")}

    assert {"SHA256SUMS", "batchgen.db", "bundle.json", "manifest.yaml"} == names(made / "study") - images - report
    assert {".html": 1, ".webp": 2, ".jsonl": 1} == Counter(Path(name).suffix for name in report)
    page = (made / "study/report/index.html").read_text(encoding="utf-8")
    assert all(f'"source":"../images/{name}"' in page for name in pictures)
    assert 2 == len(pictures)
    assert {f"images/{name}" for name in {*pictures, *sidecars}} == images
    assert list(pictures.values()) == [(made / "study" / "images" / name).read_bytes() for name in pictures]
    assert cli.files()["study.yaml"] == (made / "study" / "manifest.yaml").read_bytes()


def test_folder_and_archive_hold_the_same(made: Path) -> None:
    """Under the same names; coreutils finds nothing wrong with the archive unpacked."""
    with ZipFile(made / "study.zip") as archive:
        archive.extractall(made / "unpacked")

    checked = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=made / "unpacked", check=False)

    assert 0 == checked.returncode
    assert names(made / "study") == names(made / "unpacked")
    shutil.rmtree(made / "unpacked")


def test_what_is_said_of_a_bundle(cli: CommandLine, tmp_path: Path) -> None:
    """How much is in it, whose rows beside, the hash to be kept apart, and how to check it; the same as JSON."""
    told = cli("bundle", "study", "--output", tmp_path / "a")
    document = cli("bundle", "study", "--output", tmp_path / "b", "--json").document

    first, others, seal, check = told.out.splitlines()
    assert first.startswith("study: 2 images, 11 files in all (")
    assert "it has rows, not pictures, of 1 other batch (other)" in others
    assert hashlib.sha256((tmp_path / "a" / "SHA256SUMS").read_bytes()).hexdigest() in seal
    assert check.endswith(f"verify --bundle {tmp_path}/a")
    assert ("batchgen.bundle/1", ["other"], [], 11) == tuple(document[name] for name in ("schema", "others", "amiss", "files"))


@pytest.mark.parametrize("bundle", ["study", "study.zip"])
def test_a_whole_bundle_is_found_whole(auditor: CommandLine, bundle: str) -> None:
    """On another machine, without the database and the folders it came from; nothing is written."""
    before = auditor.files()

    told = auditor("verify", "--bundle", bundle, "--full")

    verdict = told.out.splitlines()[-1]
    assert 0 == told.code
    assert before == auditor.files()
    assert verdict.startswith("verify: 26 invariants, 2 saved jobs, 2 files re-hashed (")
    assert verdict.endswith(": no violation")


def picture(folder: Path) -> Path:
    """Name the first picture of a bundle."""
    return min(folder.rglob("*.png"))


def change_a_picture(folder: Path) -> None:
    """Change one byte."""
    content = bytearray(picture(folder).read_bytes())
    content[100] ^= 1
    picture(folder).write_bytes(content)


def put_a_link(folder: Path) -> None:
    """Put a link to the same bytes in a picture's place."""
    path, kept = picture(folder), folder.parent / "kept.png"
    path.rename(kept)
    path.symlink_to(kept)


def sign_again(folder: Path) -> None:
    """Write the list of hashes anew, as one does who covers tracks."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names(folder) - {"SHA256SUMS"}]
    (folder / "SHA256SUMS").write_text("".join(lines))


def change_a_row(folder: Path, statement: str = "UPDATE job SET state = 'failed', reason = 'x' WHERE id = 1") -> None:
    """Change the database."""
    with closing(sqlite3.connect(folder / "batchgen.db")) as connection:
        connection.execute(statement)
        connection.commit()


def change_about(folder: Path, text: str) -> None:
    """Let the bundle say something else of itself."""
    (folder / "bundle.json").write_text(text)
    sign_again(folder)


def both(*steps: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Do one after the other."""
    return lambda folder: [step(folder) for step in steps] and None


TAMPERED = {
    "a changed picture": (change_a_picture, {"B3", "I20"}),
    "a changed picture and a new list": (both(change_a_picture, sign_again), {"I20"}),
    "a picture gone": (lambda folder: picture(folder).unlink(), {"B2", "I20"}),
    "a picture gone from the list too": (both(lambda folder: picture(folder).unlink(), sign_again), {"I20"}),
    "a picture that is a link": (put_a_link, {"B1", "B2", "I20"}),
    "a file more": (lambda folder: (folder / "images" / "more.png").write_bytes(b"x"), {"B2"}),
    "a hidden file more": (lambda folder: (folder / "batchgen.db-journal").write_bytes(b"x"), {"B2"}),
    "a name that is no text": (lambda folder: Path(f"{folder}/\udcff").write_bytes(b"x"), {"B2"}),
    "a changed row": (change_a_row, {"B3", "I5", "I14", "I19"}),
    "a changed row and a new list": (both(change_a_row, sign_again), {"I5", "I14", "I19"}),
    "a row of a picture gone": (
        both(lambda folder: change_a_row(folder, "DELETE FROM artifact WHERE id = (SELECT min(id) FROM artifact)"), sign_again),
        {"I9"},
    ),
    "a trigger of a stranger": (
        both(lambda folder: change_a_row(folder, "CREATE TRIGGER t AFTER INSERT ON job BEGIN SELECT 1; END"), sign_again),
        {"B4"},
    ),
    "another manifest": (both(lambda folder: (folder / "manifest.yaml").write_text("version: 1"), sign_again), {"B5"}),
    "no database": (both(lambda folder: (folder / "batchgen.db").unlink(), sign_again), {"B4"}),
    "a broken database": (both(lambda folder: (folder / "batchgen.db").write_bytes(b"x" * 9000), sign_again), {"B4"}),
    "no list": (lambda folder: (folder / "SHA256SUMS").unlink(), {"B2"}),
    "another batch's name": (lambda folder: change_about(folder, '{"schema": "batchgen.bundle/1", "batch": "x", "folders": {}}'), {"B4"}),
    "another batch": (
        lambda folder: change_about(folder, '{"schema": "batchgen.bundle/1", "batch": "other", "folders": {}}'),
        {"B5", "I20"},
    ),
    "nonsense about itself": (lambda folder: change_about(folder, "[" * 100_000), {"B4"}),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_on_the_way_is_found(made: Path, tmp_path: Path, name: str) -> None:
    """Whatever it is, it is named; a new list of hashes hides nothing that the database knows better."""
    change, expected = TAMPERED[name]
    bundle = shutil.copytree(made / "study", tmp_path / "study")
    change(bundle)

    found = found_in(bundle)

    assert expected == found


def test_a_violated_bundle_ends_with_three(auditor: CommandLine) -> None:
    """One line each, the verdict last; the same as JSON."""
    change_a_picture(auditor.folder / "study")
    name = picture(auditor.folder / "study").relative_to(auditor.folder / "study")

    told, document = auditor("verify", "--bundle", "study"), auditor("verify", "--bundle", "study", "--json")

    assert (3, 3) == (told.code, document.code)
    assert f"VIOLATED B3 (every file has the hash that SHA256SUMS lists): {name} was changed\n" in told.out
    assert told.out.endswith(": 2 violations\n")
    assert ["B3", "I20"] == [found["name"] for found in document.document["violations"]]


def test_a_stranger_in_an_archive_is_found_and_written_nowhere(auditor: CommandLine) -> None:
    """A name that leads out of the bundle is told by name."""
    with ZipFile(auditor.folder / "study.zip", "a") as archive:
        archive.writestr("../escaped.txt", "out")

    told = auditor("verify", "--bundle", "study.zip")

    assert 3 == told.code
    assert "VIOLATED B1 (the bundle holds plain files under plain names): ../escaped.txt is no name inside the bundle\n" in told.out
    assert not (auditor.folder.parent / "escaped.txt").exists()


def test_a_changed_byte_in_an_archive_is_found(made: Path, tmp_path: Path) -> None:
    """In a picture, or in the database."""
    path = shutil.copy(made / "study.zip", tmp_path / "study.zip")
    content = bytearray(path.read_bytes())
    for mark in (b"IDAT", b"SQLite format 3"):
        content[content.index(mark) + 20] ^= 1
    path.write_bytes(content)

    assert {"B1", "B2", "B4"} == found_in(path)


@pytest.mark.parametrize("words", [["--bundle", "nowhere"], ["--bundle", "bundle.json"], ["study", "--bundle", "study"]], ids=" ".join)
def test_what_is_no_bundle_is_refused(auditor: CommandLine, words: list[str]) -> None:
    """Exit 2 and a sentence."""
    (auditor.folder / "bundle.json").write_text("{}")

    told = auditor("verify", *words)

    assert (2, "") == (told.code, told.out)
    assert "Traceback" not in told.err


def test_a_target_that_exists_is_left_alone(cli: CommandLine, made: Path) -> None:
    """Folder or archive; and a batch that is not there makes none."""
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}

    codes = [cli("bundle", "study", "--output", made / name).code for name in ("study", "study.zip")]
    codes.append(cli("bundle", "nobody", "--output", made / "x").code)

    assert [2, 2, 2] == codes
    assert before == {path: path.stat().st_mtime_ns for path in made.iterdir()}


def test_a_picture_that_is_gone_is_told_and_does_not_stop_the_bundle(cli: CommandLine, vendor: Vendor, tmp_path: Path) -> None:
    """What there is is put together; exit 3 says that it is not all, and so does the check of the bundle."""
    own = CommandLine(folder=tmp_path)
    own.write(study(vendor.url, ["a gull that will be gone", "an owl that stays"]))
    own("run", "study.yaml", "-y")
    gone = min(tmp_path.rglob("*.png"))
    gone.unlink()

    told = own("bundle")

    assert 3 == told.code
    assert told.out.startswith(f"NOT AS SAVED: {gone}\nstudy: 1 image, ")
    assert told.out.endswith("verify --bundle study-bundle\n")
    assert {"I20"} == found_in(tmp_path / "study-bundle")


def test_a_bundle_is_made_while_a_run_goes_on(tmp_path: Path, vendor: Vendor) -> None:
    """It is of one moment, and found whole; no signed address of a picture under way is in it, and the run goes on."""
    own = CommandLine(folder=tmp_path)
    own.write(study(vendor.url, [f"gull {number}" for number in range(2_000)]))
    with own.background("run", "study.yaml", "-y") as run:
        wait_until(lambda: len(own.images()) > 1)
        made = own("bundle", "--output", "half.zip")
        run.send_signal(SIGINT)
        ended = own.finish(run)

    assert (0, 130) == (made.code, ended.code), made.err
    assert set() == found_in(tmp_path / "half.zip")
    with ZipFile(tmp_path / "half.zip") as archive:
        archive.extract("batchgen.db", tmp_path / "half")
        saved = sum(name.endswith(".png") for name in archive.namelist())
    with closing(sqlite3.connect(tmp_path / "half" / "batchgen.db")) as copy:
        signed = copy.execute("SELECT count(*) FROM attempt WHERE result_urls <> ''").fetchone()
    assert (0,) == signed
    assert 2 <= saved < 2_000


@pytest.mark.postgres
def test_a_batch_on_a_server_is_bundled_alone(vendor: Vendor, postgres: str, tmp_path: Path) -> None:
    """The bundle has this batch and no other, and is checked without the server; one that cannot be reached leaves nothing."""
    cli, db, bundle = CommandLine(folder=tmp_path), ("--db", postgres_url(postgres)), tmp_path / "bundle"
    for name in ("study", "other"):
        cli.write(study(vendor.url, [f"a fox on a server for {name}", "a hen"], name=name, output={"dir": f"out/{name}"}))
        assert 0 == cli(*db, "run", "study.yaml", "-y").code

    made = cli(*db, "bundle", "study", "--output", bundle)
    lost = cli("bundle", "study", "--db", "postgresql://nobody@127.0.0.1:1/x", "--output", tmp_path / "x")

    assert 0 == made.code, made.err
    assert 0 == cli("verify", "--bundle", bundle).code
    with closing(sqlite3.connect(bundle / "batchgen.db")) as copy:
        assert [("study", 2)] == copy.execute("SELECT batch, count(*) FROM v_jobs GROUP BY batch").fetchall()
    assert (7, 1, []) == (lost.code, lost.err.count("\n"), [path for path in tmp_path.iterdir() if path.name[:2] in {"x", ".x"}])
