"""Output names: unique, safe everywhere, never outside their folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.states import State
from batchgen.planning.naming import Namer, component, slug

KEY = "0123456789abcdef0123456789abcdef"
TEMPLATE = "{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}"


def job(*, prompt: str = "a fox", prompt_id: str = "p1", key: str = KEY, label: str = "Arts") -> Job:
    """Build a job."""
    return Job(
        id=JobId(1),
        key=JobKey(key),
        batch_id=1,
        sweep="lettering",
        prompt_id=prompt_id,
        prompt=prompt,
        operation="image",
        model="gpt-image-2",
        params={"model": "gpt-image-2", "ratio": "16:9"},
        labels={"category": label},
        references=(),
        cell="gpt-image-2_16x9",
        sample=2,
        position=0,
        state=State.PLANNED,
        version=0,
    )


def test_a_name_is_made_from_the_template() -> None:
    """The default template gives sweep, prompt, cell, sample and the short key."""
    assert Namer(TEMPLATE, batch="b").stem(job()) == "lettering/p1/gpt-image-2_16x9_s2_01234567"


def test_parameters_and_labels_are_variables() -> None:
    """Also the batch, the operation, the model, the whole key, and a word for what a row does not have."""
    namer = Namer("{{ batch }}/{{ operation }}/{{ category }}/{{ ratio }}-{{ quality }}-{{ model }}-{{ key }}", batch="my batch")

    assert namer.stem(job()) == f"my-batch/image/Arts/16x9-none-gpt-image-2-{KEY}"


def test_a_short_key_is_always_part_of_the_name() -> None:
    """It is appended when the template leaves it out, and kept when a component is cut."""
    assert Namer("{{ prompt }}", batch="b").stem(job()) == "a-fox_01234567"
    long = Namer("{{ prompt }}{{ prompt }}_{{ key8 }}", batch="b").stem(job(prompt="画" * 300))
    assert long.endswith("_01234567")
    assert len(long.encode()) <= 180


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("..", "_"),
        ("..\\..\\x", "x"),
        ("../../etc/passwd", "etc-passwd"),
        ("%2e%2e/", "2e-2e"),
        ("a\u2215b", "a-b"),
        ("a\u202eb", "a-b"),
        ("-rf", "rf"),
        ("16:9", "16x9"),
        ("e\u0301", "é"),
        ("नमस्ते", "नमस्ते"),
        ("\x1b]52;", "52"),
        ("trail. ", "trail"),
        ("", "_"),
        ("x" * 500, "x" * 100),
        ("画" * 60, "画" * 33),
    ],
)
def test_a_value_becomes_a_slug(value: str, expected: str) -> None:
    """Only letters, digits, marks, dots, dashes and underscores stay, on a character boundary."""
    assert expected == slug(value)


@given(prompt=st.text(max_size=300), prompt_id=st.text(max_size=50), label=st.text(max_size=50))
def test_no_value_can_break_a_name(prompt: str, prompt_id: str, label: str) -> None:
    """Whatever stands in a row, every component is safe, short, and not hidden."""
    stem = Namer("{{ category }}/{{ prompt_id }}/{{ prompt }}", batch="b").stem(job(prompt=prompt, prompt_id=prompt_id, label=label))

    parts = stem.split("/")
    assert len(parts) == 3
    for part in parts:
        assert part == component(part)
        assert 0 < len(part.encode()) <= 180
        assert not part.startswith((".", "-"))
        assert not part.endswith((".", " "))
        assert part.isprintable()
    assert parts[-1].endswith("_01234567")
