"""What a reference image is, and which ones are refused before they are sent."""

import io

import pytest
from PIL import Image

from batchgen.core.dialects import ImageFacts
from batchgen.core.errors import BadImageError
from batchgen.files.inspector import Inspector
from batchgen.files.referencecheck import inspect_image
from tests.support.pictures import bomb, mp4, picture


def painted(mode: str, kind: str = "PNG", **options: object) -> bytes:
    """Encode a plain picture of a mode of Pillow's."""
    stream = io.BytesIO()
    Image.new(mode, (40, 30)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type", "has_alpha"),
    [
        pytest.param(painted("RGB"), "image/png", False, id="png"),
        pytest.param(painted("RGBA"), "image/png", True, id="png with alpha"),
        pytest.param(painted("LA"), "image/png", True, id="grey with alpha"),
        pytest.param(painted("P"), "image/png", False, id="palette"),
        pytest.param(painted("P", transparency=0), "image/png", True, id="palette with a transparent colour"),
        pytest.param(painted("RGB", transparency=(0, 0, 0)), "image/png", True, id="transparent colour"),
        pytest.param(picture("JPEG", size=(40, 30)), "image/jpeg", False, id="jpeg"),
        pytest.param(picture("WEBP"), "image/webp", False, id="webp"),
        pytest.param(painted("RGBA", "WEBP", lossless=True, exact=True), "image/webp", True, id="webp with alpha"),
    ],
)
def test_facts_come_from_the_content(content: bytes, media_type: str, has_alpha: bool, inspector: Inspector) -> None:
    """Type, sizes and transparency are what the bytes say."""
    facts = ImageFacts(media_type=media_type, bytes=len(content), width=40, height=30, has_alpha=has_alpha)

    assert facts == inspect_image(content, inspector)


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        pytest.param(b"", "wrong_type", "unknown data", id="nothing"),
        pytest.param(b"<svg/>", "wrong_type", "an SVG document", id="svg"),
        pytest.param(mp4(), "wrong_type", "an ISO media file", id="video"),
        pytest.param(picture("PNG")[:-20], "no_end_marker", "cut short", id="cut short"),
        pytest.param(bomb(9000), "too_many_pixels", "9000 x 9000", id="81 million pixels"),
        pytest.param(bytes(30 * 1024 * 1024 + 1), "too_big", "31457280", id="over 30 MiB"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_words(content: bytes, reason: str, words: str, inspector: Inspector) -> None:
    """The person who named the file reads what is wrong with it."""
    with pytest.raises(BadImageError, match=words) as caught:
        inspect_image(content, inspector)

    assert reason == caught.value.reason
