"""Dialects from other packages, met as a user meets them: real entry points on the path of a child process."""

import json
from collections.abc import Mapping

import pytest

from tests.plugins.acme import open_acme
from tests.plugins.conftest import PluggedCommandLine
from tests.plugins.packages import PLUGIN, install, install_acme
from tests.support.cli import open_vendor, study

_SOUND = "from acme_batchgen import Acme\n"
_BROKEN: Mapping[str, tuple[str, str, str]] = {
    "import error": ("import no_such_module_anywhere\n", "broken:Dialect", "No module named 'no_such_module_anywhere'"),
    "exit on import": ("raise SystemExit(3)\n", "broken:Dialect", "SystemExit: 3"),
    "fault on import": ("1 / 0\n", "broken:Dialect", "ZeroDivisionError"),
    "syntax": ("def\n", "broken:Dialect", "SyntaxError"),
    "no such name": ("", "broken:Dialect", "AttributeError"),
    "wrong object": ("Dialect = 42\n", "broken:Dialect", "it is no dialect: it lacks"),
    "a function": ("def Dialect(): return None\n", "broken:Dialect", "it is no dialect: it lacks"),
    "missing members": (f"{_SOUND}\nclass Base: name = 'broken'\nDialect = Base\n", "broken:Dialect", "read_poll"),
    "fault in the making": (f"{_SOUND}\nclass Dialect(Acme):\n    def __init__(self): raise RuntimeError('no licence')\n", "broken:Dialect",
                            "RuntimeError: no licence"),
    "fault in models": (f"{_SOUND}\nclass Dialect(Acme):\n    def models(self): raise RuntimeError('no list')\n", "broken:Dialect",
                        "RuntimeError: no list"),
    "a list of words": (f"{_SOUND}\nclass Dialect(Acme):\n    def models(self): return ['acme-brush']\n", "broken:Dialect",
                        "models() gives 'acme-brush'"),
    "many lines": ("raise ValueError('one\\ntwo\\x1b[31m')\n", "broken:Dialect", "ValueError: one"),
}  # fmt: skip


def _acme_study(url: str, use: str = "acme") -> dict[str, object]:
    return study(
        url,
        ["a fox", "a heron"],
        provider={"use": use, "base_url": url, "api_key_env": "ACME_KEY"},
        defaults={"model": "acme-brush", "size": "512x512"},
    )


def test_models_shows_where_a_plugins_models_come_from(cli: PluggedCommandLine) -> None:
    """Beside ours, with the package's name and version."""
    install_acme(cli.packages)

    shown = cli.calm("models", "--offline", "--use", "acme")
    listed = cli.calm("models", "--offline", "--json").document["models"]

    assert (0, ["[acme] acme-batchgen 1.2"]) == (shown.code, shown.out.splitlines()[:1])
    assert {("acme", "acme-batchgen 1.2")} == {(model["use"], model["origin"]) for model in listed if model["name"] == "acme-brush"}
    assert "built in" in {model["origin"] for model in listed}


def test_a_plugins_vendor_is_ordered_from_like_any_other(cli: PluggedCommandLine) -> None:
    """Validate, plan, run, verify; the second run orders nothing."""
    install_acme(cli.packages)
    with open_acme() as acme:
        manifest = cli.write(_acme_study(acme.url))
        codes = [cli.calm(command, manifest).code for command in ("validate", "plan")]
        ran = cli.calm("run", manifest, "-y")
        again = cli.calm("run", manifest, "-y")
        orders = list(acme.orders)

    assert [0, 0, 0, 0, 0] == [*codes, ran.code, again.code, cli.calm("verify").code]
    assert {"saved": 2} == cli.states()
    assert ["a fox", "a heron"] == sorted(order["prompt"] for order in orders)


def test_a_plugins_rules_are_told_where_they_are_broken(cli: PluggedCommandLine) -> None:
    """A complaint of a plugin names the line, as ours do."""
    install_acme(cli.packages)
    manifest = cli.write(_acme_study("http://127.0.0.1:9") | {"defaults": {"model": "acme-brush", "size": "9x9"}})

    refused = cli.calm("validate", manifest)

    assert 2 == refused.code
    assert "acme paints 512x512 or 1024x1024" in refused.out + refused.err


