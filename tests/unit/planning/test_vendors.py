"""Descriptions of vendors: what they may say, where a mistake is told, and what of them is stored."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from batchgen.api.dialects import dialect_for
from batchgen.core.dialects import Rules
from batchgen.core.errors import ManifestError
from batchgen.planning.describing import MAX_BYTES, read_vendor
from batchgen.planning.findings import Findings
from batchgen.planning.loader import load
from batchgen.planning.plan import Plan
from batchgen.planning.settings import RunSettings
from batchgen.planning.vendors import vendor_schema
from tests.support.manifests import Desk

MANIFESTS = Path(__file__).parents[3] / "manifests"
MANIFEST = """\
version: 1
name: study
defaults: {model: lab/one, steps: 28}
prompts: [a]
provider:
  use: http
  base_url: https://api.example.com
  api_key_env: LAB_KEY
  vendor: v.yaml
"""
GOOD = """\
vendor: 1
name: lab
auth: {header: X-Key, value: "{key}"}
models: {lab/one: {price: 0.025}, lab/two: {}}
params: {steps: int, format: [png, webp]}
references: {images: {as: [url], max: 1}}
submit:
  path: /v1/{{ model }}?v=1
  headers: {Idempotency-Key: "{{ key }}"}
  body: {prompt: "{{ prompt }}", steps: "{{ steps }}", format: "{{ format }}", image: "{{ images.0 }}", n: 1}
  task_id: /id
poll:
  path: /v1/tasks/{{ task_id }}
  status: /status
  words: {running: [queued], done: [ready], failed: [broken]}
  urls: /out/*/url
errors: [{status: 403, matches: no money, means: balance}]
"""
POLL = GOOD[GOOD.index("poll:") : GOOD.index("errors:")]
BODY = GOOD[GOOD.index("body:") : GOOD.index("\n  task_id")]
SYNC = """\
vendor: 1
name: lab
submit:
  path: /draw
  body: {text: "{{ prompt }}", of: {model: "{{ model }}", keep: null, size: [1024, 1.5, true, "a b"]}}
  base64: /data/*/b64
"""


def rules_for(use: str, vendor: Mapping[str, object] | None) -> Rules | None:
    """Give the real rules."""
    return dialect_for(use, vendor)


def plan(desk: Desk, description: str, manifest: str = MANIFEST) -> Plan:
    """Plan with a description in its own file."""
    desk.put("v.yaml", description)
    return load(desk.put("manifest.yaml", manifest), rules_for=rules_for, environ={"HOME_OF": "v.yaml"})


def places(desk: Desk, description: str, manifest: str = MANIFEST) -> list[str]:
    """Give the problems as ``file:line:column code``."""
    with pytest.raises(ManifestError) as caught:
        plan(desk, description, manifest)
    return [f"{Path(found.path).name}:{found.line}:{found.column} {found.code}" for found in caught.value.problems]


def inline(description: str) -> str:
    """Write a manifest with the description inside."""
    return MANIFEST.replace("vendor: v.yaml\n", "vendor:\n" + textwrap.indent(description, "    "))


def stored(found: Plan) -> Mapping[str, object]:
    """Give the description as it is stored, after a journey through JSON."""
    vendor = RunSettings.from_json(found.settings.to_json()).provider.vendor
    assert vendor is not None
    return vendor


def test_a_description_is_the_same_inline_and_in_a_file(desk: Desk) -> None:
    """It is stored as plain JSON, so that a resume needs neither manifest nor file."""
    found = plan(desk, GOOD)

    assert (1, ()) == (found.total, found.warnings)
    assert stored(found) == found.settings.provider.vendor == stored(plan(desk, "", inline(GOOD)))
    assert json.loads(next(iter(found.jobs())).params)["steps"] == "28"


def test_what_is_stored_is_complete(desk: Desk) -> None:
    """Defaults are written out, single values are lists, amounts stay as written, constants have the types of JSON."""
    vendor = stored(plan(desk, SYNC, MANIFEST.replace(", steps: 28", "").replace("lab/one", "anything")))

    assert {
        "vendor": "1",
        "name": "lab",
        "unit": "USD",
        "base_url": None,
        "api_key_env": None,
        "auth": {"header": "Authorization", "value": "Bearer {key}"},
        "models": {},
        "params": {},
        "references": {},
        "submit": {
            "path": "/draw",
            "headers": {},
            "body": {"text": "{{ prompt }}", "of": {"model": "{{ model }}", "keep": None, "size": [1024, 1.5, True, "a b"]}},
            "task_id": None,
            "urls": [],
            "base64": ["/data/*/b64"],
        },
        "poll": None,
        "result": None,
        "error": ["/error/message", "/error", "/detail", "/message", "/msg"],
        "errors": [],
        "cost": None,
        "result_ttl": 3600.0,
    } == vendor


def test_the_users_prices_are_stored_as_written(desk: Desk) -> None:
    """Exact decimals; a description's own price stays in the description."""
    found = plan(desk, GOOD, MANIFEST + "  prices: {lab/one: 0.040, lab/two: 1}\n")

    assert {"lab/one": "0.040", "lab/two": "1"} == found.settings.provider.prices
    assert {"lab/one": {"price": "0.025"}, "lab/two": {"price": None}} == stored(found)["models"]


