"""What all of the vendor's languages share: uploads, the account's money, the price catalogue, and where the key goes."""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from batchgen.api import pointers
from batchgen.api.dialects.jimmyai import answers, drift, outcomes, prices
from batchgen.api.envelope import parse
from batchgen.api.multipart import Field, encode
from batchgen.api.paths import step
from batchgen.core.dialects import Account, Attachment, Call, Prices, Reply
from batchgen.core.jobs import Job
from batchgen.core.money import Micros
from batchgen.core.readings import (
    Accepted,
    Busy,
    Delivered,
    Rejected,
    Stopped,
    Throttled,
    Trouble,
    Unproven,
    Unreadable,
    Uploaded,
    UploadReading,
)

V1: Final = "/api/open-api/v1"

_CATALOGUE: Final = "/api/openapi/model/catalog"
_EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "image/bmp": ("bmp",),
}


class Services:
    """The vendor apart from what is ordered (``core.dialects.Uploads``, ``Accounts`` and ``Priced``).

    ``tasks_path`` is where a task is asked after.
    """

    tasks_path: str

    unit: str = "coin"
    key_env: str = "JIMMYAI_API_KEY"
    base_url: str = "${JIMMYAI_BASE_URL:-https://api.viraltok.ai}"
    api_path: str = V1
    # The direct host spares long calls the time limit of the edge before the other.
    sync_hosts: Mapping[str, str] = MappingProxyType({"https://api.viraltok.ai": "https://img.viraltok.ai"})
    authorization: tuple[str, str] = ("Authorization", "Bearer {key}")
    result_ttl_s: float = 72 * 3600.0
    # The vendor's notes say "about three days": an upload is used again only well before.
    upload_ttl_s: float = 48 * 3600.0

    def poll(self, job: Job) -> Call:
        """Build the question about the job's task; its id is quoted, whatever it holds."""
        return Call(method="GET", path=f"{self.tasks_path}/{step(job.task_id or '')}")

    def unfamiliar(self, job: Job, reply: Reply) -> Sequence[str]:  # noqa: ARG002 - all answers share one contract
        """Name what the answer holds that nobody has documented: ``field data.eta``, ``status dreaming``, ``code 30001``."""
        return drift.unfamiliar(reply)

    def upload(self, attachment: Attachment) -> Call:
        """Build the upload of an attachment's content, under a filename whose extension fits its type: the vendor goes by it."""
        content = attachment.content or b""
        file = Field(name="file", content=content, filename=_filename(attachment), media_type=attachment.media_type)
        body, content_type = encode([file], boundary=f"batchgen-{hashlib.sha256(content).hexdigest()[:32]}")
        return Call(method="POST", path=f"{V1}/files/upload", body=body, content_type=content_type)

    def read_upload(self, reply: Reply) -> UploadReading:
        """Say what became of an upload."""
        answer = answers.opened(reply)
        places = (value for place in ("/data/url", "/url") for value in pointers.found(answer.fields, place))
        url = next(iter(pointers.usable_urls(places)), None)
        if url is not None and (answer.is_success or (answer.code is None and 200 <= answer.status < 300)):
            return Uploaded(url=url)
        reading = outcomes.refusal(answer, reply, wanted="an address")
        match reading:
            case Throttled() | Stopped() | Rejected():
                return reading
            case Accepted() | Delivered() | Busy() | Unproven() | Unreadable():
                return Trouble(message="the answer names no usable address" if answer.is_success else answer.message)

    def account_calls(self) -> Sequence[Call]:
        """Build the questions about the account's money: what it holds, then what the key may spend of it."""
        return (Call(method="GET", path=f"{V1}/user/balance"), Call(method="GET", path=f"{V1}/key/balance"))

    def read_account(self, replies: Sequence[Reply]) -> Account | Stopped | Trouble:
        """Say what the answers tell; one of them alone tells its half."""
        opened = [answers.opened(reply) for reply in replies]
        refused = next((answer for answer in opened if answer.code == answers.AUTH_CODE or answer.status in {401, 403}), None)
        if refused is not None:
            return Stopped(kind="auth", message=refused.told)
        told: dict[str, object] = {}
        for answer in opened:
            told.update(answer.task if answer.is_success else {})
        account = _account(told)
        if account == Account():
            return Trouble(message=next((answer.message for answer in opened), "no answer"))
        return account

    def catalogue_call(self) -> Call:
        """Build the question for the price catalogue, whole; it needs no key."""
        return Call(method="GET", path=_CATALOGUE)

    def read_catalogue(self, reply: Reply) -> Prices | None:
        """Give the prices, or None when the answer holds none."""
        return prices.listed(parse(reply.body))


def _filename(attachment: Attachment) -> str:
    known = _EXTENSIONS.get(attachment.media_type, ())
    stem, _, extension = attachment.filename.rpartition(".")
    if not known or (stem and extension.lower() in known):
        return attachment.filename or "file"
    return f"{stem or attachment.filename or 'image'}.{known[0]}"


def _account(told: Mapping[str, object]) -> Account:
    """Put the fields of both answers together; their names do not meet.

    A cap of 0 is none, and then the vendor calls what is left 0 too. Less than nothing is nothing.
    """
    total, used = (answers.decimal(told.get(name)) for name in ("total_quota", "used_quota"))
    unlimited = True if told.get("unlimited") is True or total == 0 else _claim(told.get("unlimited"))
    left = _left(told.get("available_quota"), total, used)
    return Account(
        available=_left(told.get("available"), *(answers.decimal(told.get(name)) for name in ("balance", "used_coin"))),
        used=pointers.amount(told.get("used_coin")),
        quota=None if unlimited else left,
        quota_used=pointers.amount(told.get("used_quota")),
        is_unlimited=unlimited,
    )


def _claim(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _left(named: object, total: Decimal | None, used: Decimal | None) -> Micros | None:
    """Give what is left as the vendor names it, else the difference."""
    left = answers.decimal(named)
    if left is None and total is not None and used is not None:
        left = total - used
    return None if left is None else pointers.amount(max(left, Decimal(0)))
