"""Know the video families: which path makes which models, what each call takes, and which price it has.

One table and pure functions. Where the documentation gives no figure the simulator has chosen one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.sim import prices
from batchgen.sim.codes import BAD_MODEL_MSG, BAD_PARAMETERS, BAD_PARAMETERS_MSG
from batchgen.sim.order import Order, Refusal, misfit
from batchgen.sim.request import parse_body

_RATIOS = frozenset(("auto", "adaptive", "16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21"))
_ORIENTATIONS = {"landscape": "16:9", "portrait": "9:16"}
_HD = frozenset({"720p", "1080p"})
_ANY_HD = _HD | {"480p", "4k"}
_UHD = _HD | {"4k"}
_PACE = 2.0
_REVIEWED = "asset://"
_SHORT_SIDES = {"480p": 480, "720p": 720, "1080p": 1080, "4k": 2160}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """State what the calls of one product line take; `lists` and `singles` name the fields that hold references.

    `seconds` are the allowed durations, `seconds_of` those of single models; `apart` are fields that exclude each other.
    """

    paths: tuple[str, ...]
    models: tuple[str, ...]
    seconds: tuple[int, ...]
    seconds_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    shape: str = "aspect_ratio"
    resolutions: frozenset[str] = frozenset()
    resolutions_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    longest_prompt: int = 5000
    lists: Mapping[str, int] = field(default_factory=dict)
    singles: tuple[str, ...] = ()
    media: Mapping[str, int] = field(default_factory=dict)
    apart: tuple[tuple[str, str], ...] = ()
    needed: tuple[str, ...] = ()
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    container: str = "mp4"


def _between(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


FAMILIES: tuple[Family, ...] = (
    Family(
        paths=("videos",),
        models=("sora2-12s", "sora2-gz-stable", "sora2-gz-sp", "openai-sora-2"),
        seconds=_between(4, 20),
        seconds_of={"sora2-12s": (12,)},
        shape="orientation",
        lists={"images": 1},
        needed=("duration",),
    ),
    Family(
        paths=("veo/frames", "veo/videos"),
        models=("veo_3_1_fast", "veo_3_1_fast-4k", "veo_3_1_lite"),
        seconds=(8,),
        shape="orientation",
        resolutions=_UHD,
        resolutions_of={"veo_3_1_lite": frozenset({"720p"})},
        lists={"images": 3},
        singles=("first_frame_url", "last_frame_url"),
        apart=(("images", "first_frame_url"), ("images", "last_frame_url")),
    ),
    Family(
        paths=("seedance/videos",),
        models=("seedance2.0-fast", "seedance2.0-pro", "sd2_mx_720p", "sd2_mx_1080p", "sd2-933-720p"),
        seconds=_between(4, 15),
        shape="ratio",
        resolutions=_ANY_HD,
        lists={"images": 9},
        singles=("first_image", "last_image"),
        media={"reference_videos": 3, "reference_audios": 3},
        apart=(("images", "first_image"), ("images", "last_image")),
    ),
    Family(
        paths=("seedance25/videos",),
        models=("seedance-2.5", "seedance-2.5-sp", "seedance2.5-gz"),
        seconds=_between(4, 30),
        seconds_of={"seedance2.5-gz": (*_between(4, 30), -1)},
        resolutions=_ANY_HD,
        lists={"reference_images": 30},
        media={"reference_videos": 10, "reference_audios": 10},
    ),
    Family(
        paths=("gemini/omni/videos",),
        models=("Gemini-Omini", "omni-10s"),
        seconds=(4, 6, 8, 10),
        seconds_of={"omni-10s": (10,)},
        resolutions=_UHD,
        lists={"image_urls": 3},
        media={"video_urls": 1},
        apart=(("duration", "video_urls"),),
        words={"generation_type": frozenset({"frame", "reference"}), "orientation": frozenset(_ORIENTATIONS)},
    ),
    Family(
        paths=("minimax/videos",),
        models=("minimax-h3", "minimax-h3-gz"),
        seconds=_between(5, 15),
        longest_prompt=2000,
        lists={"reference_images": 5},
        singles=("first_image", "last_image"),
    ),
    Family(
        paths=("kling/videos",),
        models=("kling-o3",),
        seconds=_between(3, 15),
        resolutions=_HD,
        longest_prompt=2000,
        lists={"reference_images": 3},
    ),
    Family(
        paths=("grok/videos",),
        models=("grok-imagine-video-1.5",),
        seconds=(10, 15),
        shape="ratio",
        longest_prompt=4000,
        lists={"image_urls": 1},
        needed=("image_urls",),
    ),
    Family(
        paths=("wan/videos",),
        models=("wan3.0", "wan3.0-gz"),
        seconds=_between(4, 30),
        seconds_of={"wan3.0-gz": _between(2, 30)},
        resolutions=_ANY_HD,
        lists={"reference_images": 10},
    ),
    Family(
        paths=("flux3/videos",),
        models=("flux-3-draft", "flux-3-draft-fast", "flux-3-fast", "flux-3", "flux-3-pro", "flux-3-max"),
        seconds=_between(5, 20),
        container="webm",
    ),
)
BY_PATH = {path: family for family in FAMILIES for path in family.paths}
BY_MODEL = {model: family for family in FAMILIES for model in family.models}


def order(path: str, raw: bytes, scale: Decimal) -> Order | Refusal:
    """Return the order in the body of a video call, or the refusal of one that this path does not take."""
    body, family = parse_body(raw), BY_PATH[path]
    if body is None:
        return Refusal(code=BAD_PARAMETERS, msg=BAD_PARAMETERS_MSG)
    model, prompt = body.get("model"), body.get("prompt")
    if not isinstance(model, str) or model not in family.models:
        return Refusal(code=BAD_PARAMETERS, msg=BAD_MODEL_MSG)
    if not isinstance(prompt, str) or not 0 < len(prompt) <= family.longest_prompt:
        return misfit("prompt")
    if wrong := next(_misfits(family, model, body), None):
        return misfit(wrong)
    return Order(
        call="video",
        model=model,
        prompt=prompt,
        cost=prices.total([(model, billed_units(model, body))], scale),
        pace=_PACE,
        fields=body,
        raw=raw,
    )


def references(body: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the reference images of a valid body by field; an `asset://` id stands for itself and is left out."""
    family = BY_MODEL[str(body["model"])]
    sent = {name: [body[name]] for name in family.singles if body.get(name)}
    sent |= {name: _listed(body, name) for name in family.lists}
    return {name: [str(image) for image in images if not str(image).startswith(_REVIEWED)] for name, images in sent.items()}


