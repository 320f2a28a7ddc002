"""Hostile manifests: secrets, addresses, reference files, templates."""

import os
from pathlib import Path

import pytest

from batchgen.planning.provider import base_url
from batchgen.planning.references import MAX_BYTES
from batchgen.planning.templates import TemplateOutputError, TemplateRefusedError, Text
from tests.support.manifests import Desk

PNG = b"\x89PNG\r\n\x1a\n"
CANARY = "sk-canary0123456789canary"


@pytest.mark.parametrize(
    "section",
    [
        f"provider: {{api_key: {CANARY}}}",
        f"provider: {{api_key_env: {CANARY}}}",
        "provider: {api_key_env: AIzaSyCanary0123456789}",
        f"provider: {{Authorization: Bearer {CANARY}}}",
        f"provider: {{base_url: 'https://x.example/{CANARY}'}}",
        f"provider: {{use: {CANARY}}}",
        f"provider: {{sim: {{seed: {CANARY}}}}}",
        f"notify: [{{command: [curl, '{CANARY}']}}]",
        f"metadata: {{key: {CANARY}}}",
        f"tags: [{CANARY}]",
    ],
)
def test_a_key_in_the_manifest_is_refused_and_never_quoted(desk: Desk, section: str) -> None:
    """The problem says where it stands, and nothing says what it is."""
    problems = desk.problems(f"prompts: [a]\n{section}\n")

    assert "E110" in [problem.code for problem in problems]
    assert not any("canary" in str(problem).casefold() for problem in problems)


def test_a_key_that_a_variable_brings_into_an_address_is_not_quoted(desk: Desk) -> None:
    """An address that cannot be used is not shown."""
    body = 'prompts: [a]\nprovider: {base_url: "https://x:${KEY}@example.org"}\n'

    problems = desk.problems(body, environ={"KEY": CANARY})

    assert [problem.code for problem in problems] == ["E110"]
    assert "canary" not in str(problems[0])


def test_a_name_of_a_variable_must_be_one(desk: Desk) -> None:
    """Not a sentence."""
    assert desk.places("prompts: [a]\nprovider: {api_key_env: MY KEY}\n") == ["5:25 E103"]


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.org",
        "ftp://api.example.org",
        "https://",
        "https://user@api.example.org",
        "https://api.example.org/?x=1",
        "https://api.example.org/#x",
        "https://api.example.org:port/",
        "https://[::1",
        "https://api.example.org/a b",
        "https://bücher.example",
        "https://api.example.org/" + "x" * 3000,
        "http://127.0.0.1.evil.example",
    ],
)
def test_an_address_must_be_safe(address: str) -> None:
    """Https anywhere, http on loopback only, nothing but host, port and path."""
    with pytest.raises(ValueError, match=r"address|http"):
        base_url(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_loopback_may_be_plain(host: str) -> None:
    """A simulator or a test server needs no certificate."""
    assert base_url(f"http://{host}:8080/api/") == f"http://{host}:8080/api"


def test_references_outside_or_behind_links_are_refused(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is read that a symbolic link, a FIFO, a device or a parent folder leads to."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.png").write_bytes(PNG)
    (desk.folder / "link.png").symlink_to(outside / "x.png")
    (desk.folder / "folder").symlink_to(outside)
    os.mkfifo(desk.folder / "fifo.png")
    desk.put("big.png", PNG + b"\0" * MAX_BYTES)
    desk.put("text.png", b"no image")
    paths = ["link.png", "folder/x.png", "fifo.png", "big.png", "text.png", ".", "/dev/zero", "~/.ssh/id_rsa", "../x.png", "none.png"]
    references = "".join(f"  r{number}: {{path: {path}}}\n" for number, path in enumerate(paths))

    problems = desk.problems(f"prompts: [a]\nreferences:\n{references}")

    assert [problem.code for problem in problems] == ["E207"] * len(paths)


@pytest.mark.parametrize("content", [PNG, b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 "])
def test_a_regular_image_below_the_manifest_is_accepted(desk: Desk, content: bytes) -> None:
    """PNG, JPEG or WebP, also when the manifest's own folder is reached through a link."""
    desk.put("refs/a.img", content)

    plan = desk.plan("references: {a: {path: refs/../refs/a.img}}\nprompts: [a]\n")

    assert Path(plan.settings.references["a"].path or "").name == "a.img"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://user:pw@example.com/a.png",
        "https://example.com:8443/a.png",
        "https://example.com:x/a.png",
        "https://169.254.169.254/a.png",
        "https://[::1]/a.png",
        "https://localhost/a.png",
        "https://2130706433/a.png",
        "https://127.1/a.png",
        "https://exa mple.com/a.png",
        "file:///etc/passwd",
        "https:///a.png",
    ],
)
def test_an_address_of_a_reference_must_be_public(desk: Desk, url: str) -> None:
    """Plain https to a public host."""
    problems = desk.problems(f"references: {{a: {{url: '{url}'}}}}\nprompts: [a]\n")

    assert [problem.code for problem in problems] == ["E207"]


def test_a_public_address_is_accepted(desk: Desk) -> None:
    """Also as a number."""
    plan = desk.plan('references: {a: {url: "https://1.1.1.1/a.png"}, b: {url: "https://example.com/b"}}\nprompts: [a]\n')

    assert set(plan.settings.references) == {"a", "b"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ a['b'] }}",
        "{{ a.b }}",
        "{{ a() }}",
        "{{ 'x' * 10**9 }}",
        "{{ 9 }}",
        "{{ range(10**9) }}",
        "{% for i in a %}{% endfor %}",
        "{# comment #}",
        "{{ a | center(1000000000) }}",
        "{{ a | upper(1) }}",
        "{{ a | replace('', 'x') }}",
        "{{ a | replace(a, 'x') }}",
        "{{ a | replace('x') }}",
        "{{ a if a else a }}",
        "{{ a ~ a }}",
        "{{ a",
        "{{ }}",
        "{{" + "(" * 5000,
    ],
)
def test_a_template_holds_variables_and_simple_filters_only(template: str) -> None:
    """Whatever could run, reach or grow is refused when it is read."""
    with pytest.raises(TemplateRefusedError):
        Text(template)


