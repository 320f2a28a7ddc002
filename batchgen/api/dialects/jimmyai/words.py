"""The vendor's vocabulary: what its messages and status words mean (api notes 1.5 and 2.2). Tables only, tried top to bottom."""

import re
from typing import Final, Literal

Sense = Literal["throttled", "balance", "quota", "model", "no_task", "moderated", "transient"]
"""What a message is about, as far as it decides what happens next."""

Phase = Literal["running", "completed", "failed", "canceled"]
"""Where a task stands."""

_WORDS: Final[tuple[tuple[Sense, tuple[str, ...]], ...]] = (
    ("throttled", ("频繁", "too frequent", "rate limit", "too many")),
    ("balance", ("余额不足", "insufficient", "balance")),
    ("quota", ("额度", "quota")),
    ("model", ("不支持的模型参数", "配置不存在", "unsupported model")),
    ("no_task", ("任务不存在", "task not found", "task does not exist")),
    ("moderated", ("moderation", "trademark", "safety", "policy", "审核", "违规")),
    ("transient", ("timed out", "timeout", "connection reset", "s3 upload failed", "请稍后", "稍后再试", "try later")),
)
_PATTERNS: Final = tuple((sense, re.compile("|".join(map(re.escape, words)), re.IGNORECASE)) for sense, words in _WORDS)

_PHASES: Final[dict[str, Phase]] = {
    **dict.fromkeys(("queued", "pending", "submitted", "processing", "created", "in_progress", "running"), "running"),
    **dict.fromkeys(("completed", "success", "succeeded", "succeed", "done", "finished"), "completed"),
    **dict.fromkeys(("failed", "error", "failure", "fail", "rejected"), "failed"),
    **dict.fromkeys(("canceled", "cancelled"), "canceled"),
}


def sense(message: str) -> Sense | None:
    """Say what a message is about, or None when it holds no known word."""
    return next((sense for sense, pattern in _PATTERNS if pattern.search(message)), None)


def phase(status: str) -> Phase | None:
    """Say where a status word, already in lower case, puts the task; None for a word never heard of."""
    return _PHASES.get(status)
