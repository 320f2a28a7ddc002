"""The JSON file beside an image: what was ordered and what came. Pure of clock: describing twice writes the same bytes."""

import json
from typing import Final

from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.files.folders import open_regular

SUFFIX: Final = ".json"
MAX_BYTES: Final = 1 << 20


def render(job: Job, image: Image) -> bytes:
    """Write the sidecar's text: sorted keys, UTF-8, a line feed at the end."""
    fields = {
        "schema": "batchgen.sidecar/1",
        "key": job.key,
        "sweep": job.sweep,
        "prompt_id": job.prompt_id,
        "prompt": job.prompt,
        "operation": job.operation,
        "model": job.model,
        "params": dict(job.params),
        "labels": dict(job.labels),
        "references": [dict(reference) for reference in job.references],
        "cell": job.cell,
        "sample": job.sample,
        "task_id": job.task_id,
        "path": image.path,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "width": image.width,
        "height": image.height,
        "media_type": image.media_type,
    }
    return (json.dumps(fields, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()


def may_write(folder: int, name: str, job: Job) -> bool:
    """Tell whether the name is free or holds a sidecar of this very job; raise OSError when the disk refuses."""
    try:
        file = open_regular(folder, name)
    except FileNotFoundError:
        return True
    if file is None:
        return False
    with file:
        return is_of(job, file.read(MAX_BYTES))


def is_of(job: Job, text: bytes) -> bool:
    """Tell whether a text is a sidecar of this very job."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("key") == job.key
