"""Break the money's modules in one small place at a time, and count how often the tests notice: ``make mutants``.

A mutator of our own, since the common one copies the project to another folder and rewrites functions into trampolines there, which neither
the frozen dataclasses and tables at module level nor the tests that read files beside them outlive. Here nothing is written: a forked child
imports the changed module through a hook and runs the module's tests until the first failure.

Not mutated: docstrings, annotations, literal types, decorators, and texts inside ``raise`` and f-strings, which are words for people.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from types import ModuleType
from typing import Final

import hypothesis  # noqa: F401 - loaded once, before the children part
import PIL.Image  # noqa: F401 - as above
import pydantic  # noqa: F401 - as above
import pytest
import sqlalchemy  # noqa: F401 - as above

ROOT: Final = Path(__file__).parents[2]
_LOOP_S: Final = 10
"""How long the tests may take beyond ten times what they take without a mutation; what takes longer loops, and is noticed."""

PYTEST: Final = (
    "-q",
    "-x",
    "--tb=no",
    "-m",
    "not postgres",
    "-p",
    "pytest_socket",
    "-p",
    "pytest_timeout",
    "--timeout=0",  # the alarm of the child is ours
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)

_DIALECT: Final = "tests/unit/api/dialects/jimmyai"
_WORKER: Final = "tests/unit/worker"
MODULES: Final = {
    "batchgen/core/machine.py": ("tests/unit/core/test_machine.py",),
    "batchgen/core/states.py": ("tests/unit/core/test_states.py", "tests/unit/core/test_machine.py"),
    "batchgen/core/reconciling.py": ("tests/unit/core/test_reconciling.py",),
    "batchgen/store/effects.py": (
        "tests/unit/store/test_effects.py",
        "tests/unit/store/test_ledger.py",
        "tests/unit/store/test_recorder.py",
        "tests/contract/test_ledger.py",
    ),
    "batchgen/worker/verdicts.py": (f"{_WORKER}/test_verdicts.py", f"{_WORKER}/test_steps.py"),
    "batchgen/worker/doubting.py": (f"{_WORKER}/test_doubting.py",),
    "batchgen/worker/recorder.py": (f"{_WORKER}/test_recorder.py", f"{_WORKER}/test_steps.py"),
    "batchgen/api/dialects/jimmyai/outcomes.py": (
        *(f"{_DIALECT}/test_{name}.py" for name in ("answers", "operations", "read_answer", "read_poll", "read_submit")),
    ),
    "batchgen/api/dialects/jimmyai/words.py": (
        f"{_DIALECT}/test_answers.py",
        f"{_DIALECT}/test_read_submit.py",
        f"{_DIALECT}/test_read_poll.py",
    ),
    "batchgen/api/dialects/jimmyai/answers.py": (
        *(f"{_DIALECT}/test_{name}.py" for name in ("answers", "unfamiliar", "read_answer", "read_poll", "read_submit")),
    ),
    "batchgen/api/statuses.py": ("tests/unit/api/test_statuses.py", f"{_DIALECT}/test_read_submit.py"),
    "batchgen/files/shelf.py": ("tests/unit/files/test_shelf.py", "tests/contract/test_shelf.py", "tests/unit/files/test_answers.py"),
    "batchgen/files/folders.py": ("tests/unit/files/test_folders.py", "tests/unit/files/test_verify.py", "tests/unit/files/test_shelf.py"),
    "batchgen/files/journal.py": ("tests/unit/files/test_journal.py",),
    "batchgen/logs/redact.py": ("tests/unit/logs/test_redact.py", "tests/unit/logs/test_lines.py"),
}

_OPERATORS: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


def mutations(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Give what may stand in the place of a node, and what it would mean."""
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(value=not value), f"{value} -> {not value}"
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value=value + 1), f"{value} -> {value + 1}"
        case ast.Constant(value=str() as value):
            yield ast.Constant(value=f"XX{value}XX"), f"{value!r} changed"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand, "not dropped"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            yield ast.Pass(), "statement dropped"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(value=ast.Constant(value=None)), "returns None"
        case ast.Dict() | ast.Set() | ast.Tuple(ctx=ast.Load()) | ast.List(ctx=ast.Load()):
            yield from _shortened(node)
        case _:
            yield from _swapped(node)


