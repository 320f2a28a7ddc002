"""Read ``--set`` and ``--only``: checked like the manifest, and reported beside its problems."""

from collections.abc import Sequence

from batchgen.planning.findings import SECRET, Findings, did_you_mean, hidden
from batchgen.planning.names import Names
from batchgen.planning.orders import Filter
from batchgen.planning.scalars import Value

_SPECIAL = frozenset({"sweep", "prompt_id"})


def forced_params(sets: Sequence[str], names: Names, findings: Findings) -> dict[str, Value]:
    """Read ``--set``: parameters that overrule every layer."""
    forced: dict[str, Value] = {}
    for word in sets:
        name, _, value = word.partition("=")
        if SECRET.search(word):
            _tell(findings, "--set", word, "this looks like a key; a key must not stand on the command line", code="E110")
        elif not value:
            _tell(findings, "--set", word, "must be PARAM=VALUE")
        elif name not in names.params:
            _tell(findings, "--set", word, f"unknown parameter {name!r}", did_you_mean(name, names.params))
        elif names.is_usable(name, value, ()):
            forced[name] = value
    return forced


def row_filter(only: Sequence[str], sweeps: Sequence[str], names: Names, findings: Findings) -> Filter:
    """Read ``--only``: filters on a parameter, a label, ``sweep`` or ``prompt_id``."""
    wanted: dict[str, set[str]] = {}
    for word in only:
        name, sign, value = word.partition("=")
        if not sign or not name:
            _tell(findings, "--only", word, "must be KEY=VALUE")
        elif name == "sweep" and value not in sweeps:
            _tell(findings, "--only", word, f"there is no sweep {value!r}", did_you_mean(value, sweeps))
        elif name == "operation" and (refusal := names.choices[name].refusal(value)):
            _tell(findings, "--only", word, refusal, names.choices[name].advice(value))
        else:
            wanted.setdefault(name, set()).add(value)
    kept = {name: frozenset(values) for name, values in wanted.items()}
    return Filter(
        params={name: values for name, values in kept.items() if name in names.params},
        labels={name: values for name, values in kept.items() if name not in names.params | _SPECIAL},
        sweeps=kept.get("sweep"),
        prompt_ids=kept.get("prompt_id"),
    )


def _tell(findings: Findings, option: str, word: str, message: str, hint: str = "", *, code: str = "E309") -> None:
    findings.elsewhere(code, message, f"{option} {hidden(word)}", hint=hint)
