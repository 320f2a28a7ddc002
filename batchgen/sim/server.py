"""Start and stop the simulator: in this process with `serve`, in a child with `start_in_child`."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from batchgen.sim.app import build
from batchgen.sim.child import READY, SimProcess, SimStartError, start_in_child
from batchgen.sim.options import SimOptions

__all__ = ["SimProcess", "SimStartError", "serve", "start_in_child"]

HOST = "127.0.0.1"
# Longer than any run leaves a connection idle: a server that closes an idle connection under a POST in flight would be
# an ambiguous submit that no fault plan asked for.
_KEEP_ALIVE_S = 3600
_GRACE_S = 1


class _Protocol(H11Protocol):
    """Let a handler reach the connection it answers on, as `scope["state"]["transport"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # asyncio says BaseTransport, uvicorn narrows it
        super().connection_made(transport)
        # asyncio does this by itself only for sockets made with an explicit protocol number; without it a small answer
        # waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # noqa: FBT003 - the kernel's API
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Announce readiness on standard output; stop on a signal, with exit status 0, or at the end of standard input."""

    def __init__(self, config: uvicorn.Config, *, exit_with_stdin: bool) -> None:
        super().__init__(config)
        self._exit_with_stdin = exit_with_stdin

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        for stopping in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(stopping, self._stop)
        if self._exit_with_stdin:
            loop.add_reader(sys.stdin.fileno(), self._read_stdin)
        for listener in sockets or ():
            sys.stdout.write(f"{READY}http://{HOST}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the event loop: uvicorn would raise them again and turn a clean stop into a death."""
        yield

    def _read_stdin(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._stop()

    def _stop(self) -> None:
        self.should_exit = True


def serve(options: SimOptions) -> None:
    """Serve on loopback until a signal or, when asked for, the end of standard input.

    Prints one line with the URL once requests are answered. Raises OSError when the port or the ledger cannot be opened.
    """
    with socket.create_server((HOST, options.port), backlog=1024) as listener:
        config = uvicorn.Config(
            build(options),
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        _Server(config, exit_with_stdin=options.exit_with_stdin).run(sockets=[listener])