@pytest.mark.parametrize(("text", "target", "why"), _BROKEN.values(), ids=_BROKEN)
def test_a_broken_plugin_is_told_and_stops_nothing_else(cli: PluggedCommandLine, text: str, target: str, why: str) -> None:
    """``models`` warns on stderr and lists all others; a manifest that wants it gets one line and exit 2."""
    install_acme(cli.packages)
    install(cli.packages, "broken-vendor", {"broken": text}, {"broken": target}, version="0.9")
    sound = cli.write(_acme_study("http://127.0.0.1:9"))
    wanting = cli.write(_acme_study("http://127.0.0.1:9", use="broken"), "wanting.yaml")

    models, valid, wanted = cli.calm("models", "--offline"), cli.calm("validate", sound), cli.calm("plan", wanting, "--offline")

    warnings = [line for line in models.err.splitlines() if line.startswith("warning:")]
    assert 1 == len(warnings)
    assert "plugin 'broken' (broken-vendor 0.9) cannot be used" in warnings[0]
    assert why in warnings[0]
    assert (0, 0, 2) == (models.code, valid.code, wanted.code)
    assert "[acme] acme-batchgen 1.2" in models.out
    assert "[openai] built in" in models.out
    assert 1 == len([line for line in wanted.err.splitlines() if "broken-vendor 0.9" in line])


def test_other_vendors_run_beside_a_broken_plugin(cli: PluggedCommandLine) -> None:
    """A plugin is loaded only when it is wanted, so a run of ours never meets it."""
    install(cli.packages, "broken-vendor", {"broken": "print('loaded')\nraise SystemExit(3)\n"}, {"broken": "broken:Dialect"})
    with open_vendor() as vendor:
        manifest = cli.write(study(vendor.url, ["a fox"]))
        finished = [cli.calm("validate", manifest), cli.calm("plan", manifest), cli.calm("run", manifest, "-y")]

    assert [0, 0, 0] == [one.code for one in finished]
    assert not [one for one in finished if "broken" in one.err or "loaded" in one.out]
    assert {"saved": 1} == cli.states()


def test_what_a_plugin_prints_is_no_part_of_the_answer(cli: PluggedCommandLine) -> None:
    """``--json`` stays one document, whatever a plugin says while it is loaded."""
    install_acme(cli.packages)
    install(cli.packages, "chatty-vendor", {"chatty": f"print('hello')\n{_SOUND}"}, {"chatty": "chatty:Acme"})

    models = cli.calm("models", "--offline", "--json")

    assert "chatty" in {model["use"] for model in models.document["models"]}
    assert "hello" in models.err


def test_two_packages_with_the_same_word_are_both_left_aside(cli: PluggedCommandLine) -> None:
    """Whose it is cannot be guessed; both are named."""
    install_acme(cli.packages)
    install(cli.packages, "other-acme", {"other": _SOUND}, {"acme": "other:Acme"}, version="3")
    manifest = cli.write(_acme_study("http://127.0.0.1:9"))

    models, wanted = cli.calm("models", "--offline"), cli.calm("validate", manifest)

    assert (0, 2) == (models.code, wanted.code)
    for told in (models.err, wanted.out + wanted.err):
        assert "several packages bring it: acme-batchgen 1.2, other-acme 3" in told
    assert "[acme]" not in models.out


@pytest.mark.parametrize("word", ["jimmyai", "openai", "sim", "http"])
def test_a_plugin_never_takes_the_place_of_ours(cli: PluggedCommandLine, word: str) -> None:
    """Its name is taken: it stands aside, and that is told."""
    install(cli.packages, "usurper", {"acme_batchgen": PLUGIN}, {word: "acme_batchgen:Acme"})
    manifest = cli.write(_acme_study("http://127.0.0.1:9", use=word) | {"defaults": {"model": "gpt-image-2"}})

    models, planned = cli.calm("models", "--offline"), cli.calm("plan", manifest, "--offline", "--json")

    assert 0 == models.code
    assert f"plugin '{word}' (usurper 1.2) " in models.err
    assert "usurper" not in models.out
    assert "acme" not in json.dumps(planned.out)


def test_an_unknown_word_is_told_with_the_plugins_that_there_are(cli: PluggedCommandLine) -> None:
    """A slip of the pen finds the nearest word, also a plugin's."""
    install_acme(cli.packages)
    manifest = cli.write(_acme_study("http://127.0.0.1:9", use="acmee"))

    refused = cli.calm("validate", manifest)

    assert 2 == refused.code
    assert "acme" in (refused.out + refused.err).replace("acmee", "")
