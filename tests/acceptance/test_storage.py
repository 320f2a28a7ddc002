"""A batch whose images go to an object storage: run, checked, looked at and bundled there, also when the storage is in trouble."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.acceptance.conftest import StartVendor
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, Finished, Vendor, study, wait_until
from tests.support.storage import Storage, StoredBucket

_DIRECT = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(CommandLine):
    """A command line that leads to the storage, and a bucket for its images; commands are forks of a warm interpreter."""

    storage: Storage
    bucket: StoredBucket
    line: WarmLine

    def __call__(self, *words: object, **variables: object) -> Finished:
        """Run one command to its end."""
        ended = self.line(self.folder, *words, variables=variables)
        self.said.extend((ended.out, ended.err))
        return ended

    def environment(self, **variables: str | None) -> dict[str, str]:
        """Add what leads to the storage."""
        return CommandLine.environment(self, **{**self.storage.variables, **variables})

    def order(self, vendor: Vendor, prompts: list[str]) -> Finished:
        """Run a study whose images go to the bucket."""
        self.write(study(vendor.url, prompts, output={"dir": f"s3://{self.bucket.name}/{{{{ batch }}}}"}))
        return self("run", "study.yaml", "-y")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, storage: Storage) -> Iterator[WarmLine]:
    """Give an interpreter that has everything imported, in whose environment the storage's key is."""
    with warm_lines(1, tmp_path_factory.mktemp("line"), **storage.variables) as lines:
        yield lines.get()


@pytest.fixture
def cli(tmp_path: Path, storage: Storage, line: WarmLine) -> Iterator[Stored]:
    """Give a command line with an empty bucket; afterwards no key stands anywhere."""
    found = Stored(folder=tmp_path, storage=storage, bucket=storage.new_bucket(), line=line)
    yield found
    assert [] == found.leaks() + found.leaks(storage.secret_key) + found.leaks(storage.access_key)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, storage: Storage, vendor: Vendor, line: WarmLine) -> Stored:
    """Give a batch of two pictures that is done; tests only read it."""
    found = Stored(folder=tmp_path_factory.mktemp("stored"), storage=storage, bucket=storage.new_bucket(), line=line)
    told = found.order(vendor, ["a fox in the cloud", "a hen in the cloud"])
    assert 0 == told.code, told.err
    return found


def spooled(cli: CommandLine) -> list[str]:
    """Name what waits in the spool for its upload."""
    return [name for name in cli.files() if "batchgen-spool/" in name and name.endswith(".part")]


def test_images_are_in_the_bucket_with_their_sidecars_and_nowhere_else(done: Stored) -> None:
    """``output_dir`` is the address, ``path`` the rest of the key, and the hash is that of the object."""
    objects, jobs = done.bucket.objects(), done.jobs()
    status = done("status", "--json").document["batches"][0]

    address = f"s3://{done.bucket.name}/study"
    assert {address} == {job["output_dir"] for job in jobs} | {status["output_dir"]}
    assert {job["sha256"] for job in jobs} == {hashlib.sha256(objects[f"study/{job['path']}"]).hexdigest() for job in jobs}
    assert {job["key"] for job in jobs} == {json.loads(objects[f"study/{job['path']}.json"])["key"] for job in jobs}
    assert [] == [name for name in done.images() if not name.startswith("whole/")]  # where another test has had them brought
    assert [] == spooled(done)
    assert ["journal"] == [name.rpartition(".")[2] for name in done.files() if name.startswith("batchgen-spool/")]


def test_verify_reads_every_object(done: Stored) -> None:
    """It hashes what the storage has now; what else lies there is told and no violation."""
    done.bucket.put("study/notes.txt", b"mine")

    plain, full = done("verify", "--json").document, done("verify", "--full")
    done.bucket.delete("study/notes.txt")

    assert (2, []) == (plain["files"], plain["violations"])
    assert 0 == full.code, full.out
    assert f"  s3://{done.bucket.name}/study/notes.txt\n" in full.out


