"""A relay before a PostgreSQL server that loses connections where it is told: before or after a COMMIT, or for as long as it is down."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

_SOCKET: Final = ".s.PGSQL.5432"
_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query as the protocol writes it: type, length, text (PostgreSQL documentation, 55.7)."""
_CHUNK: Final = 65_536

Cut = Literal["before", "after", ""]


@dataclass(slots=True, kw_only=True)
class PgRelay:
    """Passes on what is said; ``url`` leads through it to the database of the original URL.

    ``cuts`` says for each COMMIT to come whether its connection is lost before the server reads it, after it has carried it out, or
    ("") not at all. While ``is_down`` nobody gets through.
    """

    url: str
    cuts: deque[Cut] = field(default_factory=deque)
    commits: int = 0
    lost: int = 0
    is_down: bool = False
    on_commit: Callable[[], None] = lambda: None
    _open: set[socket.socket] = field(default_factory=set)

    def go_down(self) -> None:
        """Lose every connection, and take no other until ``is_down`` is taken back."""
        self.is_down = True
        for one in tuple(self._open):
            _shut(one)

    def serve(self, client: socket.socket, server_path: str) -> None:
        """Carry one connection until either side ends it."""
        with client, socket.socket(socket.AF_UNIX) as server:
            if self.is_down or server.connect_ex(server_path):
                return
            self._open |= {client, server}
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            answers.start()
            with suppress(OSError):
                while said := client.recv(_CHUNK):
                    if not self._pass_on(said, client, server, answers):
                        break
            _shut(server)
            _shut(client)
            answers.join()
            self._open -= {client, server}

    def _pass_on(self, said: bytes, client: socket.socket, server: socket.socket, answers: threading.Thread) -> bool:
        if not said.endswith(_COMMIT):
            server.sendall(said)
            return True
        self.commits += 1
        self.on_commit()
        cut = self.cuts.popleft() if self.cuts else ""
        if not cut and not self.is_down:
            server.sendall(said)
            return True
        self.lost += 1
        _shut(client)  # first, so that the answer does not reach the customer
        if cut == "after":
            server.sendall(said)
            server.shutdown(socket.SHUT_WR)
            answers.join()
        return False


@contextmanager
def relayed(url: str, folder: Path) -> Iterator[PgRelay]:
    """Open a relay to the server of the URL, on a socket in the folder."""
    parts = urlsplit(url)
    server_path = f"{parse_qs(parts.query)['host'][0]}/{_SOCKET}"
    relay = PgRelay(url=f"{parts.scheme}://{parts.netloc}{parts.path}?host={folder}")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / _SOCKET))
        door.listen()

        def admit() -> None:
            with suppress(OSError):
                while True:
                    client, _ = door.accept()
                    threading.Thread(target=relay.serve, args=(client, server_path), daemon=True).start()

        threading.Thread(target=admit, daemon=True).start()
        try:
            yield relay
        finally:
            _shut(door)
            relay.go_down()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass the server's answers on; what the customer no longer takes is thrown away, so that the server can finish."""
    with suppress(OSError):
        while said := source.recv(_CHUNK):
            with suppress(OSError):
                target.sendall(said)
    _shut(target)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
