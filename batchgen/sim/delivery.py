"""Put finished pictures into the answer of a synchronous call, honestly or under a fault of the point `sync`.

`SHAPED` goes from a picture to the entry it gets in the answer; `RESPELT` goes from an answer to the same one in another
spelling; `sync.moderated` is carried out at the desk, before anything is billed.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from batchgen.sim.desk import Desk
from batchgen.sim.encoding import File
from batchgen.sim.storage import Storage
from batchgen.sim.synchronous import SyncRequest
from batchgen.sim.task import Task

Entry = dict[str, object]
_TOKENS = {"low": 272, "medium": 1056, "high": 4160}
_TOKENS_OF_REFERENCE = 323
_CHARACTERS_OF_TOKEN = 4
_NOT_DRAWN = File(b"", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """Hold one finished picture and where it can be fetched; `file` may be empty when only the URL will be told."""

    url: str
    file: File = _NOT_DRAWN

    @property
    def b64(self) -> str:
        """Return the picture as base64."""
        return base64.b64encode(self.file.body).decode()


async def prints(desk: Desk, storage: Storage, base: str, task: Task, *, with_bytes: bool) -> list[Print]:
    """Return the pictures of a paid call; they are drawn now only when their bytes are needed."""
    urls = storage.urls(base, task)
    if not with_bytes:
        return [Print(url=url) for url in urls]
    names = storage.names(task)
    files = [await desk.draw(partial(storage.file, name)) for name in names]
    return [Print(url=url, file=file) for url, file in zip(urls, files, strict=True)]


def needs_bytes(form: str, fault: str) -> bool:
    """Return whether the answer will hold the pictures themselves."""
    return form == "b64_json" or fault in SHAPED


def entries(prints: list[Print], form: str, fault: str) -> list[Entry]:
    """Return the entry of each picture, in the asked form unless a fault gives it another."""
    shape = SHAPED.get(fault) or _HONEST[form]
    return [shape(each) for each in prints]


def usage(request: SyncRequest, references: int) -> Entry:
    """Return plausible token counts."""
    text = max(1, len(request.prompt) // _CHARACTERS_OF_TOKEN)
    image_in, image_out = references * _TOKENS_OF_REFERENCE, request.n * _TOKENS.get(request.quality or "", 1056)
    return {
        "input_tokens": text + image_in,
        "output_tokens": image_out,
        "total_tokens": text + image_in + image_out,
        "input_tokens_details": {"image_tokens": image_in, "text_tokens": text},
        "output_tokens_details": {"image_tokens": image_out, "text_tokens": 0},
    }


def respelt(answer: Response, fault: str) -> Response:
    """Return the honest answer, in another spelling when the fault is one of spelling."""
    spelling = RESPELT.get(fault)
    if spelling is None:
        return answer
    return Response(spelling(bytes(answer.body)), answer.status_code, media_type=answer.media_type)


def _broken(b64: str) -> str:
    middle = len(b64) // 2
    return f"{b64[:middle]}%%{b64[middle:-3]}"


def _escaped(body: bytes) -> bytes:
    return body.replace(b"/", b"\\/")


_HONEST: Mapping[str, Callable[[Print], Entry]] = {
    "url": lambda each: {"url": each.url},
    "b64_json": lambda each: {"b64_json": each.b64},
}
SHAPED: Mapping[str, Callable[[Print], Entry]] = {
    "sync.bad_base64": lambda each: {"b64_json": _broken(each.b64)},
    "sync.data_uri": lambda each: {"b64_json": f"data:{each.file.media_type};base64,{each.b64}"},
    "sync.both": lambda each: {"url": each.url, "b64_json": each.b64},
}
RESPELT: Mapping[str, Callable[[bytes], bytes]] = {"sync.escaped_slashes": _escaped}
