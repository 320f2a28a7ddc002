"""JimmyAI's videos: vendor, envelope and tasks as in ``jimmyai``, but each family of models is ordered at a path of its own.

Pure. It builds Calls and reads Replies; whatever the bytes, reading one gives exactly one meaning and never raises. What an order's answer
means is read as for images.
"""

from collections.abc import Sequence
from typing import Final

from batchgen.api.dialects.jimmyai import outcomes
from batchgen.api.dialects.jimmyai.orders import check_attachments, in_role, json_call
from batchgen.api.dialects.jimmyai.prices import highest
from batchgen.api.dialects.jimmyai.services import V1, Services
from batchgen.api.dialects.jimmyai_video import checks
from batchgen.api.dialects.jimmyai_video.families import PARAMS, ROLES, Family, family_of
from batchgen.core.dialects import Attachment, Call, Complaint, Model, Prices, Reference, Reply, Way
from batchgen.core.errors import InputError
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.readings import PollReading, SubmitReading

_VIDEO_PLACES: Final = (
    *("/result/video_url", "/result/video_urls", "/result/url", "/video_url", "/url", "/mediaUrl"),
    "/result/draft_cache_url",
)
"""Where a task names its video, the most trusted place first; a draft's preview is better than nothing."""


class JimmyAIVideo(Services):
    """The vendor's videos (``core.dialects.Dialect``); holds nothing, so one is enough."""

    name: str = "jimmyai-video"
    tasks_path: str = f"{V1}/videos"
    params: tuple[str, ...] = PARAMS
    roles: tuple[str, ...] = ROLES
    operations: tuple[str, ...] = checks.OPERATIONS
    synchronous: frozenset[str] = frozenset()

    def ways(self, operation: str) -> frozenset[Way]:
        """Say how references may travel in an operation; empty where it takes none."""
        return frozenset({"url", "upload"}) if operation in self.operations else frozenset()

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""
        return checks.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references)

    def models(self) -> Sequence[Model]:
        """List the known models; a name with a star stands for all names of that form."""
        return checks.MODELS

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:  # noqa: ARG002 - none counts
        """Give the highest price that an order may have by the catalogue, or None where the catalogue does not tell."""
        name, resolution, duration = (params.get(key, "") for key in ("model", "resolution", "duration"))
        seconds = int(duration) if duration.isascii() and duration.isdecimal() and len(duration) < 5 else None
        return highest(prices, (name, f"{name}-{resolution}"), seconds=seconds)

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Build the order for the job; with the same attachments its body is byte for byte the same each time.

        Raises InputError when the family, and with it the path, is unknown, or when the job's references have not all come.
        """
        family = family_of(job.model)
        if family is None:
            msg = f"job {job.key}: where to order {job.model!r} is unknown"
            raise InputError(msg)
        check_attachments(job, attachments, family.roles)
        fields = {**_params(family, job), **_references(family, attachments), "model": job.model, "prompt": job.prompt}
        return json_call(f"{V1}{family.path}", fields)

    def read_submit(self, job: Job, reply: Reply) -> SubmitReading:  # noqa: ARG002 - the answer alone tells
        """Say what became of an order."""
        return outcomes.ordered(reply)

    def read_poll(self, job: Job, reply: Reply) -> PollReading:  # noqa: ARG002 - the answer alone tells
        """Say what became of a task."""
        return outcomes.followed(reply, _VIDEO_PLACES)


def _params(family: Family, job: Job) -> dict[str, object]:
    """Give the parameters under their names on the wire; those that the family does not know go as they are."""
    fields = family.fields_of(job.model)
    given = {name: value for name, value in job.params.items() if name not in {"n", "model", *ROLES}}
    return {
        fields[name].wire_name if name in fields else name: fields[name].written(value) if name in fields else value
        for name, value in given.items()
    }


def _references(family: Family, attachments: Sequence[Attachment]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, role in family.roles.items():
        addresses = [attachment.address for attachment in in_role(attachments, name)]
        if addresses:
            fields[role.wire] = addresses if role.is_list else addresses[0]
    return fields
