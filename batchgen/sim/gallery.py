"""Make the files of a paid call from its ledger line, so that a restarted server shows what the first one showed.

Only the tools need more than the line, their source; when that is gone they work on a drawing that says so.
"""

import base64
from functools import lru_cache

from batchgen.sim import catalogue, clip, synchronous, tools, videos
from batchgen.sim.billing import BillLine
from batchgen.sim.encoding import FORMATS, MEDIA_TYPES, File, encoded
from batchgen.sim.options import SimOptions
from batchgen.sim.picture import PictureSpec, animate, compose, draw
from batchgen.sim.references import Resolve, seen
from batchgen.sim.request import ImageRequest
from batchgen.sim.task import Task

_MOST_FRAMES = 12


def names(line: BillLine) -> list[str]:
    """Return the names of the files that a paid call has made."""
    count, form = _made(line)
    return [f"{line.task_id}-{index}.{form}" for index in range(count)]


def file(task: Task, name: str, terms: SimOptions, source: Resolve) -> File:
    """Return one of the files of a paid call; `source` finds the bytes behind a URL of this server."""
    form = name.rpartition(".")[2]
    line = task.line
    match line.call:
        case "video":
            body = _film(_spec_of_video(task, name, terms), videos.seconds(line.request), form)
        case "upscale" | "remove-bg":
            body = _by_tool(line, line.call, form, source)
        case "image":
            body = draw(_spec_of_image(task, name, terms))
        case "generation" | "edit" | "openai.generation" | "openai.edit":
            body = draw(_spec_of_sync(task, name, terms))
    return File(body, MEDIA_TYPES[form])


def _made(line: BillLine) -> tuple[int, str]:
    match line.call:
        case "video":
            return 1, videos.container(line.model)
        case "upscale" | "remove-bg":
            return 1, tools.form(line.call, line.request)
        case "image":
            asked = line.request.get("output_format")
            return _image_request(line).n, asked if isinstance(asked, str) and asked in FORMATS else "png"
        case "generation" | "edit" | "openai.generation" | "openai.edit":
            request = synchronous.SyncRequest.read_back(line.request)
            return request.n, request.form


def _image_request(line: BillLine) -> ImageRequest:
    request = ImageRequest.of(line.request)
    if request is None:
        raise ValueError(f"the ledger holds an unreadable request for {line.task_id}")
    return request


def _spec_of_image(task: Task, name: str, terms: SimOptions) -> PictureSpec:
    wanted = _image_request(task.line)
    return PictureSpec(
        name=name.rpartition(".")[0],
        prompt=wanted.prompt,
        model=wanted.model,
        ratio=catalogue.ratio(wanted),
        resolution=catalogue.resolution(wanted),
        quality=catalogue.quality(wanted),
        sample=task.copy,
        scale=terms.image_scale,
        at_least_bytes=terms.image_bytes,
        form=name.rpartition(".")[2],
        is_transparent=task.line.request.get("background") == "transparent",
        remark=_remark("edit", wanted.references, has_mask=bool(wanted.mask_url)),
        inset=base64.b64decode(task.line.preview),
    )


def _spec_of_sync(task: Task, name: str, terms: SimOptions) -> PictureSpec:
    line, wanted = task.line, synchronous.SyncRequest.read_back(task.line.request)
    return PictureSpec(
        name=name.rpartition(".")[0],
        prompt=wanted.prompt,
        model=line.model,
        ratio="x".join(map(str, wanted.pixels)),
        resolution="",
        quality=wanted.quality or "",
        sample=task.copy,
        scale=terms.image_scale,
        at_least_bytes=terms.image_bytes,
        pixels=wanted.pixels,
        form=wanted.form,
        is_transparent=wanted.background == "transparent",
        remark=_remark("edit", synchronous.sources(line), has_mask="mask" in line.request),
        inset=base64.b64decode(line.preview),
    )


def _spec_of_video(task: Task, name: str, terms: SimOptions) -> PictureSpec:
    line = task.line
    size = videos.pixels(line.request)
    return PictureSpec(
        name=name.rpartition(".")[0],
        prompt=str(line.request["prompt"]),
        model=line.model,
        ratio="x".join(map(str, size)),
        resolution=f"{videos.seconds(line.request)} s",
        quality="",
        sample=task.copy,
        scale=terms.image_scale,
        pixels=size,
        remark=_remark("film", sum(map(len, videos.references(line.request).values())), has_mask=False),
        inset=base64.b64decode(line.preview),
    )


def _remark(kind: str, references: int, *, has_mask: bool) -> str:
    if not references:
        return ""
    return f"{kind} of {references} image{'s' * (references > 1)}{' with a mask' * has_mask}"


@lru_cache(maxsize=8)
def _film(spec: PictureSpec, seconds: int, container: str) -> bytes:
    frames = list(animate(spec, min(_MOST_FRAMES, seconds * 2)))
    return clip.webm(frames, seconds) if container == "webm" else clip.mp4(frames, seconds)


def _by_tool(line: BillLine, tool: tools.Tool, form: str, source: Resolve) -> bytes:
    url = str(line.request["image_url"])
    raw = seen(url, source)
    image = tools.opened(raw) if raw else compose(_stand_in(line, url))
    return encoded(tools.applied(tool, line.request, image), form)


def _stand_in(line: BillLine, url: str) -> PictureSpec:
    prompt = f"stands for {url}"
    return PictureSpec(name=f"{line.task_id}-0", prompt=prompt, model=line.model, ratio="1:1", resolution="1k", quality="", sample=1)
