"""How this program is called, for commands that are printed to be typed, and for those that it starts itself."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Give what a person types to call this program: ``batchgen`` where the shell finds it, else the words that called it now."""
    return "batchgen" if shutil.which("batchgen") else shlex.join(own_words())


def own_words() -> list[str]:
    """Give the words that called this program, up to its options."""
    return [sys.argv[0]] if Path(sys.argv[0]).name == "batchgen" else [sys.orig_argv[0], "-m", "batchgen"]
