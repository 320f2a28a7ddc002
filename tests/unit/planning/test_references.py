"""Reference images: their roles, their facts, where they may lie, and how they travel."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from batchgen.api.dialects import dialect_for
from batchgen.core.dialects import ImageFacts, Reference, Way
from batchgen.core.errors import BadImageError, ManifestError
from batchgen.core.references import MAX_INLINE_BYTES, way_for
from batchgen.planning.loader import load
from batchgen.planning.settings import ReferenceSettings, RunSettings
from batchgen.planning.ways import stranded
from tests.support.manifests import Desk
from tests.support.rules import SmallRules

PNG = b"\x89PNG\r\n\x1a\n"
ALL: frozenset[Way] = frozenset({"url", "base64", "upload", "file"})


def measure(content: bytes) -> ImageFacts:
    """Take the last letter for what a decoder would find."""
    if content.endswith(b"?"):
        raise BadImageError("the picture ends too early", reason="truncated")
    return ImageFacts(media_type="image/png", bytes=len(content), width=4, height=3, has_alpha=content.endswith(b"a"))


def test_every_role_names_references(desk: Desk) -> None:
    """Images come first and unnamed, whatever the vendor's order of roles; their place is part of the identity of the others."""
    desk.put("a.png", PNG + b"a")
    desk.put("b.png", PNG + b"b")
    head = "version: 1\nname: x\ndefaults: {model: gpt-image-2, operation: edit}\nreferences: {a: {path: a.png}, b: {path: b.png}}\n"

    job, swapped = desk.jobs("prompts: [{text: x, params: {mask: a, images: [b]}}, {text: x, params: {mask: b, images: a}}]\n", head=head)

    a, b = (hashlib.sha256(PNG + letter).hexdigest() for letter in (b"a", b"b"))
    assert json.loads(job.references) == [{"name": "b", "sha256": b}, {"name": "a", "sha256": a, "role": "mask"}]
    identity = f'["jimmyai","edit",{{"model":"gpt-image-2"}},"x",[{{"sha256":"{b}"}},{{"role":"mask","sha256":"{a}"}}],1,0]'
    assert hashlib.sha256(identity.encode()).hexdigest()[:32] == job.key != swapped.key
    assert job.params == '{"model":"gpt-image-2"}'


def test_a_grid_fans_any_role_out(desk: Desk) -> None:
    """A list inside the list is one row with several images, an empty one a row without."""
    body = (
        'operation: image\nreferences: {v: {url: "https://example.com/v"}, w: {url: "https://example.com/w"}}\n'
        "prompts: [x]\ngrid: {mask: [v, w, [v, w], []]}\n"
    )

    jobs = desk.jobs(body)

    assert [[(image["role"], image["name"]) for image in json.loads(job.references)] for job in jobs] == [
        [("mask", "v")],
        [("mask", "w")],
        [("mask", "v"), ("mask", "w")],
        [],
    ]
    assert [job.cell for job in jobs[:3]] == ["v", "w", "v-w"]


def test_images_are_measured_once_and_kept_with_the_plan(desk: Desk) -> None:
    """Each file once, addresses never; what was found survives the database."""
    desk.put("a.png", PNG + b"a")
    seen: list[bytes] = []
    body = (
        'references: {a: {path: a.png}, w: {url: "https://example.com/w"}}\nprompts: [x, y]\ngrid: {images: [a, w], quality: [low, high]}\n'
    )

    plan = desk.plan(body, measure=lambda content: seen.append(content) or measure(content))

    assert seen == [PNG + b"a"]
    facts = ImageFacts(media_type="image/png", bytes=9, width=4, height=3, has_alpha=True)
    again = RunSettings.from_json(plan.settings.to_json())
    assert again == plan.settings
    assert (facts, None) == (again.references["a"].facts, again.references["w"].facts)


def test_settings_of_earlier_versions_are_read() -> None:
    """A stored reference without facts has none."""
    stored = ReferenceSettings.model_validate_json('{"path":"/x/a.png","sha256":"00","url":null,"send":"auto"}')

    assert (stored.path, stored.facts) == ("/x/a.png", None)


def test_facts_reach_the_rules(desk: Desk) -> None:
    """A mask that cannot be transparent is refused where it is named; without a measure nobody knows."""
    desk.put("a.png", PNG + b"a")
    desk.put("b.png", PNG + b"b")
    body = "operation: edit\nreferences: {a: {path: a.png}, b: {path: b.png}}\nprompts: [x]\ngrid: {mask: [a, b]}\n"

    problems = desk.problems(body, measure=measure)

    assert [(p.line, p.column, p.code) for p in problems] == [(7, 18, "E401")]
    assert "the mask 'b' has no transparency" in problems[0].message
    assert desk.plan(body).total == 2
    assert desk.plan(f"{body}invalid_cells: skip\n", measure=measure).total == 1


