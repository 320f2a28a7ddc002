"""The shelf in an object storage, where the storage is not what it should be: full of others' objects, lying, altered, away."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from mmap import mmap
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from batchgen.core.errors import FileError, PathTakenError, StorageRefusedError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.core.places import ObjectPlace
from batchgen.files.folders import Content
from batchgen.files.inspector import Inspector
from batchgen.files.objects.bucket import Bucket, bucket_at
from batchgen.files.objects.shelf import ObjectShelf
from batchgen.files.objects.stock import ObjectStock
from tests.support.pictures import picture
from tests.support.storage import Storage

PNG = picture("PNG")
OTHER = picture("PNG", seed=2)


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    """Give one inspector to all shelves."""
    with closing(Inspector()) as inspector:
        yield inspector


@pytest.fixture
def store() -> MemoryStore:
    """Give a storage in memory, whose entity tags tell nothing."""
    return MemoryStore()


Build = Callable[[Bucket], ObjectShelf]


@pytest.fixture
def build(tmp_path: Path, inspector: Inspector) -> Build:
    """Make a shelf over a bucket."""
    return lambda bucket: ObjectShelf(bucket, tmp_path / "spool", lambda job: f"s/{job.prompt_id}", sidecar=True, inspector=inspector)


def staged(shelf: ObjectShelf, job: Job, received: bytes = PNG) -> Image:
    """Take an image as far as ``finish``."""
    draft = shelf.draft(job, 0)
    draft.write(received)
    return draft.finish(length=None)


def spooled(tmp_path: Path) -> list[str]:
    """Name what is in the spool."""
    return sorted(path.name for path in (tmp_path / "spool").iterdir())


def test_published_image_leaves_the_spool(build: Build, store: MemoryStore, job: Job, tmp_path: Path) -> None:
    """The object holds the bytes, its hash and its type; nothing is left on this machine."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    before = spooled(tmp_path)

    assert shelf.publish(image)

    found = obstore.get(store, "s/logo.png")
    assert [image.temp] == before
    assert PNG == bytes(found.bytes())
    assert {"Content-Type": "image/png", "sha256": image.sha256} == dict(found.attributes)
    assert [] == spooled(tmp_path)


def test_crash_after_the_upload_is_finished_without_a_second_one(build: Build, store: MemoryStore, job: Job, tmp_path: Path) -> None:
    """The object stands, the file is still there: the file goes."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    obstore.put(store, image.path, PNG)
    written = obstore.head(store, image.path)

    assert shelf.publish(image)
    assert shelf.publish(image)

    assert written == obstore.head(store, image.path)
    assert [] == spooled(tmp_path)


def test_file_in_the_spool_of_another_machine_is_fetched_again(build: Build, store: MemoryStore, job: Job, tmp_path: Path) -> None:
    """Neither here nor in the storage: False, and the worker asks the vendor's address once more."""
    image = staged(build(Bucket("s3://m", store)), job)
    (tmp_path / "spool" / image.temp).unlink()

    assert not build(Bucket("s3://m", store)).publish(image)


def test_spooled_file_of_other_bytes_is_not_uploaded(build: Build, store: MemoryStore, job: Job, tmp_path: Path) -> None:
    """It was cut or altered after it was checked."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    (tmp_path / "spool" / image.temp).write_bytes(PNG[:-1] + b"x")

    assert not shelf.publish(image)
    assert [] == [found for page in obstore.list(store) for found in page]


@pytest.mark.parametrize("is_spooled", [True, False])
def test_another_object_is_never_touched(build: Build, store: MemoryStore, job: Job, tmp_path: Path, is_spooled: bool) -> None:
    """The caller hears of it and fetches again, and ``finish`` chooses another path."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    obstore.put(store, image.path, OTHER)
    if not is_spooled:
        (tmp_path / "spool" / image.temp).unlink()

    with pytest.raises(PathTakenError, match=r"s3://m/s/logo\.png"):
        shelf.publish(image)
    again = staged(shelf, job)

    assert OTHER == bytes(obstore.get(store, image.path).bytes())
    assert "s/logo~a7.png" == again.path


