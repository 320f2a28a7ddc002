"""Read again what a batch keeps in an object storage; changes nothing."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from tempfile import TemporaryFile

from batchgen.core.errors import FileError
from batchgen.files.folders import Content
from batchgen.files.objects.bucket import Bucket
from batchgen.files.stock import File
from batchgen.files.verify import unknown_among


class ObjectStock:
    """The objects below one address; implements ``files.stock.Stock``."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def opened(self, path: str) -> File | None:
        """Fetch an object into a file that has no name, and give it; None if nothing stands there."""
        chunks = self._bucket.chunks(path)
        if chunks is None:
            return None
        file = TemporaryFile()  # noqa: SIM115 - it is the caller's to close
        try:
            for chunk in chunks:
                file.write(chunk)
            file.seek(0)
        except OSError as error:
            file.close()
            raise FileError(f"cannot keep {self._bucket.named(path)} for a moment: {error.strerror or error}") from error
        except BaseException:
            file.close()
            raise
        return file

    def measure(self, path: str) -> Content | None:
        """Read an object and hash it; None if nothing stands there."""
        return self._bucket.content(path)

    def stamp(self, path: str) -> tuple[int, int] | None:
        """Give size and time of change without reading the object; None if nothing stands there."""
        found = self._bucket.head(path)
        return None if found is None else (found.bytes, int(found.changed_at.timestamp() * 1e9))

    def stands(self, path: str, size: int) -> bool:
        """Say whether an object of that size stood there when the place was listed, which is once."""
        return self._sizes.get(path) == size

    def unknown(self, known: Callable[[Sequence[str]], Collection[str]]) -> Iterator[str]:
        """Give the path of every object that is not known and not the sidecar of one that is; hidden ones are left out."""
        shown = (path for path, _ in self._bucket.listed() if not f"/{path}".count("/."))
        return unknown_among(shown, known)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return dict(self._bucket.listed())
