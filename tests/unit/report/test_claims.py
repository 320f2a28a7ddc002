"""What is claimed of a vendor, what is not, and in which words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from batchgen.report.claims import Claim, claims_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A look at a picture; nothing but what claims read of it."""

    problem: str = ""
    width: int = 1024
    height: int = 1024
    media_type: str = "image/png"
    dhash: int | None = None
    is_blank: bool = False


def row(key: str = "k1", *, prompt: str = "a fox", model: str = "gpt-image-2", **changes: object) -> dict[str, object]:
    """Build a saved job as ``v_jobs`` shows it; what is no column is a parameter."""
    columns = {
        "key": key,
        "operation": "image",
        "model": model,
        "prompt": prompt,
        "refs": "[]",
        "task_id": f"task_{key}",
        "path": f"{key}.png",
        "sha256": f"hash of {key}",
        "width": 1024,
        "height": 1024,
    }
    params = {name: value for name, value in changes.items() if name not in columns}
    return {**columns, **{name: value for name, value in changes.items() if name in columns}, "params": params}


def claims(*pairs: tuple[Mapping[str, object], Seen], ratios: Mapping[str, Sequence[str]] | None = None) -> list[Claim]:
    """Compare rows with looks."""
    return claims_of([one for one, _ in pairs], {str(one["key"]): seen for one, seen in pairs}, ratios=ratios or {})


def kinds(*pairs: tuple[Mapping[str, object], Seen]) -> list[tuple[str, tuple[str, ...]]]:
    """List the claims by kind and keys."""
    return [(claim.kind, claim.keys) for claim in claims(*pairs)]


# --- shape and size ---


@pytest.mark.parametrize(
    ("order", "width", "height"),
    [
        pytest.param({"ratio": "16:9"}, 1024, 1024, id="square for wide"),
        pytest.param({"ratio": "9:16"}, 1344, 768, id="on its side"),
        pytest.param({"aspect_ratio": "4:3"}, 1200, 800, id="the vendor's other name"),
        pytest.param({"ratio": "19.5:9"}, 2000, 1000, id="with a point"),
        pytest.param({"size": "1536x1024"}, 1024, 1024, id="pixels"),
        pytest.param({"ratio": "1600x1200"}, 1600, 900, id="pixels for a ratio"),
        pytest.param({"ratio": "1:1"}, 1000, 1021, id="just over 2 %"),
        pytest.param({"ratio": "5:4"}, 1184, 864, id="on the grid, the next ratio"),
        pytest.param({"ratio": "5:4"}, 320, 224, id="on the grid, but small"),
    ],
)
def test_wrong_ratio_is_claimed(order: dict[str, str], width: int, height: int) -> None:
    """Whatever the parameter is called; and the size is not claimed beside it."""
    assert [("wrong_ratio", ("k1",))] == kinds((row(**order), Seen(width=width, height=height)))


@pytest.mark.parametrize(
    ("order", "width", "height"),
    [
        pytest.param({"ratio": "16:9"}, 1344, 756, id="exact"),
        pytest.param({"ratio": "1:1"}, 1000, 1019, id="just under 2 %"),
        pytest.param({"ratio": "4:3"}, 1184, 864, id="the nearest on a grid of 32"),
        pytest.param({"ratio": "21:9"}, 1536, 672, id="the nearest on a grid of 32, wide"),
        pytest.param({"ratio": "auto"}, 1000, 300, id="auto"),
        pytest.param({"size": "auto"}, 1000, 300, id="auto for a size"),
        pytest.param({"ratio": "0:9"}, 1000, 300, id="none that could be"),
        pytest.param({"ratio": "9:0"}, 1000, 300, id="none that could be either"),
        pytest.param({"ratio": "wide"}, 1000, 300, id="a word"),
        pytest.param({"quality": "high", "resolution": "4k"}, 64, 64, id="neither says pixels"),
        pytest.param({"size": "1600x1200"}, 1600, 1200, id="pixels"),
        pytest.param({"target_resolution": "1080p", "operating_resolution": "1024x1024"}, 640, 480, id="what a tool works at"),
    ],
)
def test_what_came_as_ordered_or_was_ordered_with_doubt_is_not_claimed(order: dict[str, str], width: int, height: int) -> None:
    """A claim that is none would cost the others their trust."""
    assert [] == kinds((row(**order), Seen(width=width, height=height)))


