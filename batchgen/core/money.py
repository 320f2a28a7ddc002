"""Money, exactly: decimals outside, whole millionths of the provider's unit inside (the database adds them up)."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final, NewType

Micros = NewType("Micros", int)
"""An amount in millionths of the provider's unit."""

_SCALE: Final = Decimal(1_000_000)
_LARGEST: Final = Decimal(10) ** 12


def to_micros(amount: Decimal | int | str) -> Micros:
    """Convert an amount of the provider's unit; raise ValueError when it is not a finite amount between 0 and 10^12."""
    try:
        value = Decimal(amount)
    except InvalidOperation:
        msg = "not a decimal amount"
        raise ValueError(msg) from None
    if not value.is_finite() or not 0 <= value <= _LARGEST:
        msg = "not a finite amount between 0 and 10^12"
        raise ValueError(msg)
    return Micros(int((value * _SCALE).to_integral_value(ROUND_HALF_UP)))


def from_micros(micros: int) -> Decimal:
    """Convert back, without trailing zeros or exponent: ``60000`` is ``Decimal('0.06')``."""
    return Decimal(f"{(Decimal(micros) / _SCALE).normalize():f}")


def shown(micros: int | None, unit: str) -> str:
    """Write an amount with its unit; an unknown amount is ``unknown``, never 0."""
    return "unknown" if micros is None else f"{from_micros(micros)} {unit}".rstrip()
