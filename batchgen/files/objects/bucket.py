"""One place in an object storage, through obstore: the only file that imports it, and that knows its errors.

An error of the storage becomes a sentence of ours that names the object, and of the storage's answer only its status and its one-word
code: its text may quote keys and signed addresses, so it is chained nowhere either.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from mmap import mmap
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from batchgen.core.errors import FileError, InputError, StorageRefusedError
from batchgen.core.places import ObjectPlace
from batchgen.files.folders import Content
from batchgen.files.objects.access import Access, access_to

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_QUICK_S: Final = 30
"""How long one request may take at least, whatever the patience."""
_LONG_S: Final = 3600
_LARGE_BYTES: Final = 16 * 1024 * 1024
"""What is larger may take long to upload."""
_CONNECT_S: Final = 10
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 8
_RETRIES: Final = 1000
"""It is the time that ends them."""
_CHUNK: Final = 1 << 20
_LISTED_AT_ONCE: Final = 1000
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_REFUSED: Final = frozenset({"401", "403"})
_NO_PROXY: Final = "http://127.0.0.1:9"
"""A proxy for no host: where none is named, those of the environment would be used, for this machine's own servers too."""
_DIRECT: Final = ("amazonaws.com", "amazonaws.com.cn", "googleapis.com", "windows.net", "microsoftonline.com")
_AWAY: Final = ("Connect", "Timeout", "Interrupted", "Request")


class Meta(NamedTuple):
    """What the storage tells of an object: its size, its entity tag without quotes, and when it was written."""

    bytes: int
    tag: str
    changed_at: datetime


