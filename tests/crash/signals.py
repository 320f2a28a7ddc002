"""Every signal in every phase of a run: the exit code is the promised one, everything is recorded, and the plain command goes on.

    python tests/crash/signals.py              # each once
    python tests/crash/signals.py --rounds 10

The vendor is a host on loopback that strikes when the phase begins: while it is asked for prices, while an order is open, while a task is
asked after, while a picture is fetched, just after it was sent, after an order was throttled, while the account is asked after at the end.
Prints a line for each phase and signal; exits 1 when anything is wrong.
"""

import argparse
import hashlib
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crash.aftermath import aftermath
from tests.support.cli import CommandLine, envelope, open_host, study
from tests.support.pictures import picture
from tests.support.webhost import Answer, Arrived

PHASES = ("planning", "submitting", "polling", "downloading", "publishing", "shut gate", "ending")
SIGNALS: dict[str, tuple[signal.Signals, ...]] = {
    "INT": (signal.SIGINT,),
    "TERM": (signal.SIGTERM,),
    "HUP": (signal.SIGHUP,),
    "INT INT": (signal.SIGINT, signal.SIGINT),
    "STOP CONT": (signal.SIGSTOP, signal.SIGCONT),
    "KILL": (signal.SIGKILL,),
}
JOBS = 3
AT_ONCE = 3
GRACE_S = 20.0
_STOPPED_S = 3.0
_BETWEEN_S = 0.2
_OPEN_S = 0.5
_PNG = picture()


@dataclass(slots=True, kw_only=True)
class Striker:
    """A vendor that finishes tasks at once, and sends signals to its customer when the phase begins, once."""

    phase: str
    signals: Sequence[signal.Signals]
    url: str = ""
    process: Popen[str] | None = None
    charges: list[dict[str, Any]] = field(default_factory=list)
    fetched: set[str] = field(default_factory=set)
    struck_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Arrived) -> Answer:
        """Answer a request, and strike before it, or soon after it."""
        kind, name = self._kind(request), request.path.rpartition("/")[2]
        if kind == self.phase:
            self._strike()
        match kind:
            case "submitting":
                return self._order(request)
            case "polling":
                return envelope({"task_id": name, "status": "completed", "result": {"image_url": f"{self.url}/files/{name}.png"}})
            case "downloading":
                self.fetched.add(name)
                if self.phase == "publishing":
                    threading.Timer(0.01, self._strike).start()
                return 200, {"Content-Type": "image/png"}, _PNG
            case _:
                return envelope({"list": [], "balance": 100, "used_coin": 0, "available": 100, "unlimited": True})

    def _kind(self, request: Arrived) -> str:
        if request.method == "POST":
            return "submitting"
        if request.path.startswith("/files/"):
            return "downloading"
        if request.path.rpartition("/")[2].startswith("img_"):
            return "polling"
        return "ending" if len(self.fetched) == JOBS else "planning"

    def _order(self, request: Arrived) -> Answer:
        """Take an order; in the phase of the shut gate the second one is throttled."""
        with self.lock:
            if self.phase == "shut gate" and len(self.charges) == 1 and not self.struck_at:
                threading.Timer(_OPEN_S, self._strike).start()
                return 429, {"Retry-After": "2"}, b""
            task = f"img_{len(self.charges) + 1}"
            self.charges.append({"task_id": task, "body_sha256": hashlib.sha256(request.body).hexdigest()})
        return envelope({"task_id": task, "status": "queued", "cost": 0.03})

    def _strike(self) -> None:
        with self.lock:
            if self.struck_at or self.process is None:
                return
            self.struck_at = time.monotonic()
        for number in self.signals:
            self.process.send_signal(number)
            time.sleep(_STOPPED_S if number is signal.SIGSTOP else _BETWEEN_S)
        time.sleep(_OPEN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How one strike went: the exit code, the seconds from the signal to the end, and what is wrong."""

    phase: str
    name: str
    code: int
    took_s: float
    wrong: Sequence[str]


def play(folder: Path, *, phase: str, name: str) -> Told:
    """Play one strike in a new folder."""
    folder.mkdir()
    cli, striker = CommandLine(folder=folder), Striker(phase=phase, signals=SIGNALS[name])
    with open_host(striker.answer) as host:
        striker.url = host.url
        cli.write(study(host.url, [f"picture {number}" for number in range(JOBS)], limits={"in_flight": 1}))
        with cli.background("run", "study.yaml", "-y") as running:
            striker.process = running
            ended = cli.finish(running)
            took_s = time.monotonic() - striker.struck_at if striker.struck_at else -1.0
        wrong = aftermath(cli, "study.yaml", cli.folder / "batchgen.db", lambda: striker.charges)
        states = cli.states()
    is_abrupt = name in {"INT INT", "KILL"}
    held = states.get("ambiguous", 0)
    allowed = {1} if is_abrupt and phase == "submitting" else {0, 1} if is_abrupt else {0}
    faults = {
        "the signal was never sent": took_s < 0,
        f"exit code {ended.code}: {ended.err[-300:]}": ended.code not in _codes(phase, name),
        f"it took {took_s:.0f} s to end": took_s > GRACE_S and name != "STOP CONT",
        f"no line says how to go on: {ended.out[-200:]}": phase not in {"planning", "ending"}
        and name in {"INT", "TERM", "HUP"}
        and "go on with" not in ended.out,
        f"{len(striker.charges)} orders": len(striker.charges) not in {JOBS, JOBS - held},
        f"states are {json.dumps(states)}": held not in allowed or states.get("saved", 0) + held != JOBS,
    }
    return Told(phase=phase, name=name, code=ended.code, took_s=took_s, wrong=[*wrong, *(text for text, is_so in faults.items() if is_so)])


def _codes(phase: str, name: str) -> set[int]:
    """Give the exit codes that keep the contract.

    A signal may end the process by itself, which a shell calls the same code, before there is anything to save and after all is saved.
    """
    last = SIGNALS[name][-1]
    if last is signal.SIGKILL:
        return {-last}
    if last is signal.SIGCONT:
        return {0}
    return {128 + last, -last} if phase == "planning" or len(SIGNALS[name]) > 1 else {128 + last}


def line(told: Told) -> str:
    """Give a strike as a row of the table."""
    return f"{told.phase:<12}  {told.name:<9}  {told.code:>4}  {told.took_s:>7.1f}  {len(told.wrong):>5}"


def main() -> int:
    """Play all, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often each signal strikes in each phase")
    rounds = parser.parse_args().rounds
    sys.stdout.write("phase         signal     exit  seconds  wrong\n")
    with tempfile.TemporaryDirectory(prefix="batchgen-signals-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        pairs = [(phase, name) for _ in range(rounds) for phase in PHASES for name in SIGNALS]
        waiting = [pool.submit(play, Path(folder) / f"{at}", phase=phase, name=name) for at, (phase, name) in enumerate(pairs)]
        played: list[Told] = []
        for future in waiting:
            played.append(future.result())
            sys.stdout.write("\n       ".join([line(played[-1]), *played[-1].wrong]) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"strikes {len(played)}, wrong {sum(bool(told.wrong) for told in played)}\n")
    return 1 if any(told.wrong for told in played) else 0


if __name__ == "__main__":
    sys.exit(main())