def test_wrong_ratio_says_what_was_ordered_and_what_came() -> None:
    """In one sentence, with the vendor's id."""
    sentence = "16:9 was ordered of gpt-image-2 and 1024x1024 pixels came, which is 1.00:1 instead of 1.78:1"

    expected = Claim(kind="wrong_ratio", keys=("k1",), task_ids=("task_k1",), sentence=sentence)
    assert [expected] == claims((row(ratio="16:9"), Seen()))


def test_ratio_that_a_model_is_known_to_replace_is_not_claimed() -> None:
    """Pixels are still claimed, and so is a ratio that it takes, and every ratio of other models."""
    ratios = {"old": ("1:1", "3:2"), "bare": ()}
    pairs = [
        (row("k1", model="old", ratio="16:9"), Seen(width=1536, height=1024)),
        (row("k2", model="old", ratio="3:2"), Seen()),
        (row("k3", model="old", size="1536x1024"), Seen()),
        (row("k4", model="new", ratio="16:9"), Seen(width=1536, height=1024)),
        (row("k5", model="bare", ratio="16:9"), Seen(width=1536, height=1024)),
    ]

    assert [("k2",), ("k3",), ("k4",), ("k5",)] == [claim.keys for claim in claims(*pairs, ratios=ratios)]


def test_wrong_size_at_the_right_ratio_is_claimed() -> None:
    """Exact pixels are exact."""
    [claim] = claims((row(size="1024x1024"), Seen(width=512, height=512)))

    assert ("wrong_size", "1024x1024 pixels were ordered of gpt-image-2 and 512x512 came") == (claim.kind, claim.sentence)


def test_higher_resolution_that_brings_no_more_pixels_than_a_lower_is_claimed() -> None:
    """What the same model delivers for the lower one, at the same ratio, is the measure."""
    small, large = Seen(), Seen(width=2048, height=2048)
    usual = [(row(f"low{number}", ratio="1:1", resolution="1k"), small) for number in range(3)]
    odd = (row("odd", ratio="1:1", resolution="1k"), large)
    good, bad = (row("good", ratio="1:1", resolution="2k"), large), (row("bad", ratio="1:1", resolution="2K"), small)

    [claim] = claims(*usual, odd, good, bad)

    assert ("wrong_size", ("bad",)) == (claim.kind, claim.keys)
    expected = "2K at 1:1 was ordered of gpt-image-2 and 1024x1024 pixels came, no more than it usually delivers for 1k"
    assert expected == claim.sentence


@pytest.mark.parametrize(
    "other",
    [
        {"ratio": "1:1", "resolution": "1k", "model": "another"},
        {"ratio": "1:1", "resolution": "1k", "operation": "edit"},
        {"ratio": "2:2", "resolution": "1k"},
        {"ratio": "1:1", "resolution": "720p"},
        {"ratio": "1:1", "resolution": "large"},
        {"ratio": "auto", "resolution": "1k"},
        {"resolution": "1k"},
    ],
)
def test_resolutions_are_compared_within_one_model_and_ratio_only(other: dict[str, str]) -> None:
    """And only with those of the same scale."""
    assert [] == kinds((row("k1", ratio="1:1", resolution="2k"), Seen()), (row("k2", **other), Seen(width=1024)))


def test_size_is_that_of_the_row_where_there_is_no_look() -> None:
    """A file that is gone was still measured when it came."""
    gone = Seen(problem="missing", width=0, height=0, media_type="")

    assert [("wrong_ratio", ("k1",)), ("missing", ("k1",))] == kinds((row(ratio="16:9"), gone))
    assert [("missing", ("k1",))] == kinds((row(ratio="16:9", width=None, height=None), gone))


def test_video_has_a_shape_too() -> None:
    """Its container tells it."""
    assert [("wrong_ratio", ("k1",))] == kinds((row(ratio="16:9"), Seen(problem="video", media_type="video/mp4")))


# --- format ---


@pytest.mark.parametrize(
    ("ordered", "came", "is_claimed"),
    [
        ("png", "image/png", False),
        ("jpg", "image/jpeg", False),
        ("JPEG", "image/jpeg", False),
        ("webp", "image/png", True),
        ("jpeg", "image/webp", True),
        ("auto", "image/png", False),
        ("png", "", False),
    ],
)
def test_other_format_than_the_ordered_is_claimed(ordered: str, came: str, is_claimed: bool) -> None:
    """As far as the order is one and the file was looked at."""
    found = claims((row(output_format=ordered), Seen(media_type=came)))

    assert [f"{ordered} was ordered of gpt-image-2 and {came[6:]} came"] * is_claimed == [claim.sentence for claim in found]


# --- what the pictures show ---