def test_the_path_may_come_from_the_environment(desk: Desk) -> None:
    """As everything under ``provider``."""
    assert plan(desk, GOOD, MANIFEST.replace("v.yaml", "${HOME_OF}")).total == 1
    assert ["manifest.yaml:9:11 E112"] == places(desk, GOOD, MANIFEST.replace("v.yaml", "${NOWHERE}"))


def test_a_description_may_say_where_its_vendor_lives(desk: Desk) -> None:
    """Then the manifest need not; what it says is stronger, and either is checked."""
    bare = MANIFEST.replace("  base_url: https://api.example.com\n  api_key_env: LAB_KEY\n", "")
    at_home = GOOD + "base_url: ${HOST:-https://lab.example/}\napi_key_env: HOME_KEY\n"

    own, manifests = plan(desk, at_home, bare).settings.provider, plan(desk, at_home).settings.provider

    assert ("https://lab.example", "HOME_KEY") == (own.base_url, own.api_key_env)
    assert ("https://api.example.com", "LAB_KEY") == (manifests.base_url, manifests.api_key_env)
    assert ["manifest.yaml:6:3 E113"] == places(desk, at_home.replace("https", "http"), bare)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("vendor: 1", "vendor: 2", ["1:9 E103"]),
        ("name: lab\n", "", ["1:1 E105"]),
        ("name: lab\n", "name: Lab One\n", ["2:7 E103"]),
        ("name: lab\n", "name: openai\n", ["2:7 E103"]),
        ("name: lab\n", "name: lab\nunknown: 1\n", ["3:1 E104"]),
        ("header: X-Key", "headr: X-Key", ["3:8 E104"]),
        ("header: X-Key", "header: 'X Key'", ["3:16 E103"]),
        ("header: X-Key", "header: Content-Length", ["3:16 E103"]),
        ('"{key}"', '"{key} {key}"', ["3:30 E110"]),
        ('"{key}"', "abcdef", ["3:30 E110"]),
        ('"{key}"', '"{key} abcdefghij0123456789"', ["3:30 E110"]),
        ('"{key}"', '"sk-0123456789abcdef"', ["3:30 E110", "3:30 E110"]),
        ('"{key}"', "'{key} é'", ["3:30 E103"]),
        ("price: 0.025", "price: 2.5e-2", ["4:27 E103"]),
        ("price: 0.025", "cost: 0.025", ["4:20 E104"]),
        ("{steps: int,", "{steps: integer,", ["5:17 E103"]),
        ("[png, webp]", "[png, png]", ["5:30 E103"]),
        ("[png, webp]", "{png: 1}", ["5:30 E103"]),
        ("{steps: int,", "{model: text, steps: int,", ["5:10 E103"]),
        ("{steps: int,", "{'a b': text, steps: int,", ["5:10 E103"]),
        ("{steps: int,", "{seed: int, steps: int,", ["5:10 E103"]),
        ("as: [url]", "as: [upload]", ["6:28 E103"]),
        ("as: [url]", "as: []", ["6:27 E105"]),
        ("as: [url], ", "", ["6:22 E105"]),
        ("max: 1", "max: 0", ["6:39 E103"]),
        ("references: {", "references: {steps: {as: url}, ", ["6:14 E111"]),
        ("references: {", "references: {mask: {as: url}, ", ["6:14 E103"]),
        ("/v1/{{ model }}?v=1", "https://evil.example/x", ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", "//evil.example/x", ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", "/v1/../x", ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", "/v1//x", ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", '"/v1/x#y"', ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", '"/v1/a b"', ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", '"/v1/{{ model }"', ["8:9 E113"]),
        ("/v1/{{ model }}?v=1", '"/v1/\\u00e9"', ["8:9 E103"]),
        ("/v1/{{ model }}?v=1", "/v1/{{ modle }}", ["8:9 E502"]),
        ("/v1/{{ model }}?v=1", "/v1/{{ prompt }}", ["8:9 E502"]),
        ("/v1/{{ model }}?v=1", "/v1/{{ task_id }}", ["8:9 E502"]),
        ("{Idempotency-Key:", "{X-Api-Key:", ["9:13 E110"]),
        ("{Idempotency-Key:", "{x-key:", ["9:13 E110"]),
        ("{Idempotency-Key:", "{Host:", ["9:13 E103"]),
        ("{Idempotency-Key:", "{'a:b':", ["9:13 E103"]),
        ('"{{ key }}"', "abcdefghij0123456789", ["9:13 E110"]),
        ('"{{ key }}"', '"{{ key }"', ["9:30 E501"]),
        ('"{{ key }}"', '"{{ images }}"', ["9:30 E502"]),
        ("n: 1}", 'n: {a: ["{{ stesp }}"]}}', ["10:113 E502"]),
        ("n: 1}", 'n: "{{ steps.0 }}"}', ["10:108 E502"]),
        ("n: 1}", 'n: "{{ steps"}', ["10:108 E501"]),
        ('prompt: "{{ prompt }}", ', "", ["10:9 E105"]),
        ("  task_id: /id\n", "", ["8:3 E105", "11:1 E111"]),
        ("task_id: /id", "task_id: id", ["11:12 E103"]),
        ("task_id: /id", "task_id: /a~2", ["11:12 E103"]),
        ("task_id: /id", "task_id: /id\n  urls: /u", ["11:3 E111"]),
        ("tasks/{{ task_id }}", "tasks", ["13:9 E105"]),
        ("status: /status\n", "statsu: /status\n", ["13:3 E105", "14:3 E104"]),
        ("done: [ready]", "done: [Queued]", ["15:37 E103"]),
        ("done: [ready]", "done: []", ["15:36 E105"]),
        ("done: [ready], ", "", ["15:10 E105"]),
        ("done: [ready]", "done: [' ']", ["15:37 E103"]),
        ("done: [ready]", "finished: [ready]", ["15:10 E105", "15:30 E104"]),
        ("done: [ready]", "done: {ready: 1}", ["15:36 E103"]),
        ("  urls: /out/*/url\n", "", ["13:3 E105"]),
        ("errors:", "result: {path: '/r/{{ task_id }}', urls: /u}\nerrors:", ["17:1 E111"]),
        ("status: 403,", "status: 42,", ["17:19 E103"]),
        ("status: 403,", "status: [403, x],", ["17:25 E103"]),
        ("status: 403, matches: no money, ", "", ["17:10 E105"]),
        ("means: balance", "means: balanced", ["17:50 E103"]),
        (POLL, "", ["1:1 E105"]),
        (POLL, "poll: none\n", ["12:7 E103"]),
        (POLL, "poll: [a]\n", ["12:7 E103"]),
        ('headers: {Idempotency-Key: "{{ key }}"}', "headers: [a]", ["9:12 E103"]),
        (BODY, "body: text", ["10:9 E103"]),
        ("name: lab\n", "name: lab\nname: lab\n", ["3:1 E102"]),
        ("name: lab\n", "name: !x lab\n", ["2:7 E107"]),
    ],
)
def test_every_mistake_is_told_at_its_place(desk: Desk, old: str, new: str, expected: list[str]) -> None:
    """In the description's own file, and at the same place below the manifest's key when it stands there."""
    assert GOOD.count(old) == 1
    broken = GOOD.replace(old, new)

    found = places(desk, broken)

    assert [f"v.yaml:{place}" for place in expected] == found
    lines = [(int(line) + 9, int(column) + 4, code) for line, column, code in map(_split, expected)]
    assert {f"manifest.yaml:{line}:{column} {code}" for line, column, code in lines} == set(places(desk, "", inline(broken)))


