"""What the free services promise that some dialects have: uploads, the account, the price catalogue."""

import math
from collections.abc import Iterable
from typing import Final

from batchgen.core.dialects import Account, Accounts, Attachment, Call, Dialect, Priced, Reply, Uploads
from batchgen.core.readings import Rejected, Stopped, Throttled, Trouble, Uploaded
from batchgen.testing.findings import Findings
from batchgen.testing.readings import is_address

_IMAGE: Final = Attachment(role="images", filename="sh\u00f6e .png", media_type="image/png", content=b"\x89PNG\r\n\x1a\n")


def check_services(dialect: Dialect, strangers: Iterable[tuple[str, Reply]], findings: Findings) -> None:
    """Check whichever of the services the dialect has, with answers that have nothing to do with them."""
    has_services = isinstance(dialect, Uploads | Accounts | Priced)
    if isinstance(dialect, Uploads):
        _check_upload(dialect, findings)
    for name, reply in strangers if has_services else ():
        if isinstance(dialect, Uploads):
            _check_upload_reading(dialect, name, reply, findings)
        if isinstance(dialect, Accounts):
            _check_account_reading(dialect, name, reply, findings)
        if isinstance(dialect, Priced):
            _check_catalogue(dialect, name, reply, findings)


def _check_upload(dialect: Uploads, findings: Findings) -> None:
    is_time = math.isfinite(dialect.upload_ttl_s) and dialect.upload_ttl_s > 0
    findings.unless(is_time, "upload_ttl_s is a time above 0", repr(dialect.upload_ttl_s))
    calls = [findings.attempt("upload", lambda: dialect.upload(_IMAGE)) for _ in range(2)]
    for call in calls:
        is_post = isinstance(call, Call) and call.method == "POST" and (_IMAGE.content or b"") in b"".join(call.pieces)
        findings.unless(is_post, "an upload is a POST of the content")
    findings.unless(calls[0] == calls[1], "upload gives the same bytes each time")


def _check_upload_reading(dialect: Uploads, name: str, reply: Reply, findings: Findings) -> None:
    reading = findings.attempt("read_upload", lambda: dialect.read_upload(reply), name)
    is_one = isinstance(reading, Uploaded | Throttled | Stopped | Rejected | Trouble)
    findings.unless(is_one, "read_upload gives an UploadReading", f"{type(reading).__name__} for {name}")
    if isinstance(reading, Uploaded):
        findings.unless(is_address(reading.url), "an upload's address is an absolute http(s) URL", f"{reading.url!r:.80} for {name}")


def _check_account_reading(dialect: Accounts, name: str, reply: Reply, findings: Findings) -> None:
    for replies in ([reply], [reply, reply], []):
        reading = findings.attempt("read_account", lambda replies=replies: dialect.read_account(replies), name)  # type: ignore[misc]
        is_one = isinstance(reading, Account | Stopped | Trouble)
        findings.unless(is_one, "read_account gives an Account, Stopped or Trouble", f"{type(reading).__name__} for {name}")
        if isinstance(reading, Account):
            amounts = (reading.available, reading.used, reading.quota, reading.quota_used)
            is_money = all(amount is None or amount >= 0 for amount in amounts)
            findings.unless(is_money, "an account's amounts are never negative", f"{amounts} for {name}")


def _check_catalogue(dialect: Priced, name: str, reply: Reply, findings: Findings) -> None:
    prices = findings.attempt("read_catalogue", lambda: dialect.read_catalogue(reply), name)
    is_money = all(price.micros >= 0 for price in (prices or {}).values())
    findings.unless(is_money, "a catalogue's prices are never negative", name)