def test_blank_pictures_are_claimed_once_each() -> None:
    """They are not also duplicates of each other, of the same bytes or nearly."""
    blank = Seen(is_blank=True)
    rows = [row(key, prompt=key, sha256=sha256) for key, sha256 in (("k1", "x"), ("k2", "x"), ("k3", "y"))]

    assert [("blank", (key,)) for key in ("k1", "k2", "k3")] == kinds(*((one, blank) for one in rows))


def test_same_file_for_different_jobs_is_a_duplicate_and_nothing_more() -> None:
    """Across models too; the sentence tells samples of one prompt from different orders."""
    seen = Seen(dhash=7)
    samples = [(row(key, sha256="x"), seen) for key in ("k1", "k2")]
    other = (row("k3", sha256="x", model="nano-banana-2", prompt="a heron"), seen)

    [alone], [crossed] = claims(*samples), claims(*samples, other)

    assert ("duplicate", ("k1", "k2"), ("task_k1", "task_k2")) == (alone.kind, alone.keys, alone.task_ids)
    beginning = "2 samples of one prompt were ordered of gpt-image-2 and the same file came for all of them"
    assert f"{beginning}, byte for byte" == alone.sentence
    assert ("k1", "k2", "k3") == crossed.keys
    assert crossed.sentence.startswith(
        "3 pictures of different prompts or parameters were ordered of gpt-image-2 and nano-banana-2 and the"
    )


@pytest.mark.parametrize("change", [{"prompt": "a heron"}, {"ratio": "1:1"}, {"refs": '[{"sha256": "1"}]'}, {"operation": "edit"}])
def test_pictures_that_look_alike_for_different_orders_are_claimed(change: dict[str, str]) -> None:
    """Whether prompt, parameter, reference or operation differs."""
    [claim] = claims((row("k1"), Seen(dhash=0b1111)), (row("k2", **change), Seen(dhash=0)))

    assert ("near_duplicate", ("k1", "k2")) == (claim.kind, claim.keys)
    beginning = "2 pictures of different prompts or parameters were ordered of gpt-image-2 and pictures came that look alike"
    assert f"{beginning}, each like another one of them" == claim.sentence


def test_samples_that_look_alike_are_said_to_be_samples() -> None:
    """That may be what was wanted."""
    [claim] = claims((row("k1"), Seen(dhash=1)), (row("k2"), Seen(dhash=1)))

    assert claim.sentence.startswith("2 samples of one prompt were ordered")


def test_pictures_of_two_models_or_that_differ_in_five_bits_are_not_alike() -> None:
    """Two models may have been asked for the same."""
    assert [] == kinds((row("k1"), Seen(dhash=0)), (row("k2", model="nano-banana-2"), Seen(dhash=0)), (row("k3"), Seen(dhash=31)))


def test_group_that_looks_alike_holds_its_exact_duplicates_too() -> None:
    """Jobs stand in it in the order of the rows."""
    pairs = [(row(key, prompt=key, sha256=sha), Seen(dhash=hash_)) for key, sha, hash_ in (("k1", "x", 0), ("k2", "y", 1), ("k3", "x", 0))]

    assert [("duplicate", ("k1", "k3")), ("near_duplicate", ("k1", "k2", "k3"))] == kinds(*pairs)


# --- files ---


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            "missing",
            "a picture was saved as k1.png and the file is not there any more; that is a matter of the disk here, not of the vendor",
        ),
        (
            "changed",
            "a picture was saved as k1.png and the file holds other bytes now; that is a matter of the disk here, not of the vendor",
        ),
        ("not_decodable", "a picture was ordered of gpt-image-2 and k1.png came, which does not decode within the limits"),
    ],
)
def test_file_that_cannot_be_shown_is_told(problem: str, sentence: str) -> None:
    """And whose matter that is."""
    [claim] = claims((row(), Seen(problem=problem, width=0, height=0, media_type="")))

    assert (problem, sentence) == (claim.kind, claim.sentence)


def test_files_that_are_not_here_are_no_duplicates() -> None:
    """What they hold now is not known."""
    gone = Seen(problem="missing", width=0, height=0, media_type="", dhash=1)

    assert [("missing", ("k1",)), ("missing", ("k2",))] == kinds((row("k1", sha256="x"), gone), (row("k2", sha256="x"), gone))


def test_job_without_a_look_or_a_task_is_passed_over() -> None:
    """A row that is not saved has no look; an order that was answered at once may have no task."""
    rows = [row("k1", ratio="16:9"), row("k2", ratio="16:9", task_id=None)]

    assert [((("k2",), ()))] == [(claim.keys, claim.task_ids) for claim in claims_of(rows, {"k2": Seen()})]
