"""The page of a batch while its run goes on: served on loopback, read-only, with news every two seconds.

A thread reads the batch again and again; a page asks for what changed after the news that it has. The database is opened for reading only,
for a page of rows at a time, so that the run is never kept from its commits.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from batchgen.app.gallery import Collected, Ways, collect, headline, jobs_on_page, page_of
from batchgen.app.places import Stocks
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, Row
from batchgen.core.errors import BatchgenError
from batchgen.files.stock import FolderStock, Stock
from batchgen.logs import lines as diary
from batchgen.report.page import claims_part, night_part, render
from batchgen.settings import Settings

HOST: Final = "127.0.0.1"
EVERY_S: Final = 2.0
_JOBS_REST: Final = 4
"""How many times as long as reading the jobs took is waited before they are read again, so that a large batch takes a fifth of a core."""
_NIGHT_REST: Final = 20
"""The same for the night and the claims, which are read from every event."""
_PATIENCE_S: Final = 5.0
"""How long whoever ends the page waits for a reading that is under way; nothing of it is to be kept."""
_MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
_WAYS: Final = Ways(picture=lambda job: f"images/{job['key']}", thumb=lambda look: f"thumbs/{look.thumbnail}")


class Live:
    """What is known of a batch, kept up to date; safe to use from several threads."""

    def __init__(self, settings: Settings, wanted: JobFilter, thumbs: Path, progress: Progress) -> None:
        """Read the batch once; thumbnails are made in ``thumbs``."""
        self._settings: Final = settings
        self._stocks: Final = Stocks(settings)
        self._thumbs: Final = thumbs
        self._progress: Final = progress
        self._gate: Final = threading.Lock()
        self._number = 0
        self._told: dict[str, tuple[int, Row]] = {}
        """By job key, the job as the page shows it, with the number of the news that told of it last."""
        self._folders: dict[str, str] = {}
        self._night_at = 0.0
        self._found = self._read(wanted, None)
        self._wanted: Final = replace(wanted, batch=self._found.status.name)

    def refresh(self) -> float:
        """Read what has changed and give the seconds until it should be done again."""
        began = monotonic()
        self._read(self._wanted, self._found if began < self._night_at else None)
        return max(EVERY_S, _JOBS_REST * (monotonic() - began))

    def page(self) -> str:
        """Write the page as it stands."""
        with self._gate:
            found, number = self._found, self._number
        return render(page_of(found, _WAYS, every_s=EVERY_S, cursor=number))

    def news(self, since: int) -> Row:
        """Give what a page wants to know that has heard the news up to that number."""
        with self._gate:
            found, number, told = self._found, self._number, self._told
        return {
            "cursor": number,
            "headline": headline(found.status),
            "night": night_part(found.evening),
            "claims": claims_part(found.claims),
            "claim_count": len(found.claims),
            "jobs": [job for news, job in told.values() if news > since],
        }

    def picture(self, key: str) -> tuple[Stock, str] | None:
        """Give the output place and the path in it of a job's picture, None where there is none."""
        with self._gate:
            folder = self._folders.get(key)
            _, job = self._told.get(key, (0, None))
        return None if job is None or folder is None or job["source"] is None else (self._stocks[folder], job["path"])

    def thumb(self, name: str) -> tuple[Stock, str] | None:
        """Give the folder of the thumbnails and the name in it."""
        return (FolderStock(self._thumbs), name) if name == PurePosixPath(name).name else None

    def _read(self, wanted: JobFilter, former: Collected | None) -> Collected:
        began = monotonic()
        found = collect(self._settings, wanted, self._thumbs, progress=self._progress, former=former)
        if former is None:
            self._night_at = monotonic() + max(EVERY_S, _NIGHT_REST * (monotonic() - began))
        number = self._number + 1
        told = {}
        for job in jobs_on_page(found, _WAYS):
            before = self._told.get(job["key"])
            told[job["key"]] = before if before is not None and before[1] == job else (number, job)
        with self._gate:
            self._found, self._number, self._told = found, number, told
            self._folders = {job["key"]: job["output_dir"] for job in found.jobs}
        return found


class _Server(ThreadingHTTPServer):
    """Serves one page; it answers only who calls it by its own address, so that no page of another site can read it."""

    daemon_threads = True

    def __init__(self, port: int, live: Live) -> None:
        super().__init__((HOST, port), _Handler)
        self.live: Final = live
        self.names: Final = {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a page go that left in the middle of an answer; anything else is an error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET; anything else is refused by the base class."""

    server: _Server
    server_version = "batchgen"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page, its news, a thumbnail or a picture."""
        address = urlsplit(self.path)
        _, first, *rest = [*address.path.split("/"), ""]
        live = self.server.live
        if self.headers.get("Host") not in self.server.names:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif not first:
            self._answer(live.page().encode(), "text/html; charset=utf-8")
        elif first == "news":
            since = parse_qs(address.query).get("since", ["0"])[0]
            news = live.news(int(since) if since.isascii() and since.isdigit() else 0)
            self._answer(json.dumps(news, ensure_ascii=False).encode(), "application/json")
        elif first == "thumbs" and rest:
            self._send(live.thumb(rest[0]))
        elif first == "images" and rest:
            self._send(live.picture(rest[0]))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep requests out of the terminal."""

    def _head(self, length: int, media_type: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", media_type),
            ("Content-Length", str(length)),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, body: bytes, media_type: str) -> None:
        self._head(len(body), media_type)
        self.wfile.write(body)

    def _send(self, found: tuple[Stock, str] | None) -> None:
        media_type = None if found is None else _MEDIA_TYPES.get(PurePosixPath(found[1]).suffix.lower())
        if found is None or media_type is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            file = found[0].opened(found[1])
        except BatchgenError:  # an odd name, or a disk or storage that refuses
            file = None
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._head(os.fstat(file.fileno()).st_size, media_type)
            shutil.copyfileobj(file, self.wfile)


@contextmanager
def serving(settings: Settings, wanted: JobFilter, *, port: int, say: Callable[[str], None]) -> Iterator[str]:
    """Serve the page of a batch until the block ends, and give its address; ``say`` hears how far its beginning is.

    Raises OSError when the port is taken.
    """
    over = threading.Event()
    with TemporaryDirectory(prefix="batchgen-", ignore_cleanup_errors=True) as thumbs:
        progress = Progress()
        with progress.told(say):
            live = Live(settings, wanted, Path(thumbs), progress)
        with _Server(port, live) as server:
            threads = [
                threading.Thread(target=server.serve_forever, name="page", daemon=True),
                threading.Thread(target=_keep_fresh, args=(live, over), name="news", daemon=True),
            ]
            for thread in threads:
                thread.start()
            try:
                yield f"http://{HOST}:{server.server_port}/"
            finally:
                over.set()
                server.shutdown()
                for thread in threads:
                    thread.join(_PATIENCE_S)


def _keep_fresh(live: Live, over: threading.Event) -> None:
    rest_s = EVERY_S
    while not over.wait(rest_s):
        try:
            rest_s = live.refresh()
        except BatchgenError as error:  # a database that is away for a moment; the page keeps what was known
            diary.get("report").warning("report.stale", why=str(error))