def test_an_image_that_does_not_decode_is_refused(desk: Desk) -> None:
    """With the reason, and nothing is concluded from its absence."""
    desk.put("a.png", PNG + b"?")

    problems = desk.problems("references: {a: {path: a.png}}\nprompts: [{text: x, params: {images: a}}]\n", measure=measure)

    assert [(p.line, p.column, p.code) for p in problems] == [(4, 24, "E207")]
    assert problems[0].message == "the reference 'a' cannot be decoded: the picture ends too early"


def test_references_may_lie_below_a_further_folder(desk: Desk) -> None:
    """Relative to the manifest, or absolute; paths of references stay relative to the manifest."""
    desk.put("shared/refs/a.png", PNG)
    desk.put("own/b.png", PNG)
    for root in ("../shared", str(desk.folder / "shared"), "../shared/refs/.."):
        desk.put(
            "own/m.yaml",
            f"version: 1\nname: x\ndefaults: {{model: gpt-image-2}}\nreferences_root: {root}\nprompts: [x]\n"
            "references: {a: {path: ../shared/refs/a.png}, b: {path: b.png}}\n",
        )
        inner = Desk(desk.folder / "own")

        plan = inner.plan((inner.folder / "m.yaml").read_text(), head="")

        assert plan.settings.references["a"].path == (desk.folder / "shared/refs/a.png").as_posix()


def test_a_further_folder_opens_no_other_door(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Links on the way, pipes, devices, files of the system and what is no image are refused there too, without waiting."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.png").write_bytes(PNG)
    root = tmp_path_factory.mktemp("root")
    (root / "link.png").symlink_to(outside / "x.png")
    (root / "folder").symlink_to(outside)
    (root / "inner").mkdir()
    (root / "up.png").symlink_to(root / "inner")
    os.mkfifo(root / "fifo.png")
    (root / "environ").symlink_to("/proc/self/environ")
    (root / "text.png").write_bytes(b"no image")
    names = ["link.png", "folder/x.png", "up.png", "fifo.png", "environ", "text.png", "inner", ".", "none.png"]
    paths = [*(str(root / name) for name in names), str(outside / "x.png"), "/dev/zero", "/proc/self/environ"]
    references = "".join(f"  r{number}: {{path: {path}}}\n" for number, path in enumerate(paths))

    problems = desk.problems(f"prompts: [a]\nreferences_root: {root}\nreferences:\n{references}")

    assert [problem.code for problem in problems] == ["E207"] * len(paths)


