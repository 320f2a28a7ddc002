"""Publishing an image (RELIABILITY 1.2) as a machine small enough to try every history of it.

Theory of operation. A world is one paid job, the two names that its image may have in the folder, a runner and its database. The file's
bytes and its name are durable apart: a synced file may still lose its name. States change by the product's own table alone. ``Rules`` holds
what the product promises beside the table; each promise can be broken, to see that the search finds out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from batchgen.core import events as e
from batchgen.core import machine
from batchgen.core.states import State
from tests.support.builders import event

MOST_FAULTS: Final = 3
ENDS: Final = frozenset({State.SAVED, State.FAILED})

NONE, TORN, SHAKY, WHOLE = "none", "torn", "shaky", "whole"
"""What a name holds: nothing, some bytes, all bytes until the power goes, all bytes for good."""


class Row(NamedTuple):
    """What the database knows: the state, and whether it holds the hash of staged bytes."""

    state: State = State.SUBMITTED
    is_staged: bool = False


class World(NamedTuple):
    """Everything. ``past`` are earlier rows.

    ``phase`` is how far the runner is: not there, resting, writing, written, synced, linked, sealed.
    """

    row: Row = Row()
    past: tuple[Row, ...] = ()
    temp: str = NONE
    final: str = NONE
    is_name_firm: bool = False
    phase: str = ""
    faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the product promises, all of it kept."""

    syncs_file: bool = True
    syncs_what_it_links: bool = True
    syncs_folder: bool = True
    checks_hash: bool = True
    saves_last: bool = True


Move = tuple[str, World]


def broken(world: World) -> str:
    """Say which promise is broken, if any."""
    is_there = world.final == WHOLE and world.is_name_firm
    return "saved without a whole file that lasts" if world.row.state is State.SAVED and not is_there else ""


def is_end(world: World) -> bool:
    """Say whether nobody runs and nothing is left to do."""
    return not world.phase and world.row.state in ENDS


def moves(world: World, rules: Rules) -> Iterator[Move]:
    """Give every world that one step leads to, with the step's name."""
    match world.phase:
        case "":
            yield "a runner starts", world._replace(phase="resting")
        case "resting":
            yield "the runner leaves", world._replace(phase="")
            yield from _rest(world, rules)
        case "writing":
            yield "written", world._replace(temp=SHAKY, phase="written")
            yield "the download breaks off", world._replace(temp=NONE, phase="resting")
        case "written":
            yield "file synced", world._replace(temp=WHOLE if rules.syncs_file else SHAKY, phase="synced")
        case "synced":
            yield from _commit(world, e.ImagesStaged)
        case "linked":
            yield "folder synced", world._replace(is_name_firm=rules.syncs_folder, phase="sealed")
        case "sealed":
            yield from _commit(world, e.ImagesSaved)
    if world.faults < MOST_FAULTS:
        yield from _faults(world._replace(faults=world.faults + 1))


def _rest(world: World, rules: Rules) -> Iterator[Move]:
    """Ask after the task, fetch the image, or publish what is staged: by the hash of the bytes, never by their name."""
    if world.row.state is State.SUBMITTED:
        yield from _commit(world, e.RenderFinished)
    if world.row.state is not State.RENDERED:
        return
    yield from _commit(world, e.FreshUrlWanted)
    yield from _commit(world, e.DownloadFailed)
    if not world.row.is_staged:
        yield "a draft is opened", world._replace(temp=TORN, phase="writing")
        return
    good = (SHAKY, WHOLE) if rules.checks_hash else (TORN, SHAKY, WHOLE)
    if not rules.saves_last:
        yield from _commit(world, e.ImagesSaved)
    elif world.final in good:
        yield "found in its place", world._replace(temp=NONE, phase="linked")
    elif world.temp in good:
        final = WHOLE if rules.syncs_what_it_links and world.temp == SHAKY else world.temp
        yield "synced and linked", world._replace(temp=NONE, final=final, is_name_firm=False, phase="linked")
    else:
        yield "a new draft is opened", world._replace(temp=TORN, phase="writing")


def _commit(world: World, kind: type[e.Event]) -> Iterator[Move]:
    """Record an event; the database may also refuse, and the runner then stops."""
    row = Row(machine.advance(world.row.state, _an(kind)), kind is e.ImagesStaged)
    past = tuple(dict.fromkeys((*world.past, world.row)))
    yield kind.__name__, world._replace(row=row, past=past, phase="resting")
    if world.faults < MOST_FAULTS:
        yield f"{kind.__name__} refused by the database", world._replace(phase="", faults=world.faults + 1)


def _faults(world: World) -> Iterator[Move]:
    """Give what may go wrong at any time. A power cut takes loose names away in any combination, and loose bytes."""
    if world.phase:
        yield "killed", world._replace(phase="")
    for temp in {NONE, _after_power_cut(world.temp)}:
        kept = _after_power_cut(world.final)
        yield "power cut", world._replace(temp=temp, final=kept, is_name_firm=kept != NONE, phase="")
        if not world.is_name_firm:
            yield "power cut, the link is gone", world._replace(temp=temp, final=NONE, phase="")
            yield "power cut, the old name is back", world._replace(temp=kept, final=NONE, phase="")
    if not world.phase:
        for age, row in enumerate(world.past):
            yield "an older copy is put back", world._replace(row=row, past=world.past[:age])


def _after_power_cut(bytes_: str) -> str:
    return TORN if bytes_ == SHAKY else bytes_


@cache
def _an(kind: type[e.Event]) -> e.Event:
    return event(kind)
