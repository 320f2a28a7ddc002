"""Draw a picture worth looking at: a landscape at some hour of the day, and a card that says what was asked.

Colours depend on the prompt and shapes on the task, so two tasks of one prompt are siblings with different bytes.
The same specification always gives the same bytes.
"""

import colorsys
import hashlib
import io
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageOps

from batchgen.sim.encoding import encoded
from batchgen.sim.lettering import Colour, fit, width_of, write, write_line

_BASE_SIDE = 1024
_AREA = {"1k": 1, "2k": 2, "4k": 4}
_SHORTEST = 96
_PAN = 1.25
_WHITE: Colour = (255, 255, 255)
_SOFT: Colour = (196, 202, 214)
_CARD: Colour = (14, 17, 24)
_CARD_OPACITY = 0.72


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """Say what the picture shows; `scale` 1 draws 1k with a long side of 1024 pixels, and exact `pixels` as they are.

    `inset` is an encoded image to lay into the corner, the first of the references of an edit.
    """

    name: str
    prompt: str
    model: str
    ratio: str
    resolution: str
    quality: str
    sample: int
    scale: float = 0.5
    at_least_bytes: int = 0
    pixels: tuple[int, int] | None = None
    form: str = "png"
    is_transparent: bool = False
    remark: str = ""
    inset: bytes = b""


@lru_cache(maxsize=64)
def draw(spec: PictureSpec) -> bytes:
    """Return the encoded picture of the specification; recent ones are remembered."""
    return encoded(compose(spec), spec.form, at_least_bytes=spec.at_least_bytes)


def compose(spec: PictureSpec) -> Image.Image:
    """Return the picture before it is encoded."""
    image = _landscape(spec, _size(spec))
    _card(image, spec)
    if spec.inset:
        _print(image, spec.inset)
    if spec.is_transparent:
        _round_off(image)
    return image


