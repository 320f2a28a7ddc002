"""The dialect of docs/dialects.md as a class to be spoilt, and its example."""

from typing import Any

from tests.plugins.packages import CHECK, PLUGIN

_PLUGIN: dict[str, Any] = {}
_CHECK: dict[str, Any] = {}
exec(compile(PLUGIN, "acme_batchgen.py", "exec"), _PLUGIN)  # noqa: S102 - our own document
exec(CHECK.split("check_dialect(Acme")[0].replace("from acme_batchgen import Acme", ""), _CHECK)  # noqa: S102 - as above

Acme: Any = _PLUGIN["Acme"]
EXAMPLE = _CHECK["EXAMPLE"]