def test_simple_filters_work() -> None:
    """Case, trimming and replacing, and line ends at the end stay."""
    text = Text("{{ a | upper }}-{{ a | replace('x', 'y') | trim | title }}\n")

    assert text.render({"a": " x "}) == " X -Y\n"
    assert text.variables == {"a"}


def test_a_result_has_a_bound() -> None:
    """Also inside a chain of filters."""
    with pytest.raises(TemplateOutputError):
        Text("{{ a }}").render({"a": "é" * 20_000})
    with pytest.raises(TemplateOutputError):
        Text("{{ a | replace('x', '" + "y" * 1000 + "') }}").render({"a": "x" * 1000})
    assert len(Text("{{ a }}").render({"a": "x" * 20_000})) == 20_000


def test_a_variable_that_holds_a_key_is_refused_where_its_name_was_meant(desk: Desk) -> None:
    """``api_key_env: ${KEY}`` is a slip that would store the key with the plan."""
    problems = desk.problems("prompts: [a]\nprovider: {api_key_env: '${KEY}'}\n", environ={"KEY": CANARY})

    assert [problem.code for problem in problems] == ["E110"]
    assert "canary" not in str(problems[0])


@pytest.mark.parametrize("body", ["prompts: [a]\nlimits: {deadline: %s}\n", "prompts: [a]\n%s: 1\n"])
def test_a_key_in_an_unexpected_place_is_not_quoted(desk: Desk, body: str) -> None:
    """Whatever the message is about, it never shows what looks like a key."""
    problems = desk.problems(body % CANARY)

    assert problems
    assert not any("canary" in str(problem) for problem in problems)


@pytest.mark.parametrize("count", [60, 200, 5000])
def test_a_chain_of_filters_is_refused(desk: Desk, count: int) -> None:
    """No parser is driven out of its depth."""
    problems = desk.problems("prompts:\n- {template: '{{ a%s }}', vars: {a: [x]}}\n" % ("|upper" * count))

    assert [problem.code for problem in problems] == ["E501"]


@pytest.mark.parametrize("path", ["p/" * 3_000 + "a.txt", "p/" * 3_000 + "*.txt", "a" * 300 + ".txt", "a" * 300 + "*.txt"])
def test_a_path_that_is_too_long_is_a_problem_of_its_line(desk: Desk, path: str) -> None:
    """Prompt files, and the folder of the references: no system can open them, and none of the questions about them raises."""
    assert desk.places(f"prompts: [{{file: '{path}'}}]\n") == ["4:18 E201"]
    assert "E207" in "".join(desk.places(f"prompts: [a]\nreferences_root: '{path}'\n"))