def test_sidecar_of_somebody_else_is_left_alone(build: Build, store: MemoryStore, job: Job) -> None:
    """Before the path is chosen it leads to another one, afterwards it is an error."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    obstore.put(store, "s/logo.png.json", b'{"key": "another"}')

    with pytest.raises(PathTakenError):
        shelf.describe(job, [image])

    assert "s/logo~a7.png" == staged(shelf, job).path
    assert b'{"key": "another"}' == bytes(obstore.get(store, "s/logo.png.json").bytes())


def test_own_sidecar_is_written_anew(build: Build, store: MemoryStore, job: Job) -> None:
    """A resumed run may know more."""
    shelf = build(Bucket("s3://m", store))
    image = staged(shelf, job)
    shelf.describe(replace(job, task_id=None), [image])

    shelf.describe(job, [image])

    assert job.task_id == json.loads(bytes(obstore.get(store, "s/logo.png.json").bytes()))["task_id"]


def test_large_object_has_more_time(store: MemoryStore) -> None:
    """A video takes longer than a storage that is silent is waited for."""
    large = MemoryStore()
    bucket = Bucket("s3://m", store, reading=large, large=large)

    assert bucket.put_new("small", b"1", {})
    assert bucket.put_new("large", bytes(16 * 2**20 + 1), {})

    assert [["large"], ["small"]] == [[found["path"] for page in obstore.list(kept) for found in page] for kept in (large, store)]
    assert bucket.content("small") is None
    assert 16 * 2**20 + 1 == getattr(bucket.content("large"), "bytes", 0)


class Lying(Bucket):
    """A storage that says of an upload what it is told to say."""

    kept: Content | None = None

    def content(self, path: str) -> Content | None:
        """Give other bytes than were uploaded."""
        return self.kept or super().content(path)


def test_image_is_published_only_when_the_storage_holds_it(build: Build, store: MemoryStore, job: Job, tmp_path: Path) -> None:
    """A storage that took the request and keeps something else is an error, and the bytes stay in the spool."""
    bucket = Lying("s3://m", store)
    shelf = build(bucket)
    image = staged(shelf, job)
    bucket.kept = Content("0" * 64, image.bytes)

    with pytest.raises(FileError, match="not what was uploaded"):
        shelf.publish(image)

    assert [image.temp] == spooled(tmp_path)


class Clobbering(Bucket):
    """A storage that does not know If-None-Match."""

    def put_new(self, path: str, content: bytes | mmap, attributes: Mapping[str, str]) -> bool:
        """Replace whatever stands there."""
        return super()._put(path, content, attributes, replaces=True)


def test_storage_that_replaces_objects_unasked_is_refused_before_anything_is_bought(build: Build, store: MemoryStore) -> None:
    """An image could be lost there; a storage that heeds the condition is taken, also the second time."""
    with pytest.raises(FileError, match="If-None-Match"):
        build(Clobbering("s3://m", store)).prepare()

    build(Bucket("s3://m", MemoryStore())).prepare()
    build(Bucket("s3://m", store)).prepare()


# --- a real server ---


def test_server_confirms_by_its_own_tag_and_nothing_is_read_back(storage: Storage, build: Build, job: Job) -> None:
    """Size and MD5 are asked for, the bytes are not; what is sent carries its SHA-256, which the server checks."""
    stored = storage.new_bucket()
    bucket = bucket_at(ObjectPlace.parse(f"s3://{stored.name}/a b/ü"), storage.variables)
    bucket.content = None  # type: ignore[assignment,method-assign] # whoever reads back fails
    shelf = build(bucket)
    shelf.prepare()

    image = staged(shelf, job)

    assert shelf.publish(image)
    assert PNG == stored.objects()[f"a b/ü/{image.path}"]


def test_errors_of_the_server_are_sentences_without_secrets(storage: Storage, job: Job, build: Build) -> None:
    """Wrong key, unknown key, no bucket, nobody there: each says what to do."""
    stored = storage.new_bucket()
    here = ObjectPlace.parse(f"s3://{stored.name}/x")
    wrong = {**storage.variables, "AWS_SECRET_ACCESS_KEY": "hush"}
    unknown = {**storage.variables, "AWS_ACCESS_KEY_ID": "AKIAHUSH"}

    with pytest.raises(StorageRefusedError, match=r"refuses the credentials \(403 SignatureDoesNotMatch\); look at AWS_ACCESS") as first:
        build(bucket_at(here, wrong)).prepare()
    with pytest.raises(StorageRefusedError, match="InvalidAccessKeyId") as second:
        build(bucket_at(here, unknown)).prepare()
    with pytest.raises(FileError, match="there is no bucket of that name") as third:
        build(bucket_at(ObjectPlace.parse("s3://no-such-bucket/x"), storage.variables)).prepare()
    with pytest.raises(FileError, match="no bucket"):
        list(bucket_at(ObjectPlace.parse("s3://no-such-bucket/x"), storage.variables).listed())
    with storage.down(), pytest.raises(FileError, match="could not be reached for 1 s") as fourth:
        bucket_at(here, storage.variables).head("a.png")

    for caught in (first, second, third, fourth):
        assert "\n" not in str(caught.value)
        assert not [word for word in ("hush", "AKIAHUSH", storage.access_key, storage.secret_key) if word in str(caught.value)]


def test_proxy_of_the_environment_is_not_used(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and signatures go to the storage and to nobody else."""
    stored = storage.new_bucket()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")

    assert bucket_at(ObjectPlace.parse(f"s3://{stored.name}"), storage.variables).put_new("a", b"1", {})

    monkeypatch.undo()
    assert {"a": b"1"} == stored.objects()


def test_stock_tells_what_stands_in_a_bucket(storage: Storage) -> None:
    """Paths are those below the prefix; what is hidden, known, or a sidecar of what is known is no stranger."""
    stored = storage.new_bucket()
    for key in ("p/a.png", "p/a.png.json", "p/b.png", "p/.batchgen-probe", "other/c.png"):
        stored.put(key, key.encode())
    stock = ObjectStock(bucket_at(ObjectPlace.parse(f"s3://{stored.name}/p"), storage.variables))

    file = stock.opened("a.png")

    assert file is not None
    with file:
        assert b"p/a.png" == file.read()
    assert stock.opened("c.png") is stock.measure("c.png") is stock.stamp("c.png") is None
    assert stock.measure("b.png") == (Bucket("s3://x", stored.store).content("p/b.png"))
    assert stock.stamp("a.png") == stock.stamp("a.png") != stock.stamp("a.png.json")
    assert (True, False, False) == (stock.stands("a.png", 7), stock.stands("a.png", 8), stock.stands("c.png", 11))
    assert ["b.png"] == list(stock.unknown({"a.png"}.intersection))
