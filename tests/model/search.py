"""Try every history of a small machine, breadth first, so that what is found is found by its shortest history."""

from array import array
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

W = TypeVar("W", bound=Hashable)

STUCK: Final = "no way on to an end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[W]):
    """What a search found: how many worlds and steps there are, and what is wrong with the shortest history that shows it."""

    worlds: int
    steps: int
    wrong: str = ""
    history: tuple[str, ...] = ()


def search(start: W, *, moves: Callable[[W], Iterable[tuple[str, W]]], broken: Callable[[W], str], is_end: Callable[[W], bool]) -> Found[W]:
    """Visit every world that ``moves`` reach; stop at the first that is broken, else at one from which no end can be reached."""
    numbers: dict[W, int] = {start: 0}
    order = [start]
    parents = array("l", [0])
    steps = array("l")
    targets = array("l")
    for number, world in enumerate(order):
        if wrong := broken(world):
            return Found(worlds=len(order), steps=len(targets), wrong=wrong, history=_history(order, parents, number, moves))
        steps.append(len(targets))
        for _, after in moves(world):
            if (known := numbers.setdefault(after, len(order))) == len(order):
                order.append(after)
                parents.append(number)
            targets.append(known)
    steps.append(len(targets))
    stuck = _stuck(steps, targets, [is_end(world) for world in order])
    history = () if stuck is None else _history(order, parents, stuck, moves)
    return Found(worlds=len(order), steps=len(targets), wrong="" if stuck is None else STUCK, history=history)


def _history(order: list[W], parents: "array[int]", number: int, moves: Callable[[W], Iterable[tuple[str, W]]]) -> tuple[str, ...]:
    """Give the names of the steps that lead from the start to a world."""
    names: list[str] = []
    while number:
        names.append(next(name for name, after in moves(order[parents[number]]) if after == order[number]))
        number = parents[number]
    return tuple(reversed(names))


def _stuck(steps: "array[int]", targets: "array[int]", reaches_end: list[bool]) -> int | None:
    """Give the first world from which no end can be reached: walk the steps backwards from every end."""
    before: list[list[int]] = [[] for _ in reaches_end]
    for number in range(len(reaches_end)):
        for target in targets[steps[number] : steps[number + 1]]:
            before[target].append(number)
    waiting = [number for number, is_end in enumerate(reaches_end) if is_end]
    while waiting:
        for number in before[waiting.pop()]:
            if not reaches_end[number]:
                reaches_end[number] = True
                waiting.append(number)
    return next((number for number, reaches in enumerate(reaches_end) if not reaches), None)
