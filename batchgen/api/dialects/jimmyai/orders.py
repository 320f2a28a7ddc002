"""The request of each operation, byte for byte the same for the same job and attachments."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from batchgen.api.dialects.jimmyai.models import TOOL_FIELDS
from batchgen.api.dialects.jimmyai.references import IMAGES, MASK
from batchgen.api.dialects.jimmyai.services import V1
from batchgen.api.multipart import Field, encode
from batchgen.core.dialects import Attachment, Call, Way
from batchgen.core.errors import InputError
from batchgen.core.jobs import Job

WAYS: Final[Mapping[str, frozenset[Way]]] = {
    "image": frozenset({"url", "base64", "upload"}),
    "generate": frozenset(),
    "edit": frozenset({"file"}),
    "upscale": frozenset({"url", "upload"}),
    "remove-bg": frozenset({"url", "upload"}),
}
"""How references travel in each operation."""

_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "image": (IMAGES, MASK),
    "generate": (),
    "edit": (IMAGES, MASK),
    "upscale": (IMAGES,),
    "remove-bg": (IMAGES,),
}

# What the vendor sends where nobody says differs from page to page, so it is always said; base64 is home when the answer is.
_RESPONSE_FORMAT: Final = {"response_format": "b64_json"}
_NOT_SENT: Final = frozenset({"n", "model", IMAGES, MASK})
_TOOL_SHAPES: Final = {field.name: field for field in TOOL_FIELDS}


def order(job: Job, attachments: Sequence[Attachment]) -> Call:
    """Build the order; ``n`` is never sent, as one row is one image.

    Raises InputError when the attachments are not what the operation needs.
    """
    build = _BUILDERS.get(job.operation)
    if build is None:
        msg = f"job {job.key}: jimmyai has no operation {job.operation!r}"
        raise InputError(msg)
    check_attachments(job, attachments, _ROLES[job.operation])
    return build(job, attachments)


def check_attachments(job: Job, attachments: Sequence[Attachment], roles: Collection[str]) -> None:
    """Raise InputError when a reference has not come or has no place in the order: without it another result would be bought."""
    stray = next((attachment.role for attachment in attachments if attachment.role not in roles), None)
    if stray is not None:
        msg = f"job {job.key}: a reference in the role {stray!r} has no place in {job.operation} with {job.model}"
        raise InputError(msg)
    if len(attachments) < len(job.references):
        msg = f"job {job.key} has {len(job.references)} references, of which {len(attachments)} are here to be sent"
        raise InputError(msg)


def json_call(path: str, fields: Mapping[str, object], *, is_synchronous: bool = False, is_direct: bool = False) -> Call:
    """Build an order with canonical JSON; ``is_direct`` chooses the host that the edge's time limit does not stand before."""
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    return Call(method="POST", path=path, body=body, host="sync" if is_direct else "api", is_synchronous=is_synchronous)


def in_role(attachments: Sequence[Attachment], role: str) -> tuple[Attachment, ...]:
    """Give the attachments of one role in their order."""
    return tuple(attachment for attachment in attachments if attachment.role == role)


def _params(job: Job) -> dict[str, str]:
    return {name: value for name, value in job.params.items() if name not in _NOT_SENT}


def _image(job: Job, attachments: Sequence[Attachment]) -> Call:
    images = [attachment.address for attachment in in_role(attachments, IMAGES)]
    fields: dict[str, object] = {**_params(job), "model": job.model, "prompt": job.prompt}
    if images:
        fields["images"] = images
    for mask in in_role(attachments, MASK):
        fields["mask_url"] = mask.address
    return json_call(f"{V1}/images", fields)


def _generate(job: Job, _attachments: Sequence[Attachment]) -> Call:
    fields = {**_RESPONSE_FORMAT, **_params(job), "model": job.model, "prompt": job.prompt}
    return json_call(f"{V1}/images/generations", fields, is_synchronous=True, is_direct=True)


def _edit(job: Job, attachments: Sequence[Attachment]) -> Call:
    texts = {**_RESPONSE_FORMAT, **_params(job), "model": job.model, "prompt": job.prompt}
    parts = [Field(name=name, content=text.encode("utf-8", "replace")) for name, text in sorted(texts.items())]
    parts += [_file("image", attachment) for attachment in in_role(attachments, IMAGES)]
    parts += [_file("mask", attachment) for attachment in in_role(attachments, MASK)]
    body, content_type = encode(parts, boundary=f"batchgen-{job.key}")
    path = f"{V1}/images/edits"
    return Call(method="POST", path=path, body=body, content_type=content_type, host="sync", is_synchronous=True)


def _file(name: str, attachment: Attachment) -> Field:
    if attachment.content is None:
        msg = f"the reference {attachment.filename or attachment.url!r} has no content to be sent as a file"
        raise InputError(msg)
    return Field(name=name, content=attachment.content, filename=attachment.filename or name, media_type=attachment.media_type)


def _upscale(job: Job, attachments: Sequence[Attachment]) -> Call:
    return json_call(f"{V1}/images/upscale", _tool_fields(job, attachments), is_synchronous=True)


def _remove_bg(job: Job, attachments: Sequence[Attachment]) -> Call:
    method = {} if job.model == "remove-bg" else {"model": job.model}
    return json_call(f"{V1}/images/remove-bg", {**_tool_fields(job, attachments), **method}, is_synchronous=True)


def _tool_fields(job: Job, attachments: Sequence[Attachment]) -> dict[str, object]:
    """Give the fields of a tool, which works on one image and reads no prompt."""
    images = in_role(attachments, IMAGES)
    if len(images) != 1:
        msg = f"job {job.key}: {job.operation} works on one image, not on {len(images)}"
        raise InputError(msg)
    params = {name: _TOOL_SHAPES[name].written(value) if name in _TOOL_SHAPES else value for name, value in _params(job).items()}
    return {**_RESPONSE_FORMAT, **params, "image_url": images[0].address}


_BUILDERS: Final[Mapping[str, Callable[[Job, Sequence[Attachment]], Call]]] = {
    "image": _image,
    "generate": _generate,
    "edit": _edit,
    "upscale": _upscale,
    "remove-bg": _remove_bg,
}
