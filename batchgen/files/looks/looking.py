"""One look at a picture, inside the child that decodes it: a thumbnail, a hash of what it looks like, and whether it shows anything.

What is drawn is upright, in sRGB as far as the picture's profile can be read, and carries nothing of the original but its colours.
"""

from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, Final

from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from batchgen.files import imagecheck, videocheck
from batchgen.files.looks.credentials import has_credentials
from batchgen.files.sights import EDGE, Sight

_QUALITY: Final = 70
_METHOD: Final = 2
"""A third of the time of libwebp's usual 4, for files that are a few percent larger."""
_MOST_BYTES: Final = 2**17
"""What fits into an answer; only noise with noise for its transparency takes more, and goes without a thumbnail."""
_NEARLY: Final = 8
_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def look(file: BinaryIO, *, size_bytes: int, max_pixels: int, wait_turn: Callable[[], None]) -> tuple[Sight, bytes]:
    """Give what is seen of a picture and its thumbnail as WebP; of a video only its container is read, and the thumbnail is empty.

    Raises BadImageError for what ``imagecheck`` or ``videocheck`` would refuse, or the OSError of a failing disk.
    """
    file.seek(0)
    if videocheck.is_video(file.read(16)):
        return _video(file, size_bytes), b""
    picture, image = imagecheck.decoded(file, size_bytes=size_bytes, max_pixels=max_pixels, wait_turn=wait_turn, edge=EDGE)
    orientation = _orientation(image)
    small = _small(image)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    width, height = (picture.height, picture.width) if orientation in _ON_ITS_SIDE else (picture.width, picture.height)
    is_blank = _is_blank(small)
    thumbnail = _encoded(small)
    sight = Sight(
        media_type=picture.media_type,
        width=width,
        height=height,
        dhash=None if is_blank else _difference_hash(small),
        is_blank=is_blank,
        has_credentials=has_credentials(file, picture.media_type),
        thumb_width=small.width if thumbnail else 0,
        thumb_height=small.height if thumbnail else 0,
    )
    return sight, thumbnail


def _video(file: BinaryIO, size_bytes: int) -> Sight:
    video = videocheck.check(file, size_bytes=size_bytes)
    return Sight(
        media_type=video.media_type,
        width=video.width,
        height=video.height,
        dhash=None,
        is_blank=False,
        has_credentials=False,
        thumb_width=0,
        thumb_height=0,
    )


def _small(image: ImageFile) -> Image.Image:
    """Shrink a picture to the size of a thumbnail, in RGB, or RGBA if any of it is transparent."""
    target = "RGBA" if image.has_transparency_data else "RGB"
    size = imagecheck.fitted(image.size, EDGE)
    small = _plain(image, target).resize(size, Image.Resampling.LANCZOS, reducing_gap=1.5)
    return _in_srgb(small, image.info.get("icc_profile"), target).convert(target)


def _plain(image: Image.Image, target: str) -> Image.Image:
    """Give a mode that can be resized without mixing what must not be mixed: palette numbers, or the halves of 16 bits."""
    if image.mode.startswith("I"):
        grey = image.point(lambda level: level * (1 / 256)).convert("L")
        grey.info.pop("transparency", None)  # a level of 16 bits, which means nothing among 8
        return grey
    return image.convert(target) if target == "RGBA" or image.mode in {"1", "P"} else image


def _in_srgb(image: Image.Image, profile: object, target: str) -> Image.Image:
    """Convert from the picture's own profile; what cannot be read, or does not fit the picture, is left aside."""
    if not isinstance(profile, bytes) or not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode=target) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _orientation(image: ImageFile) -> int:
    """Read how the picture is to be turned; an unreadable answer counts as not at all."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except imagecheck.DECODE_ERRORS:
        return 1


def _is_blank(image: Image.Image) -> bool:
    """Say whether a thumbnail has one colour, or nearly: on white, no channel spans more than 8 of its 255 levels, nor does transparency.

    A grain, a line or a letter that survives the shrinking makes a picture not blank; so does a gradient that an eye could see.
    """
    bands = (*_on_white(image).split(), *((image.getchannel("A"),) if image.mode == "RGBA" else ()))
    levels = ([level for level, pixels in enumerate(band.histogram()) if pixels] for band in bands)
    return all(found[-1] - found[0] <= _NEARLY for found in levels)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _difference_hash(image: Image.Image) -> int:
    """Compare each of 8 x 8 spots with the one at its right, row by row; the first is the highest bit."""
    grey = _on_white(image).convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    bits = (grey[9 * row + column] < grey[9 * row + column + 1] for row in range(8) for column in range(8))
    return int("".join("01"[bit] for bit in bits), 2)


def _encoded(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "WEBP", quality=_QUALITY, method=_METHOD, icc_profile=b"")
    return stream.getvalue() if stream.tell() <= _MOST_BYTES else b""
