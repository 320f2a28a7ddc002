"""Tests of the billing ledger: what is in the file, and what a restart finds there."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from batchgen.sim.billing import BillLine, Ledger


def line(task_id: str = "img_1", *, event: str = "charge", cost: str = "0.06") -> BillLine:
    """Return a ledger line."""
    return BillLine(
        event="refund" if event == "refund" else "charge",
        task_id=task_id,
        model="gpt-image-2",
        body_sha256="b" * 64,
        prompt_sha256="p" * 64,
        cost=Decimal(cost),
        at=datetime(2026, 9, 1, 22, 30, 0, 123456, tzinfo=UTC),
        request={"model": "gpt-image-2", "prompt": "狐狸 \ud800"},
        latency_s=1.25,
        ending="completed",
    )


def test_a_line_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    """Another reader sees the whole line at once, money as text and time in UTC."""
    ledger = Ledger(tmp_path / "bill.jsonl")

    ledger.append(line())

    raw = (tmp_path / "bill.jsonl").read_bytes()
    written = json.loads(raw)
    assert raw.endswith(b"\n")
    assert (
        written["event"],
        written["cost"],
        written["at"],
    ) == ("charge", "0.06", "2026-09-01T22:30:00.123456+00:00")
    ledger.close()


def test_a_reopened_ledger_holds_the_same_lines(tmp_path: Path) -> None:
    """What was appended is read back equal, money included."""
    first = Ledger(tmp_path / "bill.jsonl")
    first.append(line("img_1"))
    first.append(line("img_2", cost="0.12"))
    first.append(line("img_1", event="refund"))
    first.close()

    second = Ledger(tmp_path / "bill.jsonl")

    assert first.lines == second.lines
    assert Decimal("0.12") == second.spent
    second.close()


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """A line without its end belongs to an answer that never left; the next line starts clean."""
    path = tmp_path / "bill.jsonl"
    first = Ledger(path)
    first.append(line("img_1"))
    first.close()
    path.write_bytes(path.read_bytes() + b'{"event": "char')

    second = Ledger(path)
    second.append(line("img_2"))
    second.close()

    assert [json.loads(each)["task_id"] for each in path.read_bytes().splitlines()] == ["img_1", "img_2"]


def test_sync_is_free_for_lines_already_on_disk(tmp_path: Path) -> None:
    """One fsync serves every line written before it."""
    ledger = Ledger(tmp_path / "bill.jsonl")
    early = ledger.append(line("img_1"))
    late = ledger.append(line("img_2"))

    ledger.sync(early)

    assert late == ledger._synced
    ledger.close()


def test_a_ledger_without_a_file_still_counts() -> None:
    """A throw-away simulator keeps its bill in memory."""
    ledger = Ledger()

    ledger.sync(ledger.append(line()))

    assert Decimal("0.06") == ledger.spent
    ledger.close()