def facts(page: str) -> list[dict[str, Any]]:
    """Read the jobs that a report's page holds."""
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return list(json.loads(found[1])["jobs"])


def test_report_shows_small_pictures_and_brings_the_others_when_asked(done: Stored) -> None:
    """Without --originals it says where they are; with it they lie beside the page under their hashes."""
    plain = done("report", "--output", "small")
    small = facts((done.folder / "small/index.html").read_text("utf-8"))
    whole = done("report", "--output", "whole", "--originals")
    large = facts((done.folder / "whole/index.html").read_text("utf-8"))

    assert (0, 0) == (plain.code, whole.code), plain.err + whole.err
    assert f"the others are in s3://{done.bucket.name}/study; --originals brings them beside it" in " ".join(plain.out.split())
    assert [None, None] == [job["source"] for job in small]
    assert all((done.folder / "small" / job["thumb"]).is_file() for job in small)
    brought = {job["key"]: hashlib.sha256((done.folder / "whole" / job["source"]).read_bytes()).hexdigest() for job in large}
    assert {job["key"]: job["sha256"] for job in done.jobs()} == brought


def test_report_that_is_made_again_fetches_nothing(done: Stored) -> None:
    """What was seen is kept with size and time of the object, so that only these are asked for."""
    assert 0 == done("report", "--output", "again").code
    kept = (done.folder / "again/thumbs/looks.jsonl").read_bytes()

    assert 0 == done("report", "--output", "again").code

    assert kept == (done.folder / "again/thumbs/looks.jsonl").read_bytes()


def test_live_page_serves_pictures_out_of_the_bucket(done: Stored) -> None:
    """A browser gets the object's bytes from this machine."""
    job = done.jobs()[0]
    with done.background("report", "--live") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        with _DIRECT.open(f"{address}images/{job['key']}", timeout=30) as answer:
            received = answer.read()

    assert job["sha256"] == hashlib.sha256(received).hexdigest()


def test_bundle_holds_the_objects_and_is_checked_without_the_storage(done: Stored, tmp_path: Path) -> None:
    """Downloaded with a look at each hash; its report links the pictures inside it."""
    told = done("bundle", "--output", tmp_path / "b.zip", "--json").document
    folder = done("bundle", "--output", tmp_path / "b")
    checked = CommandLine(folder=tmp_path)("verify", "--bundle", "b.zip")

    page = facts((tmp_path / "b/report/index.html").read_text("utf-8"))
    assert (2, []) == (told["images"], told["amiss"])
    assert (0, 0) == (folder.code, checked.code), folder.err + checked.out
    assert all((tmp_path / "b/report" / job["source"]).resolve().is_file() for job in page)


def test_altered_and_missing_objects_are_found(cli: Stored, vendor: Vendor) -> None:
    """By size alone at the end of a run, by hash in verify, by a word on the page, by exit 3 in a bundle."""
    assert 0 == cli.order(vendor, ["a fox altered", "a hen missing"]).code
    altered, missing = (f"study/{cli.job(prompt)['path']}" for prompt in ("a fox altered", "a hen missing"))
    cli.bucket.put(altered, cli.bucket.objects()[altered][:-1] + b"x")
    cli.bucket.delete(missing)

    resumed, verified, bundled = cli("resume"), cli("verify"), cli("bundle")
    shown = cli("report", "--originals", "--output", "page")

    assert (3, 3, 3, 0) == (resumed.code, verified.code, bundled.code, shown.code), resumed.out + verified.out + bundled.err
    assert f"s3://{cli.bucket.name}/{altered} is not the file that was saved" in verified.out
    assert f"s3://{cli.bucket.name}/{missing} is missing" in verified.out
    assert [None, None] == [job["source"] for job in facts((cli.folder / "page/index.html").read_text("utf-8"))]