def test_the_whole_disk_as_a_folder_still_gives_images_only(desk: Desk) -> None:
    """Devices and processes have nothing to read that would pass."""
    paths = ["/dev/zero", "/proc/self/environ", f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/mem", "/etc/passwd"]
    references = "".join(f"  r{number}: {{path: {path}}}\n" for number, path in enumerate(paths))

    problems = desk.problems(f"prompts: [a]\nreferences_root: /\nreferences:\n{references}", measure=measure)

    assert [problem.code for problem in problems] == ["E207"] * len(paths)


def test_a_link_is_no_further_folder(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither itself nor on the way to it."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.png").write_bytes(PNG)
    (outside / "inner").mkdir()
    (desk.folder / "root").symlink_to(outside)

    for root in ("root", "root/inner"):
        problems = desk.problems(f"references_root: {root}\nprompts: [a]\n")

        assert [(p.line, p.column, p.code) for p in problems] == [(4, 18, "E207")]
        assert "symbolic link" in problems[0].message


def test_the_folder_of_the_manifest_may_be_reached_through_a_link(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What it is called is its owner's affair; what is named inside of it is not."""
    desk.put("a.png", PNG)
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(desk.folder)

    plan = Desk(link).plan("references: {a: {path: a.png}}\nprompts: [a]\n")

    assert Path(plan.settings.references["a"].path or "").name == "a.png"


@pytest.mark.parametrize(
    ("is_address", "send", "ways", "size_bytes", "way"),
    [
        (True, "auto", ALL, None, "url"),
        (True, "upload", {"base64", "upload", "file"}, None, None),
        (False, "auto", ALL, 1, "file"),
        (False, "base64", ALL, 1, "file"),
        (False, "upload", {"file"}, 1, "file"),
        (False, "auto", {"url", "base64", "upload"}, MAX_INLINE_BYTES, "base64"),
        (False, "auto", {"url", "base64", "upload"}, MAX_INLINE_BYTES + 1, "upload"),
        (False, "auto", {"url", "base64", "upload"}, None, "upload"),
        (False, "auto", {"base64"}, MAX_INLINE_BYTES + 1, "base64"),
        (False, "auto", {"upload"}, 1, "upload"),
        (False, "auto", {"url"}, 1, None),
        (False, "base64", {"url", "upload"}, 1, None),
        (False, "base64", {"base64", "upload"}, MAX_INLINE_BYTES + 1, "base64"),
        (False, "upload", {"base64", "upload"}, 1, "upload"),
        (False, "upload", {"base64"}, 1, None),
        (False, "auto", set(), 1, None),
    ],
)
def test_a_reference_has_one_way(*, is_address: bool, send: str, ways: set[Way], size_bytes: int | None, way: Way | None) -> None:
    """Addresses go as they are; files as parts of a form, then by their word or size."""
    assert way == way_for(is_address=is_address, send=send, ways=frozenset(ways), size_bytes=size_bytes)


class OneWay(SmallRules):
    """A vendor whose only operation knows some of the ways."""

    operations = ("draw",)

    def __init__(self, *ways: Way) -> None:
        self._ways: frozenset[Way] = frozenset(ways)

    def ways(self, operation: str) -> frozenset[Way]:
        """Give the ways that the test wants."""
        return self._ways if operation == "draw" else frozenset()


@pytest.mark.parametrize(
    ("declared", "ways", "message", "hint"),
    [
        (
            ReferenceSettings(url="https://example.com/w", send="auto"),
            ("base64", "upload"),
            "operation draw cannot take the address of the reference 'w'",
            "operation draw sends content, uploads: give the reference 'w' as a path",
        ),
        (
            ReferenceSettings(path="/w.png", sha256="0", send="auto"),
            ("url",),
            "operation draw cannot take the file of the reference 'w'",
            "operation draw sends addresses: give the reference 'w' as a url",
        ),
        (
            ReferenceSettings(path="/w.png", sha256="0", send="base64"),
            ("url", "upload"),
            "operation draw cannot take the reference 'w' by `send: base64`",
            "operation draw sends addresses, uploads: write `send: auto` for the reference 'w'",
        ),
        (ReferenceSettings(path="/w.png", sha256="0", send="auto"), (), "operation draw takes no reference images", "leave 'mask' out"),
    ],
)
def test_a_stranded_reference_is_told_with_what_would_do(
    declared: ReferenceSettings, ways: tuple[Way, ...], message: str, hint: str
) -> None:
    """The complaint is about the role that names it."""
    found = stranded([Reference(role="mask", name="w")], {"w": declared}, operation="draw", rules=OneWay(*ways))

    assert [(complaint.param, complaint.message, complaint.hint) for complaint in found] == [("mask", message, hint)]


EDIT = "version: 1\nname: x\noperation: edit\nreferences: {shoe: {path: a.png}}\nprompts: [a]\ndefaults: "


def problems(desk: Desk, manifest: str) -> list[tuple[int, int, str]]:
    """Give line, column and code of what the real vendor's rules make of a manifest."""
    desk.put("a.png", PNG)
    with pytest.raises(ManifestError) as caught:
        load(desk.put("m.yaml", manifest), rules_for=dialect_for, environ={})
    return [(problem.line, problem.column, problem.code) for problem in caught.value.problems]


def test_a_reference_that_does_not_exist_is_not_missed_a_second_time(desk: Desk) -> None:
    """The operation wants an image; that none is left says nothing beside the name that was not found."""
    assert [(6, 40, "E103")] == problems(desk, EDIT + "{model: gpt-image-2, images: shoo}\n")


def test_an_image_that_nobody_names_is_missed_at_the_operation(desk: Desk) -> None:
    """There is no value to point at, but the word that wants one."""
    assert [(3, 12, "E401")] == problems(desk, EDIT + "{model: gpt-image-2}\n")


def test_a_missing_model_is_named_by_its_operation(desk: Desk) -> None:
    """Whoever orders an edit is told a model that edits."""
    desk.put("a.png", PNG)

    with pytest.raises(ManifestError, match="such as gpt-image-2,"):
        load(desk.put("m.yaml", EDIT + "{images: shoe}\n"), rules_for=dialect_for, environ={})


def test_a_price_that_no_row_uses_is_told(desk: Desk) -> None:
    """A mistyped model would be ordered as if its price were unknown."""
    manifest = "version: 1\nname: x\nprompts: [a]\ndefaults: {model: gpt-image-2}\nprovider: {prices: {gpt-image-22: 1, gpt-image-2: 1}}\n"

    plan = load(desk.put("m.yaml", manifest), rules_for=dialect_for, environ={})

    assert [("W303", 5, "did you mean 'gpt-image-2'?")] == [(warning.code, warning.line, warning.hint) for warning in plan.warnings]
