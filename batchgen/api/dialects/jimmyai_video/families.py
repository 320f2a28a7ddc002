"""The vendor's video families (api notes 3): where each is ordered, and what it takes. Tables only.

Model and path must match: a wrong path is refused, or lands on another product line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from batchgen.api.dialects.jimmyai.fields import Field

IMAGES: Final = "images"
FIRST: Final = "first_image"
LAST: Final = "last_image"
VIDEOS: Final = "reference_videos"
AUDIOS: Final = "reference_audios"
ROLES: Final = (IMAGES, FIRST, LAST, VIDEOS, AUDIOS)
"""What a reference may be for; videos and sounds travel by address only."""

PARAMS: Final = ("model", "duration", "orientation", "ratio", "resolution", "size", "generation_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """How one role of references stands on the wire: under which name, how many, and whether as a list. None is no known limit."""

    wire: str
    most: int | None = None
    least: int = 0
    is_list: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One product line. ``models`` are names or patterns of them; a name that only begins like one of ``prefixes`` is probably a new one.

    ``narrower`` holds, by pattern, the fields that some models take otherwise; fields in ``unsure`` only warn. References of the roles in
    ``apart`` exclude ``images``; ``exclusive`` are further pairs of parameters or roles.
    """

    title: str
    path: str
    models: tuple[str, ...]
    prefixes: tuple[str, ...]
    fields: tuple[Field, ...]
    narrower: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    exclusive: tuple[tuple[str, str], ...] = ()
    max_prompt_chars: int | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)

    def knows(self, model: str) -> bool:
        """Say whether the vendor lists the model here."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def resembles(self, model: str) -> bool:
        """Say whether the name clearly belongs here."""
        return model.lower().startswith(self.prefixes)

    def fields_of(self, model: str) -> Mapping[str, Field]:
        """Give the model's fields by the parameter's name."""
        narrower = (fields for pattern, fields in self.narrower.items() if fnmatchcase(model, pattern))
        return {entry.name: entry for fields in (self.fields, *narrower) for entry in fields}


def _seconds(low: int, high: int, *others: str) -> Field:
    return Field(name="duration", shape="whole", values=others, bounds=(low, high))


def _seconds_of(*values: str) -> Field:
    return Field(name="duration", shape="whole", values=values)


_RATIO_FORM: Final = re.compile(r"[a-z]+|[0-9]{1,3}(\.[0-9]{1,2})?:[0-9]{1,3}(\.[0-9]{1,2})?")
_RATIO: Final = Field(name="ratio", form=_RATIO_FORM, described="a ratio such as 16:9")
_ASPECT_RATIO: Final = Field(name="ratio", wire="aspect_ratio", form=_RATIO_FORM, described="a ratio such as 16:9")
_ORIENTATION: Final = Field(name="orientation", values=("landscape", "portrait"))
_ANY_RESOLUTION: Final = Field(name="resolution", form=re.compile(r"[0-9]{3,4}p|[1-8]k"), described="a resolution such as 720p")
_UP_TO_4K: Final = Field(name="resolution", values=("720p", "1080p", "4k"))

FAMILIES: Final = (
    Family(
        title="Sora",
        path="/videos",
        models=("sora2-12s", "sora2-gz-stable", "sora2-gz-sp", "openai-sora-2"),
        prefixes=("sora", "openai-sora"),
        fields=(Field(name="duration", shape="whole", form=re.compile("[1-9][0-9]{0,2}"), described="whole seconds"), _ORIENTATION),
        narrower={"sora2-12s": (_seconds_of("12"),)},
        required=("duration",),
        roles={IMAGES: Role(wire="images", most=1)},
    ),
    Family(
        title="VEO",
        path="/veo/frames",
        models=("veo_3_1_fast", "veo_3_1_fast-4k", "veo_3_1_lite"),
        prefixes=("veo",),
        fields=(_UP_TO_4K, _ORIENTATION),
        narrower={"veo_3_1_lite": (Field(name="resolution", values=("720p",)),)},
        roles={
            IMAGES: Role(wire="images", most=3),
            FIRST: Role(wire="first_frame_url", most=1, is_list=False),
            LAST: Role(wire="last_frame_url", most=1, is_list=False),
        },
        apart=(FIRST, LAST),
    ),
    Family(
        title="Seedance 2.0",
        path="/seedance/videos",
        models=("seedance2.0-*", "sd2_mx_*", "sd2-933-720p"),
        prefixes=("seedance2.0", "seedance-2.0", "sd2"),
        fields=(_seconds(4, 15), _RATIO, _ANY_RESOLUTION),
        unsure=("duration",),
        roles={
            IMAGES: Role(wire="images", most=9),
            FIRST: Role(wire="first_image", most=1, is_list=False),
            LAST: Role(wire="last_image", most=1, is_list=False),
            VIDEOS: Role(wire="reference_videos"),
            AUDIOS: Role(wire="reference_audios"),
        },
        apart=(FIRST, LAST),
        max_prompt_chars=5000,
        remarks={"*": "some models take 4 images only", "sd2_mx_*": "references must be reviewed asset:// ids"},
    ),
    Family(
        title="Seedance 2.5",
        path="/seedance25/videos",
        models=("seedance-2.5", "seedance-2.5-sp", "seedance2.5-gz"),
        prefixes=("seedance-2.5", "seedance2.5", "seedance25"),
        fields=(_seconds(4, 30), _ASPECT_RATIO, _ANY_RESOLUTION),
        narrower={"*-gz": (_seconds(4, 30, "-1"),)},
        roles={
            IMAGES: Role(wire="reference_images", most=30),
            VIDEOS: Role(wire="reference_videos", most=10),
            AUDIOS: Role(wire="reference_audios", most=10),
        },
    ),
    Family(
        title="Gemini Omni",
        path="/gemini/omni/videos",
        models=("Gemini-Omini", "omni-10s"),
        prefixes=("gemini-omini", "gemini-omni", "omni-"),
        fields=(
            _seconds_of("4", "6", "8", "10"),
            _UP_TO_4K,
            _ASPECT_RATIO,
            _ORIENTATION,
            Field(name="generation_type", values=("frame", "reference")),
        ),
        roles={IMAGES: Role(wire="image_urls"), VIDEOS: Role(wire="video_urls")},
        exclusive=(("duration", VIDEOS),),
        remarks={"*": "ratio wins over orientation; how many images is not documented"},
    ),
    Family(
        title="MiniMax",
        path="/minimax/videos",
        models=("minimax-h3", "minimax-h3-gz"),
        prefixes=("minimax",),
        fields=(_seconds(5, 15), _ASPECT_RATIO, Field(name="size")),
        roles={
            IMAGES: Role(wire="reference_images", most=5),
            FIRST: Role(wire="first_image", most=1, is_list=False),
            LAST: Role(wire="last_image", most=1, is_list=False),
        },
        max_prompt_chars=2000,
    ),
    Family(
        title="Kling",
        path="/kling/videos",
        models=("kling-o3",),
        prefixes=("kling",),
        fields=(_seconds(3, 15), _ASPECT_RATIO, Field(name="resolution", values=("720p", "1080p"))),
        roles={IMAGES: Role(wire="reference_images", most=3)},
        max_prompt_chars=2000,
    ),
    Family(
        title="Grok",
        path="/grok/videos",
        models=("grok-imagine-video-1.5",),
        prefixes=("grok-imagine-video",),
        fields=(_seconds_of("10", "15"), _RATIO),
        roles={IMAGES: Role(wire="image_urls", most=1, least=1)},
        max_prompt_chars=4000,
    ),
    Family(
        title="Wan",
        path="/wan/videos",
        models=("wan3.0", "wan3.0-gz"),
        prefixes=("wan",),
        fields=(_seconds(4, 30), _ASPECT_RATIO, _ANY_RESOLUTION),
        narrower={"*-gz": (_seconds(2, 30),)},
        roles={IMAGES: Role(wire="reference_images", most=10)},
    ),
    Family(
        title="Flux 3",
        path="/flux3/videos",
        models=("flux-3-draft",),
        prefixes=("flux-3", "flux3"),
        fields=(_seconds(5, 20), _ASPECT_RATIO),
        remarks={"*": "drafts may give a preview only"},
    ),
)
"""Every family that is documented."""


def family_of(model: str) -> Family | None:
    """Give the family that lists the model, else the one whose names begin like it, else None: no path could be right by chance."""
    listed = next((family for family in FAMILIES if family.knows(model)), None)
    return listed or next((family for family in FAMILIES if family.resembles(model)), None)
