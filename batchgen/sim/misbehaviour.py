"""Carry out faults: each name of `faults.FAULTS` that touches an HTTP answer has its response here.

Its tables share one shape: from what an honest server would have said to what this one says. `REFUSED` is consulted
before a paid call is billed, `ANSWERED` after a submit is billed and for polls, `IMAGES_ANSWERED` and `TOOLS_ANSWERED`
after a synchronous call is billed, `UPLOADED` for uploads and `SERVED` for downloads. What befalls a picture within an
answer stands in `delivery.py`.
"""

import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from batchgen.sim.codes import (
    BAD_KEY,
    BAD_PARAMETERS,
    BAD_PARAMETERS_MSG,
    NO_BALANCE_MSG,
    NO_QUOTA_MSG,
    NOT_FOUND_MSG,
    OK,
    SERVER_ERROR,
    TOO_FREQUENT,
    TOO_FREQUENT_MSG,
)
from batchgen.sim.encoding import File
from batchgen.sim.wire import Cut, Drip, Hang, Reset, bomb

Data = Mapping[str, object]
ODD_RETRY_AFTERS = ("-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "1000000000")


def envelope(data: object, *, code: int | str = OK, msg: str = "ok", status: int = 200) -> Response:
    """Return the vendor's `{code, msg, data}` as a response."""
    return as_json({"code": code, "msg": msg, "data": data}, status=status)


def as_json(document: object, *, status: int = 200) -> Response:
    """Return a document as compact UTF-8 JSON; a lone surrogate, which UTF-8 cannot hold, comes as `?`."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json")


def refusal(code: int, msg: str, *, status: int = 200, retry_after: str | None = None) -> Response:
    """Return a business failure; without a status of its own it comes under HTTP 200, as the vendor does it."""
    response = envelope(None, code=code, msg=msg, status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def gateway(status: int, phrase: str) -> Response:
    """Return what a proxy in front of the vendor says."""
    body = f"<html><head><title>{status} {phrase}</title></head><body><center><h1>{status} {phrase}</h1></center></body></html>"
    return Response(body, status, media_type="text/html")


def storage_error(status: int, code: str, message: str) -> Response:
    """Return what an object store says."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")


def throttled(ordinal: int) -> Response:
    """Return a rate limit answer, in turn as 429 with Retry-After, 429 without, and HTTP 200 with code 40000."""
    match ordinal % 3:
        case 0:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1")
        case 1:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429)
        case _:
            return refusal(TOO_FREQUENT, TOO_FREQUENT_MSG)


def served(file: File) -> Response:
    """Return a result as what it is."""
    return Response(file.body, media_type=file.media_type)


def no_such_file() -> Response:
    """Return what the storage says of a file that nobody made."""
    return storage_error(404, "NoSuchKey", "The specified key does not exist.")


def expired() -> Response:
    """Return what the storage says to a signature that is wrong or over."""
    return storage_error(403, "AccessDenied", "Request has expired")


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _half_json(data: Data) -> Response:
    return Response(_half(bytes(envelope(data).body)), media_type="application/json")


def _zeroed(body: bytes) -> bytes:
    kept = len(body) * 2 // 3
    return body[:kept] + bytes(len(body) - kept)


def _first_url(data: Data) -> tuple[str, str]:
    """Return the name of the field with the first URL of a result, and the URL."""
    result = data.get("result")
    return next(((str(name), str(url)) for name, url in result.items()), ("", "")) if isinstance(result, dict) else ("", "")


def _with_url(data: Data, url: str) -> Data:
    return {**data, "result": {_first_url(data)[0]: url}}


def _storage_key(data: Data) -> str:
    path = urlsplit(_first_url(data)[1]).path
    return f"out/{data['task_id']}.{path.rpartition('.')[2]}"


_HTML_PAGE = "<!doctype html><html><head><title>Welcome</title></head><body>Please sign in.</body></html>"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
_METADATA_URL = "http://169.254.169.254/latest/meta-data/"

REFUSED: dict[str, Callable[[int], Response]] = {
    "post.429": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429),
    "post.429_retry_after": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1"),
    "post.429_odd_retry_after": lambda ordinal: refusal(
        TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after=ODD_RETRY_AFTERS[ordinal % len(ODD_RETRY_AFTERS)]
    ),
    "post.too_frequent": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG),
    "post.server_error": lambda _: refusal(SERVER_ERROR, "server error"),
    "post.500": lambda _: refusal(SERVER_ERROR, "internal error", status=500),
    "post.no_balance": lambda _: refusal(SERVER_ERROR, NO_BALANCE_MSG),
    "post.quota": lambda _: refusal(SERVER_ERROR, NO_QUOTA_MSG),
    "post.unauthorized": lambda _: refusal(BAD_KEY, ""),
    "post.bad_parameters": lambda _: refusal(BAD_PARAMETERS, BAD_PARAMETERS_MSG),
    "post.redirect": lambda _: Response(status_code=307, headers={"Location": "http://127.0.0.2:9/elsewhere"}),
    "post.502": lambda _: gateway(502, "Bad Gateway"),
    "post.reset": lambda _: Reset(),
}