def _split(place: str) -> tuple[str, str, str]:
    at, _, code = place.partition(" ")
    line, _, column = at.partition(":")
    return line, column, code


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (MANIFEST.replace("  vendor: v.yaml\n", ""), ["6:8 E105"]),
        (MANIFEST.replace("use: http", "use: jimmyai"), ["9:3 E111"]),
        (MANIFEST.replace("v.yaml", "nowhere.yaml"), ["9:11 E100"]),
        (MANIFEST.replace("v.yaml", "[a]"), ["9:11 E103"]),
        (MANIFEST.replace("use: http", "use: htpt"), None),
        (MANIFEST + "  prices: {lab/one: cheap}\n", ["10:21 E103"]),
    ],
)
def test_provider_and_description_must_fit(desk: Desk, manifest: str, expected: list[str] | None) -> None:
    """``use: http`` needs a description, and nothing else takes one."""
    found = places(desk, GOOD, manifest)

    if expected is None:
        assert "manifest.yaml:6:8 E103" in found
    else:
        assert [f"manifest.yaml:{place}" for place in expected] == [place for place in found if not place.endswith(("E104", "W401"))]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("", "v.yaml:1:1 E101"),
        ("- a\n", "v.yaml:1:1 E103"),
        ("vendor: [\n", "v.yaml:2:1 E101"),
        (GOOD + "#" * MAX_BYTES, "v.yaml:1:1 E108"),
        (GOOD + "cost: sk-0123456789abcdef\n", "v.yaml:18:7 E110"),
    ],
)
def test_a_file_that_is_no_description_is_refused(desk: Desk, description: str, expected: str) -> None:
    """Empty, of another shape, not well-formed, too big, or with a key in it."""
    assert expected in places(desk, description)