def animate(spec: PictureSpec, frames: int) -> Iterator[Image.Image]:
    """Yield the frames of a slow pan over the landscape, the card standing still, a bar telling how far it is."""
    width, height = _size(spec)
    wide = _landscape(spec, (round(width * _PAN), height))
    for index in range(frames):
        done = index / max(1, frames - 1)
        left = round((wide.width - width) * done)
        frame = wide.crop((left, 0, left + width, height))
        _card(frame, spec)
        if spec.inset:
            _print(frame, spec.inset)
        bar = max(2, height // 100)
        ImageDraw.Draw(frame).rectangle((0, height - bar, round(width * done), height), fill=_palette(spec.prompt)[4])
        yield frame


def _size(spec: PictureSpec) -> tuple[int, int]:
    if spec.pixels is None:
        return dimensions(spec.ratio, spec.resolution, spec.scale)
    wide, high = (max(_SHORTEST, round(side * spec.scale)) for side in spec.pixels)
    return wide, high


def dimensions(ratio: str, resolution: str, scale: float) -> tuple[int, int]:
    """Return width and height in pixels; each step in resolution doubles the area.

    `auto` is square; exact pixels such as `1600x1200` give their aspect.
    """
    wide, high = (1.0, 1.0) if ratio == "auto" else map(float, ratio.replace("x", ":").split(":"))
    long_side = _BASE_SIDE * scale * math.sqrt(_AREA[resolution])
    factor = long_side / max(wide, high)
    return max(_SHORTEST, round(wide * factor)), max(_SHORTEST, round(high * factor))


def _seeded(*parts: str) -> random.Random:
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return random.Random(digest)  # noqa: S311 - decoration, not a secret


def _palette(prompt: str) -> list[Colour]:
    """Return five colours of one mood, from deep to light."""
    dice = _seeded("palette", prompt)
    hue, turn = dice.random(), dice.choice((0.10, 0.16, -0.12, -0.18, 0.24))
    steps = ((0.11, 0.50, 0.0), (0.30, 0.46, 0.15), (0.50, 0.50, 0.45), (0.72, 0.72, 0.85), (0.93, 0.80, 1.0))
    return [_rgb(hue + turn * share, lightness, saturation) for lightness, saturation, share in steps]


def _rgb(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _landscape(spec: PictureSpec, size: tuple[int, int]) -> Image.Image:
    """Return a sun over ranges of hills, composed in grey at twice the size, reduced, then tinted by the palette."""
    dice = _seeded("landscape", spec.name)
    large = (size[0] * 2, size[1] * 2)
    sky = Image.linear_gradient("L").point([235 - round(level * 0.42) for level in range(256)])
    tones = sky.resize(large, Image.Resampling.BILINEAR)
    _sun(tones, dice)
    ranges = dice.randint(3, 5)
    for index in range(ranges):
        _range_of_hills(tones, dice, depth=(index + 1) / ranges)
    return _tinted(tones.reduce(2), _palette(spec.prompt))


def _sun(tones: Image.Image, dice: random.Random) -> None:
    radius = min(tones.size) * dice.uniform(0.07, 0.15)
    x, y = tones.width * dice.uniform(0.15, 0.85), tones.height * dice.uniform(0.16, 0.34)
    halo = round(radius * 7)
    glow = Image.radial_gradient("L").point([max(0, 110 - round(level * 110 / 181)) for level in range(256)])
    tones.paste(255, (round(x - halo / 2), round(y - halo / 2)), glow.resize((halo, halo), Image.Resampling.BILINEAR))
    ImageDraw.Draw(tones).ellipse((x - radius, y - radius, x + radius, y + radius), fill=252)


def _range_of_hills(tones: Image.Image, dice: random.Random, *, depth: float) -> None:
    """Draw one range; depth runs from just above 0 (far, light) to 1 (near, dark)."""
    width, height = tones.size
    base = height * (0.36 + 0.36 * depth + dice.uniform(-0.03, 0.03))
    waves = [
        (height * swing * dice.uniform(0.5, 1.2), dice.uniform(*pace) * math.tau / height, dice.uniform(0, math.tau))
        for swing, pace in ((0.07, (0.4, 0.9)), (0.025, (1.2, 2.4)), (0.006, (5.0, 9.0)))
    ]
    step = max(4, width // 160)
    ridge = [(x, base + sum(swing * math.sin(x * pace + phase) for swing, pace, phase in waves)) for x in range(0, width + step, step)]
    tone = round(150 - 118 * depth)
    ImageDraw.Draw(tones).polygon([*ridge, (width + step, height), (0, height)], fill=tone)


def _tinted(tones: Image.Image, colours: list[Colour]) -> Image.Image:
    """Map grey to the palette: black to its first colour, white to its last."""
    spans = len(colours) - 1
    channels = []
    for channel in range(3):
        curve = []
        for level in range(256):
            stop = min(level * spans // 256, spans - 1)
            share = level * spans / 255 - stop
            curve.append(round(colours[stop][channel] * (1 - share) + colours[stop + 1][channel] * share))
        channels.append(tones.point(curve))
    return Image.merge("RGB", channels)


def _card(image: Image.Image, spec: PictureSpec) -> None:
    """Put the card at the foot of the picture: model, prompt, parameters."""
    width, height = image.size
    measure = math.sqrt(width * height)
    margin, pad = round(min(width, height) * 0.045), round(min(width, height) * 0.05)
    small = max(10, round(measure * 0.026))
    inner = width - 2 * (margin + pad)
    furniture = round(small * 4.2)
    room = height - 2 * (margin + pad) - furniture
    largest = max(small + 1, round(measure * 0.062))
    setting = fit(spec.prompt, width=inner, height=max(room, small), largest=largest, smallest=small)
    top = max(0, height - margin - 2 * pad - furniture - setting.height)
    _pane(image, (margin, top, width - margin, height - margin), radius=round(pad * 0.8))
    pen = ImageDraw.Draw(image)
    left, y = margin + pad, top + pad
    accent = _palette(spec.prompt)[4]
    heading = " · ".join(filter(None, (spec.model, spec.remark)))
    write_line(pen, heading, at=(left, y - small // 3), size=small, colour=accent)
    y += round(small * 1.6)
    write(pen, setting, at=(left, y), colour=_WHITE)
    y += setting.height + round(small * 0.55)
    pen.line((left, y, left + inner, y), fill=tuple(round(part * 0.55) for part in _SOFT), width=1)
    footer = " · ".join(filter(None, (spec.ratio, spec.resolution, spec.quality, f"#{spec.sample}")))
    write_line(pen, footer, at=(left, y + round(small * 0.45)), size=small, colour=_SOFT)
    stamp = spec.name.partition("_")[2][:8]
    room_left = inner - width_of(footer, small) - width_of(stamp, small)
    if room_left > small:
        x = round(left + inner - width_of(stamp, small))
        write_line(pen, stamp, at=(x, y + round(small * 0.45)), size=small, colour=_SOFT)


def _pane(image: Image.Image, box: tuple[int, int, int, int], *, radius: int) -> None:
    """Darken a rounded rectangle like smoked glass."""
    size = (box[2] - box[0], box[3] - box[1])
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius, fill=round(255 * _CARD_OPACITY))
    image.paste(_CARD, box[:2], mask)


def _print(image: Image.Image, inset: bytes) -> None:
    """Lay a small print with a white border and a shadow into the upper left corner."""
    with Image.open(io.BytesIO(inset)) as opened:
        side = max(24, round(min(image.size) * 0.3))
        photo = ImageOps.contain(opened.convert("RGB"), (side, side))
    border, shade = max(2, side // 20), max(2, side // 16)
    margin = round(min(image.size) * 0.045)
    print_size = (photo.width + 2 * border, photo.height + 2 * border)
    shadow = Image.new("L", print_size, 90)
    image.paste((0, 0, 0), (margin + shade, margin + shade), shadow)
    image.paste((250, 249, 245), (margin, margin, margin + print_size[0], margin + print_size[1]))
    image.paste(photo, (margin + border, margin + border))


def _round_off(image: Image.Image) -> None:
    """Make the corners transparent."""
    mask = Image.new("L", image.size)
    radius = min(image.size) // 8
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius, fill=255)
    image.putalpha(mask)
