"""The log: one JSON object a line in a rotated file, warnings on stderr, secrets taken out of both. Must never stop its caller."""

from batchgen.logs.lines import configure, drop, dropped, get
from batchgen.logs.redact import Redactor, one_line

__all__ = ["Redactor", "configure", "drop", "dropped", "get", "one_line"]