def test_storage_that_goes_away_stops_the_run_and_loses_nothing(cli: Stored, start_vendor: StartVendor) -> None:
    """Exit 7 with one sentence; the images wait in the spool, nothing is ordered twice, and a resume uploads them."""
    vendor = start_vendor(latency_s=1.0)
    cli.write(study(vendor.url, ["a fox in a storm", "a hen in a storm"], output={"dir": f"s3://{cli.bucket.name}"}))
    with cli.background("run", "study.yaml", "-y") as process:
        wait_until(lambda: vendor.posts == 2)
        with cli.storage.down():
            ended = cli.finish(process)
            before = cli("verify")
    resumed, verified = cli("resume"), cli("verify")
    objects, again = cli.bucket.objects(), cli("resume")

    assert 7 == ended.code, ended.err
    assert f"s3://{cli.bucket.name}/" in ended.out + ended.err
    assert "could not be reached for 1 s" in " ".join((ended.out + ended.err).split())
    assert 0 == before.code, before.out
    assert (0, 0, 0, 2) == (resumed.code, verified.code, again.code, vendor.posts), resumed.err
    assert 2 == len(cli.bucket.images())
    assert objects == cli.bucket.objects()
    assert [] == spooled(cli)


def test_surroundings_that_cannot_work_stop_the_run_before_anything_is_bought(cli: Stored, vendor: Vendor) -> None:
    """One sentence says what to change; planning needed none of it."""
    troubles = [
        ({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, 4, "refuses the credentials (403 SignatureDoesNotMatch)"),
        ({"AWS_ACCESS_KEY_ID": ""}, 4, "set AWS_ACCESS_KEY_ID in the environment"),
        ({"AWS_ENDPOINT_URL": "http://192.0.2.1"}, 2, "plain http"),
        ({}, 7, "there is no bucket of that name"),
    ]
    cli.write(study(vendor.url, ["a fox never drawn"], output={"dir": "s3://nobody-made-this/x"}))
    planned, orders = cli("plan", "study.yaml", "--save", AWS_ACCESS_KEY_ID="", AWS_ENDPOINT_URL="nonsense"), vendor.posts

    told = [(cli("resume", "-y", **variables), code, word) for variables, code, word in troubles]

    assert 0 == planned.code, planned.err
    assert [(code, True) for _, code, _ in told] == [(end.code, word in " ".join(end.err.split())) for end, _, word in told]
    assert not [end.err for end, _, _ in told if "Traceback" in end.err or len(end.err.splitlines()) > 6]
    assert orders == vendor.posts
    ends = [tuple(row.values()) for row in cli.select("SELECT stop_reason, exit_code FROM run ORDER BY id")]
    assert [("storage", 4), ("storage", 7)] == ends


def test_object_of_somebody_else_is_left_alone(cli: Stored, vendor: Vendor) -> None:
    """The image goes beside it."""
    name = {"dir": f"s3://{cli.bucket.name}", "name": "{{ sample }}/fixed_{{ key8 }}"}
    cli.write(study(vendor.url, ["a fox at a taken place"], output=name))
    assert 0 == cli("plan", "study.yaml", "--save").code
    taken = f"1/fixed_{cli.jobs()[0]['key'][:8]}.png"
    cli.bucket.put(taken, b"mine")

    told = cli("resume", "-y")

    assert 0 == told.code, told.err
    assert b"mine" == cli.bucket.objects()[taken]
    assert re.fullmatch(r"1/fixed_[0-9a-f]{8}~a[0-9]+\.png", cli.jobs()[0]["path"])


def test_without_the_library_the_extra_is_named(cli: Stored, vendor: Vendor) -> None:
    """Whoever keeps images in folders need not install it."""
    cli.write_text("raise ModuleNotFoundError(name='obstore')", "obstore.py")
    cli.write(study(vendor.url, ["a fox without a library"], output={"dir": f"s3://{cli.bucket.name}"}))

    told = CommandLine.__call__(cli, "run", "study.yaml", "-y", PYTHONPATH=f"{cli.folder}:{cli.environment()['PYTHONPATH']}")

    assert 2 == told.code, told.err
    assert "pip install 'batchgen-cli[s3]'" in " ".join(told.err.split())