def test_a_description_in_a_manifest_has_a_size_too(desk: Desk) -> None:
    """It is stored with every plan."""
    long = SYNC.replace('"a b"', f'"{"x" * MAX_BYTES}"')

    assert ["manifest.yaml:10:5 E108"] == places(desk, "", inline(long))


def test_the_words_help(desk: Desk) -> None:
    """A near miss names what was meant."""
    with pytest.raises(ManifestError) as caught:
        plan(desk, GOOD.replace("status: /status", "statsu: /status").replace("{{ format }}", "{{ fromat }}"))

    assert ["", "did you mean 'status'?"] == [problem.hint for problem in caught.value.problems]
    assert ["the key 'status' is missing", "unknown key 'statsu'"] == [problem.message for problem in caught.value.problems]


def test_no_message_quotes_a_key(desk: Desk) -> None:
    """Wherever it stands."""
    with pytest.raises(ManifestError) as caught:
        plan(desk, GOOD.replace('"{key}"', "sk-0123456789abcdef").replace("name: lab\n", "name: sk-0123456789abcdef\n"))

    assert "0123456789" not in str(caught.value)


def test_without_a_tree_there_is_no_description(tmp_path: Path) -> None:
    """A description that stands inline is read from the manifest's tree, for its places."""
    assert read_vendor({"vendor": "1"}, Findings("m.yaml"), tmp_path, shipped=None, taken=()) is None


@pytest.mark.parametrize(("name", "count"), [("fal.yaml", 4), ("replicate.yaml", 4)])
def test_a_shipped_manifest_of_a_described_vendor_plans_its_rows(name: str, count: int) -> None:
    """Without a warning, and with a price for every row."""
    found = load(MANIFESTS / name, rules_for=rules_for, environ={})

    assert (count, ()) == (found.total, found.warnings)
    assert {job.model for job in found.jobs()} == set(found.settings.provider.prices)


@pytest.mark.parametrize("path", sorted((MANIFESTS / "vendors").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_description_is_read(path: Path) -> None:
    """And is short."""
    findings = Findings("manifest.yaml")

    assert read_vendor(path.name, findings, path.parent, shipped=None, taken=()) is not None, findings.as_error()
    assert len(path.read_text().splitlines()) < 50


def test_the_schema_beside_the_descriptions_is_current() -> None:
    """Editors read it; each key carries its explanation."""
    schema = vendor_schema()

    assert schema == json.loads((MANIFESTS / "vendors/vendor.v1.schema.json").read_text())
    assert "as" in schema["$defs"]["Role"]["properties"]  # type: ignore[index] # a JSON schema is a tree of objects


@pytest.mark.parametrize("word", ["fal-queue", "replicate-predictions"])
def test_a_bare_word_names_a_shipped_description(desk: Desk, word: str) -> None:
    """Whoever installed the package need not look for the file."""
    path = desk.put("m.yaml", MANIFEST.replace("v.yaml", word).replace("lab/one, steps: 28", "owner/name"))

    plan = load(path, rules_for=rules_for, environ={}, vendors_dir=MANIFESTS / "vendors")

    assert plan.settings.provider.vendor is not None
    assert word == plan.settings.provider.vendor["name"]


def test_a_bare_word_that_is_not_shipped_is_located(desk: Desk) -> None:
    """The error says which there are, and that a file needs its ending."""
    path = desk.put("m.yaml", MANIFEST.replace("v.yaml", "fal-queu"))

    with pytest.raises(ManifestError) as caught:
        load(path, rules_for=rules_for, environ={}, vendors_dir=MANIFESTS / "vendors")

    (problem,) = caught.value.problems
    assert ("E103", 9, 11, "did you mean 'fal-queue'?") == (problem.code, problem.line, problem.column, problem.hint)
