"""Hand out URLs of files and find the bytes behind them again: results of paid calls, and uploads while they live."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from batchgen.sim import gallery
from batchgen.sim.encoding import File
from batchgen.sim.options import SimOptions
from batchgen.sim.signing import Signer
from batchgen.sim.task import Task
from batchgen.sim.uploads import Upload, Uploads

_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Know every file by its name; `task_of` finds the paid call that a name belongs to."""

    terms: SimOptions
    uploads: Uploads
    signer: Signer
    task_of: Callable[[str], Task | None]
    now: Callable[[], float]

    def names(self, task: Task) -> list[str]:
        """Return the names of everything a paid call has made."""
        return gallery.names(task.line)

    def urls(self, base: str, task: Task, *, folder: str = "files", is_stale: bool = False) -> list[str]:
        """Return freshly signed URLs of everything a paid call has made."""
        until = self.now() + (-1 if is_stale else self.terms.url_ttl_s)
        return [f"{base}/{folder}/{name}?{self.signer.query(name, until)}" for name in self.names(task)]

    def upload_url(self, base: str, upload: Upload) -> str:
        """Return the signed URL of an upload, good for as long as it is kept."""
        return f"{base}/files/{upload.name}?{self.signer.query(upload.name, upload.expires_at)}"

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return self.uploads.get(name, self.now()) is not None or self._maker(name) is not None

    def opens(self, name: str, expires: str, signature: str) -> bool:
        """Return whether the signature opens the file now."""
        return self.signer.opens(name, expires, signature, self.now())

    def file(self, name: str, depth: int = _DEPTH) -> File:
        """Return the file of this name, which must exist; drawing takes a moment."""
        if upload := self.uploads.get(name, self.now()):
            return upload.file
        task = self._maker(name)
        if task is None:
            raise KeyError(name)
        return gallery.file(task, name, self.terms, lambda url: self._source(url, depth - 1))

    def resolve(self, base: str, url: str) -> bytes | None:
        """Return the bytes behind a URL: empty for another host, None when this one has no such file or no longer."""
        if not url.startswith(f"{base}/"):
            return b""
        name, query = _name(url), parse_qs(urlsplit(url).query)
        expires, signature = (query.get(field, [""])[0] for field in ("Expires", "Signature"))
        return self.file(name).body if self.has(name) and self.opens(name, expires, signature) else None

    def _source(self, url: str, depth: int) -> bytes | None:
        """Return the source of a tool; its signature was looked at when the call was paid, and may be over by now."""
        name = _name(url)
        return self.file(name, depth).body if depth and self.has(name) else None

    def _maker(self, name: str) -> Task | None:
        task = self.task_of(name.rpartition("-")[0])
        return task if task and task.is_completed(self.now()) and name in self.names(task) else None


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