ANSWERED: dict[str, Callable[[Data], Response]] = {
    "post.accept_then_reset": lambda _: Reset(),
    "post.accept_then_502": lambda _: gateway(502, "Bad Gateway"),
    "post.accept_then_504": lambda _: gateway(504, "Gateway Time-out"),
    "post.accept_then_garbage": lambda _: Response(b"\xff\x00ok?{{", media_type="application/json"),
    "post.accept_then_cut": lambda data: Cut(envelope(data).body, media_type="application/json"),
    "post.accept_then_empty": lambda _: Response(b"", media_type="application/json"),
    "post.accept_then_no_id": lambda data: envelope({"status": "queued", "model": data["model"]}),
    "post.accept_then_hang": lambda _: Hang(),
    "post.string_code": lambda data: envelope(data, code=str(OK)),
    "post.zero_code": lambda data: envelope(data, code=0),
    "post.bare": as_json,
    "poll.429": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG, status=429, retry_after="1"),
    "poll.too_frequent": lambda _: refusal(TOO_FREQUENT, TOO_FREQUENT_MSG),
    "poll.server_error": lambda _: refusal(SERVER_ERROR, "server error"),
    "poll.500": lambda _: refusal(SERVER_ERROR, "internal error", status=500),
    "poll.502": lambda _: gateway(502, "Bad Gateway"),
    "poll.garbage": _half_json,
    "poll.reset": lambda _: Reset(),
    "poll.hang": lambda _: Hang(),
    "poll.not_found": lambda _: refusal(SERVER_ERROR, NOT_FOUND_MSG),
    "poll.unauthorized": lambda _: refusal(BAD_KEY, ""),
    "poll.unknown_status": lambda data: envelope(
        {**data, "status": "prompt_checking", "progress": 1, "result": None, "error_message": None}
    ),
    "poll.bare": as_json,
    "poll.string_code": lambda data: envelope(data, code=str(OK)),
    "result.stale_url": envelope,
    "result.no_url": lambda data: envelope(_with_url(data, "")),
    "result.relative_url": lambda data: envelope(_with_url(data, _storage_key(data))),
    "result.backwards": lambda data: envelope({**data, "status": "processing", "progress": 50, "result": None}),
    "result.success_word": lambda data: envelope({**data, "status": "success", "result": None, "mediaUrl": _first_url(data)[1]}),
}

IMAGES_ANSWERED: dict[str, Callable[[Data], Response]] = ANSWERED | {
    "post.accept_then_no_id": lambda data: envelope({**data, "data": []}),
}

TOOLS_ANSWERED: dict[str, Callable[[Data], Response]] = ANSWERED | {
    "post.accept_then_no_id": lambda data: envelope({"status": data["status"], "cost": data["cost"]}),
}

UPLOADED: dict[str, Callable[[Data], Response]] = {
    "upload.500": lambda _: refusal(SERVER_ERROR, "internal error", status=500),
    "upload.reset": lambda _: Reset(),
    "upload.hang": lambda _: Hang(),
    "upload.garbage": _half_json,
    "upload.no_url": lambda data: envelope({**data, "url": ""}),
}

SERVED: dict[str, Callable[[File], Response]] = {
    "download.truncated": lambda file: Cut(file.body, media_type=file.media_type),
    "download.short": lambda file: served(File(_half(file.body), file.media_type)),
    "download.empty": lambda file: served(File(b"", file.media_type)),
    "download.html": lambda _: Response(_HTML_PAGE, media_type="text/html"),
    "download.wrong_type": lambda file: served(File(_SVG, file.media_type)),
    "download.zeroed_tail": lambda file: served(File(_zeroed(file.body), file.media_type)),
    "download.expired": lambda _: expired(),
    "download.not_found": lambda _: no_such_file(),
    "download.500": lambda _: storage_error(500, "InternalError", "We encountered an internal error."),
    "download.502": lambda _: gateway(502, "Bad Gateway"),
    "download.reset": lambda _: Reset(),
    "download.drip": lambda file: Drip(file.body, media_type=file.media_type),
    "download.redirect_inside": lambda _: Response(status_code=302, headers={"Location": _METADATA_URL}),
    "download.bomb": lambda _: served(File(bomb(), "image/png")),
}
