"""Descriptions for the tests of described vendors, as a plan gives them."""

from pathlib import Path
from typing import Any

from batchgen.api.dialects.http import HttpDialect
from batchgen.core.dialects import Call, Dialect, Reply
from batchgen.core.jobs import Job
from batchgen.planning.describing import read_vendor
from batchgen.planning.findings import Findings
from tests.support.builders import job

VENDORS = Path(__file__).parents[5] / "manifests/vendors"

TASKS: dict[str, Any] = {
    "name": "painter",
    "unit": "EUR",
    "base_url": "https://api.example.com",
    "api_key_env": None,
    "auth": {"header": "X-Key", "value": "Key {key}"},
    "models": {"lab/one": {"price": "0.025"}, "lab/two": {"price": None}},
    "params": {"steps": "int", "scale": "number", "safe": "bool", "style": "text", "format": ["png", "webp"]},
    "references": {"images": {"as": ["url", "base64"], "max": 2}, "mask": {"as": ["url"], "max": None}},
    "submit": {
        "path": "/{{ model }}/{{ style }}",
        "headers": {"Idempotency-Key": "{{ key }}", "X-Style": "{{ style }}"},
        "body": {
            "prompt": "{{ prompt }}",
            "n": 1,
            "nothing": None,
            "options": {"steps": "{{ steps }}", "scale": "{{ scale }}", "safe": "{{ safe }}"},
            "look": "{{ style }} at {{ scale }}",
            "label": "{{ model.1 }} no. {{ sample }}, {{ images }}",
            "image": "{{ images.0 }}",
            "second": "{{ images.1 }}",
            "all": ["{{ images.0 }}", "{{ mask }}", {"format": "{{ format }}"}],
            "none": {},
        },
        "task_id": "/id",
        "urls": [],
        "base64": [],
    },
    "poll": {
        "path": "/tasks/{{ task_id }}?of={{ model.0 }}",
        "status": "/state",
        "words": {"running": ["Queued"], "done": ["Ready"], "failed": ["broken"], "canceled": ["dropped"]},
        "urls": ["/out/*/url", "/out"],
    },
    "result": None,
    "error": ["/error/*/msg", "/error"],
    "errors": [
        {"status": [403], "matches": ["No Money"], "means": "balance"},
        {"status": [503], "matches": [], "means": "busy"},
        *(
            {"status": [], "matches": [f"it is {means}"], "means": means}
            for means in ("auth", "quota", "config", "throttled", "refused", "moderated", "unproven", "transient", "unknown")
        ),
    ],
    "cost": "/cost",
    "result_ttl": 7200.0,
}
"""A vendor with tasks whose result stands in the answer to the question."""

SYNC: dict[str, Any] = {
    **TASKS,
    "models": {},
    "submit": {**TASKS["submit"], "task_id": None, "urls": ["/data/*/url"], "base64": ["/data/*/b64"]},
    "poll": None,
}
"""A vendor whose answer is the result."""

SPLIT: dict[str, Any] = {
    **TASKS,
    "poll": {**TASKS["poll"], "urls": []},
    "result": {"path": "/results/{{ task_id }}", "urls": ["/image/url"]},
}
"""A vendor that tells the end of a task and its result apart."""

ORDER: Job = job(
    prompt='A "neon" sign',
    model="lab/one",
    params={"steps": "28", "scale": "3.50", "safe": "false", "style": "oil & ink", "format": "png", "model": "lab/one"},
)


def dialect(description: dict[str, Any]) -> Dialect:
    """Build the dialect."""
    return HttpDialect(description)


def shipped(name: str) -> Dialect:
    """Build the dialect of a description that is shipped with the examples."""
    findings = Findings("manifest.yaml")
    plain = read_vendor(f"{name}.yaml", findings, VENDORS, shipped=None, taken=())
    assert plain is not None, findings.as_error()
    return HttpDialect(plain)


def body_of(call: Call) -> bytes:
    """Put a body together."""
    return b"".join(call.pieces)


def reply(status: int, body: bytes, headers: dict[str, str] | None = None, parts: int = 0) -> Reply:
    """Build an answer with so many parts cut out of it."""
    return Reply(status=status, headers=headers or {}, body=body, parts=((0, 1),) * parts)
