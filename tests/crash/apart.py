"""Run a command on a machine of its own, as far as the kernel can pretend: its processes are counted apart, and so is its network.

    python apart.py NAME PORT SOCKET COMMAND...

In the network of its own nothing is reached but its loopback; what connects there to PORT is passed on through SOCKET, a Unix socket, which
knows no networks. Needs the rights to make namespaces; ``unshare`` has made those of processes, names and network before this runs.
"""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_CHUNK = 65_536


def raise_loopback() -> None:
    """Bring the loopback device of this network up; a new network has it, but down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, name + bytes(16))[:18])[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", name, flags | _IFF_UP) + bytes(14))


def pass_on(door: socket.socket, family: socket.AddressFamily, address: object) -> None:
    """Carry every connection that comes to an open door to an address, until the door is closed."""
    with suppress(OSError):
        while True:
            client, _ = door.accept()
            threading.Thread(target=_carry, args=(client, family, address), daemon=True).start()


def _carry(client: socket.socket, family: socket.AddressFamily, address: object) -> None:
    with client, socket.socket(family) as server:
        if server.connect_ex(address):  # type: ignore[arg-type] # a path or a host with its port
            return
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(_CHUNK):
            target.sendall(said)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main() -> int:
    """Name the machine, open its door to the vendor, and run the command as its child; end as it ends."""
    name, port, path, *command = sys.argv[1:]
    socket.sethostname(name)
    raise_loopback()
    door = socket.create_server(("127.0.0.1", int(port)))
    threading.Thread(target=pass_on, args=(door, socket.AF_UNIX, path), daemon=True).start()
    worker = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: worker.terminate())
    code = worker.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
