"""OpenAI's image API, and the many hosts that speak it: one synchronous call, whose answer is the image.

Pure. It builds Calls and reads Replies; whatever the bytes, reading one gives exactly one meaning and never raises. Written after the API
reference as it stood on 2026-11-25.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from batchgen.api import multipart
from batchgen.api.dialects.openai import answers, models
from batchgen.api.multipart import Field
from batchgen.core.dialects import Attachment, Call, Complaint, Model, Prices, Reference, Reply, Way
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.readings import NotFound, PollReading, SubmitReading

_GENERATIONS: Final = "/v1/images/generations"
_EDITS: Final = "/v1/images/edits"
_MODELS: Final = "/v1/models"


class OpenAI:
    """The language of OpenAI's image API (``core.dialects.Dialect``); holds nothing, so one is enough."""

    name: str = "openai"
    unit: str = "USD"
    params: tuple[str, ...] = models.PARAMS
    roles: tuple[str, ...] = models.ROLES
    operations: tuple[str, ...] = ("generate", "edit")
    synchronous: frozenset[str] = frozenset({"generate", "edit"})
    result_ttl_s: float = 3600.0
    key_env: str = "OPENAI_API_KEY"
    base_url: str = "${OPENAI_BASE_URL:-https://api.openai.com}"
    api_path: str = "/v1"
    sync_hosts: Mapping[str, str] = MappingProxyType({})
    authorization: tuple[str, str] = ("Authorization", "Bearer {key}")

    def ways(self, operation: str) -> frozenset[Way]:
        """Say how references may travel in an operation; only edits take them, as files of a form."""
        return frozenset({"file"}) if operation == "edit" else frozenset()

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""
        return list(models.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references))

    def models(self) -> Sequence[Model]:
        """List the known models."""
        return models.MODELS

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:  # noqa: ARG002 - of the protocol
        """Give the model's price in the user's own list, or None: the API bills by tokens and publishes no price of an image."""
        price = prices.get(params.get("model", ""))
        return None if price is None else price.micros

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Build the order for the job; with the same attachments its body is byte for byte the same each time.

        ``n`` is always 1: one row is one image. The retired dall-e models are asked for base64, which does not expire; other models are
        sent ``response_format`` only where the manifest sets it.
        """
        if job.operation == "edit":
            body, content_type = multipart.encode(_form(job, attachments), boundary=f"batchgen-{job.key}")
            return Call(method="POST", path=_EDITS, body=body, content_type=content_type, host="sync", is_synchronous=True)
        text = json.dumps(_fields(job), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Call(method="POST", path=_GENERATIONS, body=text.encode(), host="sync", is_synchronous=True)

    def read_submit(self, job: Job, reply: Reply) -> SubmitReading:  # noqa: ARG002 - of the protocol
        """Say what became of an order."""
        return answers.outcome(reply)

    def poll(self, job: Job) -> Call:  # noqa: ARG002 - of the protocol
        """Build a harmless question: the API has no tasks, so a run reads the kept answer again instead of asking this."""
        return Call(method="GET", path=_MODELS)

    def read_poll(self, job: Job, reply: Reply) -> PollReading:  # noqa: ARG002 - of the protocol
        """Say that there is no such task, whatever was answered: the API has none."""
        return NotFound(message="this API has no tasks")

    def unfamiliar(self, job: Job, reply: Reply) -> Sequence[str]:  # noqa: ARG002 - of the protocol
        """Name the fields that the documented answer does not have."""
        return answers.unfamiliar(reply)


def _fields(job: Job) -> dict[str, object]:
    """Give the fields of an order: the row's parameters, with numbers as numbers."""
    params: dict[str, object] = {name: value for name, value in job.params.items() if name not in {"n", *models.ROLES}}
    compression = job.params.get("output_compression", "")
    if re.fullmatch(r"[0-9]{1,3}", compression):
        params["output_compression"] = int(compression)
    if job.model.startswith("dall-e-"):
        params.setdefault("response_format", "b64_json")
    return {**params, "model": job.model, "prompt": job.prompt, "n": 1}


def _form(job: Job, attachments: Sequence[Attachment]) -> list[Field]:
    """Give the parts of an edit; several images share the name ``image[]``, as the official clients send them."""
    texts = [Field(name=name, content=str(value).encode()) for name, value in sorted(_fields(job).items())]
    images = [attachment for attachment in attachments if attachment.role != "mask"]
    name = "image" if len(images) == 1 else "image[]"
    masks = [attachment for attachment in attachments if attachment.role == "mask"]
    return [*texts, *(_file(name, image) for image in images), *(_file("mask", mask) for mask in masks)]


def _file(name: str, attachment: Attachment) -> Field:
    return Field(
        name=name,
        content=attachment.content or b"",
        filename=attachment.filename or "image",
        media_type=attachment.media_type or "application/octet-stream",
    )
