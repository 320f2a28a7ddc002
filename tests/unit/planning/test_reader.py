"""The YAML reader: texts with places, and nothing resolved."""

import pytest

from batchgen.planning.reader import Node, Null, read


def problems(source: str | bytes) -> list[tuple[str, int, int]]:
    """Read, and give what was reported."""
    found: list[tuple[str, int, int]] = []

    def report(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        found.append((code, line, column))

    read(source if isinstance(source, bytes) else source.encode(), report)
    return found


def tree(source: str) -> Node:
    """Read something that is fine."""
    assert problems(source) == []
    node = read(source.encode(), lambda *_, **__: None)
    assert node is not None
    return node


def test_no_scalar_is_resolved() -> None:
    """What YAML 1.1 would turn into numbers, dates and booleans stays text."""
    words = ["16:9", "1:1", "no", "on", "010", "1e3", "2026-11-22", "1_0", ".nan", "0x1f", "true"]

    assert tree("\n".join(f"- {word}" for word in words)).plain() == words
    assert tree(f"[{', '.join(words)}]").plain() == words


def test_nulls_are_marked_as_written() -> None:
    """A plain null is told from the text, a quoted one is text."""
    values = tree("- null\n- ~\n-\n- 'null'\n- !!str null\n").value

    assert isinstance(values, list)
    assert [isinstance(node.value, Null) for node in values] == [True, True, True, False, False]


def test_places_count_characters_from_one() -> None:
    """Keys and values have their own places, also after a byte order mark and wide letters."""
    node = tree("\ufeffa: x\nü画: [é, {b: y}]\n")

    assert node.place(("a",)) == (1, 4)
    assert node.place(("ü画",), on_key=True) == (2, 1)
    assert node.place(("ü画", 1, "b")) == (2, 13)
    assert node.place(("ü画", 7)) == (2, 5)
    assert node.place((), on_key=True) == (1, 1)
    assert node.find(("ü画", 0, "c")) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a: {b: *x}", [("E106", 1, 8)]),
        ("- *x\n- y", [("E106", 1, 3)]),
        ("*x", [("E106", 1, 1)]),
        ("*x : y", [("E106", 1, 1)]),
        ("? [a]\n: b\nc: d", [("E103", 1, 3)]),
        ("? {a: b}\n: *c\nd: e", [("E106", 2, 3), ("E103", 1, 3)]),
        ("a: 1\na: 2\na: 3", [("E102", 2, 1), ("E102", 3, 1)]),
        ("a: *x\na: 2", [("E106", 1, 4), ("E102", 2, 1)]),
        ("a: !<tag:example.org,2000:x> {b: c}", [("E107", 1, 4)]),
        ("a: !!python/name:os.system ''", [("E107", 1, 4)]),
        ("a: !!map {b: !!int 1}", []),
        (b"\xff\xfea\x00", [("E109", 1, 1)]),
        ("a: \u0007\u0008", [("E109", 1, 4), ("E109", 1, 5)]),
        ("a: \x7f", [("E109", 1, 4)]),
        ('a: "\\x00"', [("E109", 1, 4)]),
        ("", [("E101", 1, 1)]),
        ("a: 'x", [("E101", 1, 6)]),
        ("%YAML 1.2\n---\na: b\n", []),
    ],
)
def test_what_is_refused_is_located(source: str | bytes, expected: list[tuple[str, int, int]]) -> None:
    """Every refusal has its place, and reading goes on where it can."""
    assert expected == problems(source)


def test_dropping_a_node_leaves_the_rest() -> None:
    """A key is remembered as a gap, an item is gone, and a text has nothing to drop."""
    node = tree("a: [x, y]\nb: z\n")

    node.drop("b")
    node.walk(("a",))
    items = node.find(("a",))
    assert items is not None
    items.drop(0)
    items.drop("no index")
    Node("text", 1, 1).drop("x")

    assert node.plain() == {"a": ["y"]}
    assert node.gaps == {"b"}