def billed_units(model: str, body: Mapping[str, object]) -> int:
    """Return how many units of its price a call costs: its seconds, or one where the price is a flat one."""
    return 1 if prices.PRICES[model].mode == "per_task" else seconds(body)


def seconds(body: Mapping[str, object]) -> int:
    """Return how long the film of a valid body runs."""
    allowed, asked = _seconds_of(str(body["model"])), body.get("duration")
    return asked if isinstance(asked, int) and asked > 0 else allowed[0]


def pixels(body: Mapping[str, object]) -> tuple[int, int]:
    """Return width and height of the film of a valid body; `4k` models and calls are large, all others 720p and up."""
    model = str(body["model"])
    short = _SHORT_SIDES[str(body.get("resolution") or ("4k" if model.endswith("-4k") else "720p"))]
    wide, high = _aspect(body)
    longer = round(short * max(wide, high) / min(wide, high))
    return (longer, short) if wide >= high else (short, longer)


def is_direct(model: str) -> bool:
    """Return whether the film is a direct link upstream instead of a copy in the vendor's storage."""
    return "-gz" in model


def is_draft(model: str) -> bool:
    """Return whether the result is a draft that is cached to be finished later."""
    return "draft" in model


def container(model: str) -> str:
    """Return `mp4` or `webm`."""
    return BY_MODEL[model].container


def _aspect(body: Mapping[str, object]) -> tuple[int, int]:
    named = body.get("aspect_ratio") or body.get("ratio") or _ORIENTATIONS.get(str(body.get("orientation")), "16:9")
    wide, _, high = ("16:9" if named in {"auto", "adaptive"} else str(named)).partition(":")
    return int(wide), int(high)


def _seconds_of(model: str) -> tuple[int, ...]:
    family = BY_MODEL[model]
    return family.seconds_of.get(model, family.seconds)


def _listed(body: Mapping[str, object], name: str) -> list[object]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _misfits(family: Family, model: str, body: Mapping[str, object]) -> Iterator[str]:
    sent = {name: value for name, value in body.items() if value not in (None, [], "")}
    yield from (name for name in family.needed if name not in sent)
    if "duration" in sent and (type(sent["duration"]) is not int or sent["duration"] not in _seconds_of(model)):
        yield "duration"
    words = {
        "resolution": family.resolutions_of.get(model, family.resolutions),
        family.shape: frozenset(_ORIENTATIONS) if family.shape == "orientation" else _RATIOS,
        **family.words,
    }
    yield from (name for name, known in words.items() if name in sent and not (isinstance(sent[name], str) and sent[name] in known))
    yield from (other for one, other in family.apart if one in sent and other in sent)
    yield from _misfit_references(family, model, sent)


def _misfit_references(family: Family, model: str, sent: Mapping[str, object]) -> Iterator[str]:
    scheme = _REVIEWED if model.startswith("sd2_mx_") else ""
    for name, most in (*family.lists.items(), *family.media.items()):
        if not _is_list(sent.get(name, []), most, scheme):
            yield name
    yield from (name for name in family.singles if name in sent and not isinstance(sent[name], str))


def _is_list(value: object, most: int, scheme: str) -> bool:
    return isinstance(value, list) and len(value) <= most and all(isinstance(each, str) and each.startswith(scheme) for each in value)
