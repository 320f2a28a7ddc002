"""Describe how a simulator is started: one frozen object, its command line, and the way back.

Standard library only and cheap to import, so that a command can build the object without loading the server.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from batchgen.sim.faults import FAULTS, FaultError, FaultPlan
from batchgen.sim.profiles import PROFILES
from batchgen.sim.steps import StepError, per_second, step


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """Hold everything a simulator needs to know; `balance` and `revoke_after` default to the profile's.

    `submit_rate` is in requests a second; None means no limit, as for `max_in_flight`. `key_quota` 0 means no cap.
    `steps` change these two while it serves, as `sim.steps` reads them.
    """

    port: int = 0
    profile: str = "calm"
    seed: int = 0
    faults: tuple[str, ...] = ()
    ledger: Path | None = None
    fsync: bool = True
    latency_s: float = 1.0
    max_running: int = 64
    max_in_flight: int | None = None
    submit_rate: float | None = None
    steps: tuple[str, ...] = ()
    price_scale: Decimal = Decimal(1)
    balance: Decimal | None = None
    key_quota: Decimal = Decimal(0)
    revoke_after: int | None = None
    url_ttl_s: float = 259200.0
    upload_ttl_s: float = 259200.0
    image_scale: float = 0.5
    image_bytes: int = 0
    exit_with_stdin: bool = False

    def plan(self) -> FaultPlan:
        """Return the fault plan these options describe; raises FaultError when a name or rate is wrong."""
        return FaultPlan.of(self.seed, self.profile, self.faults)

    def argv(self) -> list[str]:
        """Return the command line that `options` reads back into an equal object."""
        words = [f"--fault={fault}" for fault in self.faults] + [f"--step={step}" for step in self.steps]
        for flag, value in (
            ("port", self.port),
            ("profile", self.profile),
            ("seed", self.seed),
            ("ledger", self.ledger),
            ("latency", self.latency_s),
            ("max-running", self.max_running),
            ("max-in-flight", self.max_in_flight),
            ("submit-rate", self.submit_rate),
            ("price-scale", self.price_scale),
            ("balance", self.balance),
            ("key-quota", self.key_quota),
            ("revoke-after", self.revoke_after),
            ("url-ttl", self.url_ttl_s),
            ("upload-ttl", self.upload_ttl_s),
            ("image-scale", self.image_scale),
            ("image-bytes", self.image_bytes),
        ):
            if value is not None:
                words.append(f"--{flag}={value}")
        words += [] if self.fsync else ["--no-fsync"]
        return words + (["--exit-with-stdin"] if self.exit_with_stdin else [])


def options(argv: Sequence[str], *, prog: str = "python -m batchgen.sim") -> SimOptions:
    """Return the options on a command line; exits with a usage message, or 0 after `--help` and `--list-faults`."""
    parser = _parser(prog)
    chosen = vars(parser.parse_args(argv))
    if chosen.pop("list_faults"):
        sys.stdout.write(fault_table())
        parser.exit()
    made = SimOptions(**chosen | {"faults": tuple(chosen["faults"]), "steps": tuple(chosen["steps"])})
    try:
        made.plan()
    except FaultError as error:
        parser.error(str(error))
    return made


def fault_table() -> str:
    """Return every profile and fault with its meaning, one a line."""
    width = max(map(len, (*FAULTS, *PROFILES)))
    profiles = [f"  {name:<{width}}  {profile.meaning}" for name, profile in PROFILES.items()]
    faults = [f"  {name:<{width}}  {meaning}" for name, meaning in FAULTS.items()]
    return "\n".join(["profiles", *profiles, "", "faults", *faults, ""])


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve a simulated JimmyAI API, images and videos, and OpenAI image calls on loopback.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, help="port on 127.0.0.1; 0 picks a free one (default)")
    add("--profile", choices=tuple(PROFILES), help="named mixture of faults (default: calm)")
    add("--seed", type=int, help="seed of faults, latencies and signatures (default: 0)")
    add("--fault", dest="faults", action="append", default=[], metavar="NAME[=RATE|@N]", help="add one fault; repeatable")
    add("--list-faults", action="store_true", default=False, help="print every profile and fault, then exit")
    add("--ledger", type=Path, metavar="PATH", help="billing ledger; an existing one is continued")
    add("--no-fsync", dest="fsync", action="store_false", help="flush the ledger to the kernel only")
    add("--latency", dest="latency_s", type=_seconds, metavar="S", help="median of a gpt-image-2 picture (default: 1)")
    add("--max-running", type=_count, metavar="N", help="tasks, and synchronous calls, at once; the rest wait (default: 64)")
    add("--max-in-flight", type=_count, metavar="N", help="unfinished tasks and synchronous calls; a further one is throttled")
    add("--submit-rate", type=_per_second, metavar="N/s", help="paid calls let through, as 5/s or 60/min")
    add(
        "--step",
        dest="steps",
        type=_step,
        action="append",
        default=[],
        metavar="S:LIMIT=N",
        help="change in_flight or submit_rate later; repeatable",
    )
    add("--price-scale", type=_amount, metavar="X", help="multiply every price (default: 1)")
    add("--balance", type=_amount, metavar="X", help="JimiCoin in the account (default: 1000)")
    add("--key-quota", type=_amount, metavar="X", help="spending cap of the key (default: none)")
    add("--revoke-after", type=_count, metavar="N", help="revoke a key after N paid calls")
    add("--url-ttl", dest="url_ttl_s", type=_seconds, metavar="S", help="life of a result URL (default: 3 days)")
    add("--upload-ttl", dest="upload_ttl_s", type=_seconds, metavar="S", help="life of an uploaded file (default: 3 days)")
    add("--image-scale", type=_scale, metavar="X", help="1 draws 1k as 1024 pixels and exact sizes as they are (default: 0.5)")
    add("--image-bytes", type=int, metavar="N", help="pad every picture to at least N bytes")
    add("--exit-with-stdin", action="store_true", help="stop when standard input, a pipe, reaches its end")
    return parser


def _seconds(text: str) -> float:
    if (value := float(text)) >= 0:
        return value
    raise argparse.ArgumentTypeError("a duration is not negative")


def _scale(text: str) -> float:
    if 0 < (value := float(text)) <= 4:
        return value
    raise argparse.ArgumentTypeError("a scale lies above 0 and up to 4")


def _count(text: str) -> int:
    if (value := int(text)) >= 1:
        return value
    raise argparse.ArgumentTypeError("a count starts at 1")


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if value.is_finite() and value >= 0:
        return value
    raise argparse.ArgumentTypeError(f"'{text}' is no amount of money")


def _per_second(text: str) -> float:
    try:
        return per_second(text)
    except StepError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _step(text: str) -> str:
    try:
        step(text)
    except StepError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