def _shortened(node: ast.Dict | ast.Set | ast.Tuple | ast.List) -> Iterator[tuple[ast.AST, str]]:
    parts = ("keys", "values") if isinstance(node, ast.Dict) else ("elts",)
    count = len(getattr(node, parts[0]))
    for index in range(count if count > 1 else 0):
        changed = deepcopy(node)
        for part in parts:
            del getattr(changed, part)[index]
        yield changed, f"item {index} dropped"


def _swapped(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Compare(ops=[operator, *_]) | ast.BoolOp(op=operator) | ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            changed, other = deepcopy(node), _OPERATORS[type(operator)]()
            if isinstance(changed, ast.Compare):
                changed.ops[0] = other  # type: ignore[call-overload]  # of the same kind by the table
            else:
                changed.op = other  # type: ignore[attr-defined]  # as above
            yield changed, f"{type(operator).__name__} -> {type(other).__name__}"
        case ast.IfExp(body=body, orelse=orelse):
            yield ast.IfExp(test=node.test, body=orelse, orelse=body), "branches swapped"
        case ast.MatchOr(patterns=patterns):
            for index in range(len(patterns)):
                rest = patterns[:index] + patterns[index + 1 :]
                yield ast.MatchOr(patterns=rest) if len(rest) > 1 else rest[0], f"alternative {index} dropped"
        case _:
            pass


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Give (parent, field, index) of every node that may be changed."""
    if isinstance(tree, ast.Subscript) and isinstance(tree.value, ast.Name) and tree.value.id == "Literal":
        return
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list", "type_params", "bases", "exc"} or isinstance(tree, ast.JoinedStr):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield tree, name, index
                yield from places(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def mutants(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Give every mutant of a module with its line and what is changed."""
    tree = ast.parse(source)
    for parent, field, index in places(tree):
        held = getattr(parent, field)
        node = held if index is None else held[index]
        for changed, meaning in mutations(node):
            _put(parent, field, index, ast.fix_missing_locations(ast.copy_location(changed, node)))
            yield f"line {getattr(node, 'lineno', 0)}: {meaning}", deepcopy(tree)
            _put(parent, field, index, node)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import one module from a changed tree."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path, self.tree = path, tree
        self.name = path.removesuffix(".py").replace("/", ".")

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find the one module."""
        return importlib.util.spec_from_loader(fullname, self, origin=self.path) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        module.__file__ = str(ROOT / self.path)
        exec(compile(self.tree, module.__file__, "exec"), module.__dict__)  # noqa: S102 - that is the purpose


def survives(path: str, tree: ast.Module, *, limit_s: float) -> bool:
    """Run the module's tests against the changed module in a child; say whether all pass."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        child = os.fork()
        if child == 0:
            _run(path, tree, limit_s, folder)
        _, status = os.waitpid(child, 0)
    return status == 0


def _run(path: str, tree: ast.Module, limit_s: float, folder: str) -> None:
    """Be the child: test, and leave with 0 when nothing was noticed; an endless loop ends by the alarm."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, _Changed(path, tree))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the others only cost time here
    code = 3
    try:
        code = int(pytest.main([*PYTEST, f"--basetemp={folder}/tests", *MODULES[path]]))
    finally:
        os._exit(code)


def examine(path: str, *, share: float) -> tuple[int, int]:
    """Try a share of a module's mutants; print the survivors; give how many were killed, and how many there were."""
    source = (ROOT / path).read_text(encoding="utf-8")
    begun = monotonic()
    if not survives(path, ast.parse(source), limit_s=600):
        sys.exit(f"{path}: its tests fail without any mutation")
    limit_s = _LOOP_S + 10 * (monotonic() - begun)
    random = Random(7)
    chosen = [mutant for mutant in mutants(source) if random.random() < share]
    alive = []
    for what, tree in chosen:
        if survives(path, tree, limit_s=limit_s):
            alive.append(what)
            print(f"    survived: {path} {what}", flush=True)  # noqa: T201 - a script that reports
    killed = len(chosen) - len(alive)
    percent = 100 * killed / max(1, len(chosen))
    print(f"{path}: {killed} of {len(chosen)} killed ({percent:.1f} %), {len(alive)} survived", flush=True)  # noqa: T201 - as above
    return killed, len(chosen)


def main() -> None:
    """Examine the modules named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    parser.add_argument("--share", type=float, default=1.0, help="part of the mutants to try, chosen by a fixed seed")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    results = [examine(path, share=arguments.share) for path in arguments.modules]
    killed, count = (sum(numbers) for numbers in zip(*results, strict=True))
    print(f"all: {killed} of {count} killed ({100 * killed / max(1, count):.1f} %)")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