class Bucket:
    """The objects below one address, each named by its path from there. Safe to use from several threads.

    Every call raises FileError when the storage does not do what is asked, StorageRefusedError when it refuses the credentials. A storage
    that accepts requests and is silent then is given up after ``patience_s``, so that whoever wants to leave need not wait longer; for
    this the same storage is reached in three ways, of which ``reading`` and ``large`` allow a long time for many bytes.
    """

    def __init__(
        self,
        address: str,
        store: "ObjectStore",
        *,
        reading: "ObjectStore | None" = None,
        large: "ObjectStore | None" = None,
        hint: str = "the credentials",
        patience_s: float = 0.0,
    ) -> None:
        self.address: Final = address
        self._store: Final = store
        self._reading: Final = reading or store
        self._large: Final = large or store
        self._hint: Final = hint
        self._patience_s: Final = patience_s

    def put_new(self, path: str, content: bytes | mmap, attributes: Mapping[str, str]) -> bool:
        """Store an object in one step unless something stands there; False when something does."""
        return self._put(path, content, attributes, replaces=False)

    def replace(self, path: str, content: bytes, attributes: Mapping[str, str]) -> None:
        """Store an object in one step, in the place of whatever stands there."""
        self._put(path, content, attributes, replaces=True)

    def head(self, path: str) -> Meta | None:
        """Ask what stands at a path; None if nothing does."""
        import obstore  # noqa: PLC0415 - an extra; whoever has a bucket has it

        with self._told("ask after", path):
            try:
                found = obstore.head(self._store, path)
            except FileNotFoundError as error:
                self._require_bucket(error, path)
                return None
            return Meta(found["size"], (found["e_tag"] or "").strip('"'), found["last_modified"])

    def chunks(self, path: str) -> Iterator[bytes] | None:
        """Give an object's bytes as they come; None if nothing stands there."""
        import obstore  # noqa: PLC0415 - as above

        with self._told("read", path):
            try:
                found = obstore.get(self._reading, path)
            except FileNotFoundError as error:
                self._require_bucket(error, path)
                return None
        return self._streamed(path, found.stream(min_chunk_size=_CHUNK))

    def content(self, path: str) -> Content | None:
        """Read an object and hash it; None if nothing stands there."""
        chunks = self.chunks(path)
        if chunks is None:
            return None
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
        return Content(digest.hexdigest(), size)

    def listed(self) -> Iterator[tuple[str, int]]:
        """Give path and size of every object, in the storage's order."""
        import obstore  # noqa: PLC0415 - as above

        with self._told("list", ""):
            for page in obstore.list(self._store, chunk_size=_LISTED_AT_ONCE):
                for found in page:
                    yield found["path"], found["size"]

    def named(self, path: str) -> str:
        """Give the address of an object."""
        return f"{self.address}/{path}" if path else self.address

    def _put(self, path: str, content: bytes | mmap, attributes: Mapping[str, str], *, replaces: bool) -> bool:
        import obstore  # noqa: PLC0415 - as above
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - as above

        with self._told("write", path):
            try:
                obstore.put(
                    self._large if len(content) > _LARGE_BYTES else self._store,
                    path,
                    content,
                    attributes=dict(attributes),
                    mode="overwrite" if replaces else "create",
                    use_multipart=False,
                )
            except AlreadyExistsError:
                return False
            except FileNotFoundError as error:
                self._require_bucket(error, path)
                raise
        return True

    def _streamed(self, path: str, stream: Iterator[bytes]) -> Iterator[bytes]:
        with self._told("read", path):
            yield from stream

    def _require_bucket(self, error: Exception, path: str) -> None:
        if "<Code>NoSuchBucket" in str(error) or "<Code>ContainerNotFound" in str(error):
            raise self._missing(path)

    def _missing(self, path: str) -> FileError:
        return FileError(f"{self.named(path)} cannot be reached: there is no bucket of that name; make it, or correct output.dir")

    @contextmanager
    def _told(self, action: str, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - as above

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise self._worded(action, path, str(error)) from None

    def _worded(self, action: str, path: str, text: str) -> FileError:
        """Put what the storage said into a sentence that quotes nothing but words from a short list."""
        status, code = _STATUS.search(text), _CODE.search(text)
        answer = " ".join(found[1] for found in (status, code) if found)
        what = f"cannot {action} {self.named(path)}"
        if code is not None and code[1] in {"NoSuchBucket", "ContainerNotFound"}:
            return self._missing(path)
        if status is not None and status[1] in _REFUSED:
            return StorageRefusedError(f"{what}: the storage refuses the credentials ({answer}); look at {self._hint}")
        if answer:
            return FileError(f"{what}: the storage answered {answer}")
        if any(f"kind: {word}" in text for word in _AWAY):
            return FileError(f"{what}: the storage could not be reached for {self._patience_s:g} s")
        return FileError(f"{what}: the storage's answer was not understood")


def bucket_at(place: ObjectPlace, env: Mapping[str, str]) -> Bucket:
    """Reach a place with the credentials of the environment; nothing is sent yet.

    Raises InputError without the library for it, and what ``access_to`` raises.
    """
    access = access_to(place, env)
    try:
        one_request = timedelta(seconds=max(_QUICK_S, access.patience_s))
        store = _store_of(place, access, timeout=one_request)
        reading = _store_of(place, access, timeout=timedelta(seconds=_LONG_S), read_timeout=one_request)
        large = _store_of(place, access, timeout=timedelta(seconds=_LONG_S))
    except ModuleNotFoundError:
        raise InputError(f"{place.address} needs the extra 's3': pip install 'batchgen-cli[s3]'") from None
    return Bucket(place.address, store, reading=reading, large=large, hint=access.hint, patience_s=access.patience_s)


def _store_of(place: ObjectPlace, access: Access, **timeouts: timedelta) -> "ObjectStore":
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra, and slow to load
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - as above

    # obstore describes its options in typed dictionaries that exist for type checkers only, hence Any.
    options: dict[str, Any] = {**access.options, "skip_signature": False}
    prefix = place.prefix or None
    client = {
        "allow_http": access.allows_http,
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        **timeouts,
        "proxy_url": _NO_PROXY,
        "proxy_excludes": ",".join((*_DIRECT, *([access.host] if access.host else []))),
    }
    waits = {"init_backoff": timedelta(seconds=_FIRST_WAIT_S), "max_backoff": timedelta(seconds=_LONGEST_WAIT_S), "base": 2}
    retry = {"backoff": waits, "max_retries": _RETRIES, "retry_timeout": timedelta(seconds=access.patience_s)}
    common: dict[str, Any] = {"prefix": prefix, "client_options": client, "retry_config": retry}
    try:
        match place.scheme:
            case "s3":
                # What the process's own environment says of these is overruled: it could switch off a promise.
                sure = {"checksum_algorithm": "SHA256", "conditional_put": "etag", "unsigned_payload": False}
                return S3Store(place.bucket, config=cast("Any", options | sure), **common)
            case "gs":
                return GCSStore(place.bucket, config=cast("Any", options), **common)
            case "az":
                return AzureStore(place.bucket, config=cast("Any", options), **common)
    except (BaseError, OSError, ValueError):
        raise StorageRefusedError(f"{place.address} cannot be reached with what stands in {access.hint}") from None
