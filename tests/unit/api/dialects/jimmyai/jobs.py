"""Jobs, references and attachments as the dialect meets them, with everything filled in."""

from dataclasses import replace

from batchgen.core.dialects import Attachment, ImageFacts, Reference
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.states import State

_PLAIN = Job(
    id=JobId(1),
    key=JobKey("0" * 32),
    batch_id=1,
    sweep="s",
    prompt_id="p",
    prompt='A "neon" sign,\tOPEN 灯 [/b] ',
    operation="image",
    model="gpt-image-2",
    params={},
    labels={},
    references=(),
    cell="c",
    sample=1,
    position=0,
    state=State.PLANNED,
    version=0,
)


def job(operation: str = "image", model: str = "gpt-image-2", **changes: object) -> Job:
    """Build a job of that operation and model; what is not a field of a job is a parameter."""
    fields = {name: value for name, value in changes.items() if name in Job.__slots__}
    params = {name: str(value) for name, value in changes.items() if name not in Job.__slots__}
    return replace(_PLAIN, operation=operation, model=model, params={"model": model, **params}, **fields)


def facts(**changes: object) -> ImageFacts:
    """Build the facts of an ordinary PNG."""
    plain = ImageFacts(media_type="image/png", bytes=1000, width=640, height=480, has_alpha=True)
    return replace(plain, **changes)


def reference(role: str = "images", **changes: object) -> Reference:
    """Build a reference whose file is known; without changes nobody has seen it."""
    return Reference(role=role, name="shoe", facts=facts(**changes) if changes else None)


def attachment(role: str = "images", *, url: str | None = None, content: bytes | None = None, **fields: str) -> Attachment:
    """Build an attachment that travels by address, or by content."""
    return Attachment(role=role, url=url, content=content, **{"filename": "shoe.png", "media_type": "image/png", **fields})
