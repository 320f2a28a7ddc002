"""What must hold once a fault is over: the plain command goes on, has nothing to do a second time, and all books agree."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.crash.audit import audit, content
from tests.support.cli import CommandLine


def aftermath(cli: CommandLine, manifest: str, database: Path, charges: Callable[[], Sequence[dict[str, Any]]]) -> list[str]:
    """Run the manifest again, and again; name everything that is wrong then, one sentence each."""
    db = ("--db", database)
    again = cli(*db, "run", manifest, "-y")
    before, bill = content(database), list(charges())
    once_more, verified = cli(*db, "resume", "-y"), cli(*db, "verify")
    after = content(database)
    wrong = {
        f"going on ended with {again.code}: {again.err[-300:]}": again.code not in {0, 3},
        f"once more ended with {once_more.code}: {once_more.err[-300:]}": once_more.code != again.code,
        f"once more changed rows: {sorted(set(after) ^ set(before))[:4]}": after != before,
        "once more ordered something": list(charges()) != bill,
        f"verify: {verified.out[-300:]}{verified.err[-300:]}": verified.code != 0,
        "the API key is in a file": bool(cli.leaks()),
        **dict.fromkeys(audit(database, bill).sentences(), True),
    }
    return [text for text, is_wrong in wrong.items() if is_wrong]
