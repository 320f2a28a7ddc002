"""Runs that are cut at a chosen call through a port, and what must hold once the plain command has resumed them."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue

from tests.crash.audit import PlaceOf, audit, content, select
from tests.crash.studies import Study
from tests.crash.warm import WarmLine, warm_lines
from tests.support.cli import CommandLine, Vendor, open_vendor

SIGKILL = -9
PORTS = ("ledger", "journal", "client", "shelf", "library")
SIDES = ("before", "after")
_ENDS = {"kill": {SIGKILL, 0, 3}, "bug": {0, 1, 3, 7}, "refusal": {0, 3, 7}}
"""How a cut run may end, by the kind of cut; 0 or 3 where it never came to that call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Where a run is cut, and how: see ``dying_run.Fuse``."""

    port: str
    side: str
    call: int
    fault: str = "kill"

    def __str__(self) -> str:
        return f"{self.fault} {self.side} call {self.call} of the {self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A kind of batch, a vendor, some warm interpreters, a folder for the runs, and how many calls a clean run makes through each port.

    ``place_of`` gives a folder with what an output place holds.
    """

    study: Study
    vendor: Vendor
    lines: "Queue[WarmLine]"
    folder: Path
    calls: dict[str, int]
    place_of: PlaceOf = Path


@contextmanager
def stage_of(study: Study, folder: Path, *, at_once: int, place_of: PlaceOf = Path, **variables: str) -> Iterator[Stage]:
    """Set the stage, with these variables for every command, and count the calls of a run that nothing disturbs."""
    with open_vendor(latency_s=0.02) as vendor, warm_lines(at_once, folder, **variables) as lines:
        line = lines.get()
        made = line(folder, "db", "upgrade")
        if made.code != 0:
            raise RuntimeError(made.err)
        _plan(line, folder / "clean", vendor, study, "clean")
        counted = line(folder / "clean", "study", death=asdict(Death(port="none", side="before", call=0)))
        lines.put(line)
        if counted.code != 0:
            raise RuntimeError(counted.err)
        yield Stage(study=study, vendor=vendor, lines=lines, folder=folder, calls=json.loads(counted.out), place_of=place_of)


def _plan(line: WarmLine, folder: Path, vendor: Vendor, study: Study, marker: str) -> None:
    """Store a batch of a few rows in a copy of the empty database."""
    folder.mkdir()
    shutil.copy(folder.parent / "batchgen.db", folder)
    study.write(folder, vendor.url, marker)
    planned = line(folder, "plan", "study.yaml", "--save")
    if planned.code != 0:
        raise RuntimeError(planned.err)


def play(stage: Stage, deaths: Sequence[Death]) -> tuple[bool, list[str]]:
    """Cut one run after the other on the same batch, then resume, and resume again.

    Says whether any of them came to its cut, and gives everything that is wrong afterwards.
    """
    marker = ", ".join(map(str, deaths))
    folder = stage.folder / marker.replace(" ", "-")
    line = stage.lines.get()
    try:
        _plan(line, folder, stage.vendor, stage.study, marker)
        dead = [line(folder, "study", death=asdict(death)) for death in deaths]
        was_cut = (folder / "cut").exists()
        resumed = line(folder, "resume", "-y")
        before, bill = content(folder / "batchgen.db"), stage.vendor.charges(f"of {marker}.")
        again, verified = line(folder, "resume", "-y"), line(folder, "verify")
    finally:
        stage.lines.put(line)
    wrong = {
        **{
            f"the cut run ended with {end.code}: {end.err}": end.code not in _ENDS[death.fault]
            for death, end in zip(deaths, dead, strict=True)
        },
        f"resume ended with {resumed.code}: {resumed.err}": resumed.code not in {0, 3},
        f"resuming again ended with {again.code}: {again.err}": again.code != resumed.code,
        f"resuming again changed rows: {sorted(set(content(folder / 'batchgen.db')) ^ set(before))}": content(folder / "batchgen.db")
        != before,
        "resuming again ordered something": len(stage.vendor.charges(f"of {marker}.")) != len(bill),
        f"verify: {verified.out}{verified.err}": verified.code != 0,
        "the API key is in a file": bool(CommandLine(folder=folder).leaks()),
        **_state_of(folder / "batchgen.db", jobs=stage.study.jobs, exit_code=resumed.code, deaths=deaths),
        **dict.fromkeys(audit(folder / "batchgen.db", bill, place_of=stage.place_of).sentences(), True),
    }
    found = [f"{marker}: {text}" for text, is_wrong in wrong.items() if is_wrong]
    if not found:
        shutil.rmtree(folder)
    return was_cut, found


def _state_of(database: Path, *, jobs: int, exit_code: int, deaths: Sequence[Death]) -> dict[str, bool]:
    """Judge the rows: all there, each saved, or held because the cut came between its POST and the record of it."""
    states = Counter(row["state"] for row in select(database, "SELECT state FROM v_jobs"))
    actors = {row["actor"] for row in select(database, "SELECT actor FROM v_events WHERE after = 'ambiguous'")}
    may_hold = {"recovery"} | ({"runner"} if any(death.fault != "kill" for death in deaths) else set())
    return {
        f"states are {dict(states)}": states.total() != jobs or not set(states) <= {"saved", "ambiguous"},
        f"exit code {exit_code} does not tell of {states['ambiguous']} held rows": (exit_code == 3) != (states["ambiguous"] > 0),
        f"rows were held by {actors}": not actors <= may_hold,
    }
