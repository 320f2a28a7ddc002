"""Try damaged input on everything that reads what strangers wrote: no crash, no hang over two seconds, at most 512 MiB, no traceback.

Damaged at random from a corpus, without coverage: every reader here is a few hundred lines, which random damage reaches, and it needs
nothing to be installed. An input that is answered badly is kept in ``build/fuzz`` and tried again by its path. Run it as a module from
the project's folder: ``python -m tests.fuzz.fuzz``.
"""

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.attempts import fault, fuzz, peak_kib
from tests.fuzz.targets import TARGETS

KEPT: Final = Path("build/fuzz")


def _keep(name: str, data: bytes) -> Path:
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:8]}"
    path.write_bytes(data)
    return path


def main() -> None:
    """Fuzz every target in turn, or try kept inputs again; leave with 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kept", nargs="*", type=Path, help="inputs to try again")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found = 0
    for path in arguments.kept:
        name = next(name for name in TARGETS if path.name.startswith(name.replace(" ", "-")))
        wrong = fault(TARGETS[name], path.read_bytes())
        found += bool(wrong)
        print(f"{path}: {wrong or 'answered'}")  # noqa: T201 - a script that reports
    for name, target in {} if arguments.kept else TARGETS.items():
        score = fuzz(target, seconds=arguments.seconds, seed=arguments.seed)
        found += len(score.findings)
        print(f"{name}: {score.executions} executions, {len(score.findings)} findings, peak {peak_kib() // 1024} MiB", flush=True)  # noqa: T201
        for wrong, data in score.findings.items():
            print(f"    {wrong}: {_keep(name, data)}", flush=True)  # noqa: T201
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
