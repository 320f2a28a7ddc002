"""The vendor's account: what it may still spend, before a run, after it, and when somebody asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchgen.app.asking import ask, reason, replies
from batchgen.app.loading import load_plan
from batchgen.app.pricing import look_up, read
from batchgen.app.vendor import dialect_named, dialect_of, endpoint_of, require_key
from batchgen.app.wording import counted
from batchgen.core.dialects import Account, Accounts, Dialect, Priced, Rules
from batchgen.core.errors import ExchangeError, InputError, StopRunError
from batchgen.core.exits import Exit
from batchgen.core.money import from_micros, shown
from batchgen.core.ports import Client, Log
from batchgen.core.pricing import PriceList
from batchgen.core.readings import Stopped, Trouble
from batchgen.planning.provider import provider_of
from batchgen.planning.settings import ProviderSettings
from batchgen.settings import Settings
from batchgen.worker.bearing import Bearing

_PATIENCE_S: Final = 30.0
_MANY: Final = 1_000_000_000

Reading = Account | Stopped | Trouble
"""What the vendor tells of the account, or why it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An account as it is shown: its money, the key's quota, and the vendor's prices, each None where it is not told."""

    vendor: str
    unit: str
    account: Account | None
    prices: PriceList | None
    rules: Rules

    def as_object(self) -> dict[str, object]:
        """Give the statement as JSON; money is decimal text, unknown is null."""
        account = self.account or Account()
        return {
            "vendor": self.vendor,
            "unit": self.unit,
            "available": _text(account.available),
            "used": _text(account.used),
            "quota": _text(account.quota),
            "quota_used": _text(account.quota_used),
            "unlimited": account.is_unlimited,
            "prices": _listed(self.prices),
        }

    def lines(self) -> Iterator[str]:
        """Give the statement for people, in lines of at most 80 columns."""
        yield f"{self.vendor}"
        if self.account is not None:
            yield from _account_lines(self.account, self.unit)
        if self.prices is None:
            yield "  prices    the vendor tells none"
            return
        yield f"  prices    {counted(len(self.prices.prices), 'name')}, {self.prices.at:%Y-%m-%d %H:%M} UTC"
        yield f"            from {self.prices.source}"
        width = max(map(len, self.prices.prices))
        for name, price in sorted(self.prices.prices.items()):
            yield f"  {name:<{width}}  {shown(price.micros, self.unit)} {price.mode.replace('_', ' ')}"


def provider_for(manifest: Path | None, use: str | None, settings: Settings) -> ProviderSettings:
    """Give the provider of a manifest, or of a dialect by its word, ``jimmyai`` when neither is said; raise InputError, ManifestError."""
    if manifest is not None:
        if use is not None:
            raise InputError("a manifest names its own provider: leave --use out")
        return load_plan(manifest, settings.env, max_jobs=_MANY).settings.provider
    word = use or "jimmyai"
    dialect = dialect_named(word)
    return provider_of(word, dialect, settings.env)


def statement(provider: ProviderSettings, settings: Settings) -> Statement:
    """Ask a vendor for balance, quota and prices; raise StopRunError (exit 4) for a missing or rejected key.

    Raises InputError when it does not answer.
    """
    if provider.use == "sim":
        raise InputError("the embedded simulator lives only while a run needs it; start one with: batchgen sim")
    dialect = dialect_of(provider)
    host = provider.base_url.partition("://")[2]
    account: Account | None = None
    if isinstance(dialect, Accounts):
        endpoint = endpoint_of(provider, dialect, key=require_key(provider, settings))
        answers = ask(endpoint, dialect.account_calls(), user_agent=settings.user_agent, patience_s=_PATIENCE_S)
        if isinstance(answers, ExchangeError | InputError):
            raise InputError(f"{host} could not be asked: {reason(answers)}; look at provider.base_url and the network")
        account = _told(dialect.read_account(answers), host)
    return Statement(
        vendor=f"{dialect.name} at {host}", unit=dialect.unit, account=account, prices=look_up(provider, settings).listed, rules=dialect
    )


async def read_account(client: Client, dialect: Dialect) -> Reading | None:
    """Ask for the account's money over an open client; None for a vendor that does not tell it."""
    if not isinstance(dialect, Accounts):
        return None
    answers = await replies(client, dialect.account_calls())
    return Trouble(message=str(answers)) if isinstance(answers, ExchangeError) else dialect.read_account(answers)


async def account_of(client: Client, dialect: Dialect) -> Account | None:
    """Ask for the account's money over an open client; None when the vendor does not tell it."""
    reading = await read_account(client, dialect)
    return reading if isinstance(reading, Account) else None


async def read_prices(client: Client, dialect: Dialect, base_url: str) -> PriceList | None:
    """Ask for the price catalogue over an open client; None for a vendor that has none or does not answer."""
    if not isinstance(dialect, Priced):
        return None
    call = dialect.catalogue_call()
    answers = await replies(client, [call])
    return None if isinstance(answers, ExchangeError) else read(dialect, call, answers[0], base_url=base_url)


def weigh(reading: Reading | None, bearing: Bearing, log: Log, *, wanted: int | None, unit: str) -> None:
    """Draw a run's conclusions from what the account holds before its first order; ``wanted`` are the micros that the plan may cost.

    Nothing is ordered on an empty account, with a used-up quota or a rejected key; a shortfall and a silent vendor are only told.
    """
    match reading:
        case Stopped(kind=kind, message=message):
            bearing.vendor_stopped(kind, message)
        case Trouble(message=message):
            log.warning("account.unknown", detail=message)
        case Account(available=available) if available is not None and available <= 0:
            bearing.vendor_stopped("balance", f"{shown(available, unit)} available")
        case Account(quota=quota, quota_used=used) if quota is not None and used is not None and used >= quota:
            bearing.vendor_stopped("quota", f"{shown(used, unit)} of {shown(quota, unit)} used")
        case Account(available=available) if available is not None and wanted is not None and available < wanted:
            message = f"the account holds {shown(available, unit)}, the rest of the plan may cost {shown(wanted, unit)}"
            log.warning("account.short", detail=message)
            bearing.say(message)
        case Account() | None:
            return


def shortfall(account: Account | None, *, rows: int, wanted: int | None, unit: str) -> str:
    """Say what an account still holds, as far as it is told, and what the rows that are left need."""
    held = []
    if account is not None and account.available is not None:
        held.append(f"{shown(account.available, unit)} available")
    if account is not None and account.quota is not None:
        held.append(f"the key may spend {shown(account.quota, unit)} more, {shown(account.quota_used, unit)} are used")
    needs = "needs" if rows == 1 else "need"
    return "; ".join([*held, f"{counted(rows, 'row')} left {needs} {shown(wanted, unit)}"])


def _told(reading: Reading, host: str) -> Account:
    match reading:
        case Account():
            return reading
        case Stopped(message=message):
            said = f" ({message})" if message else ""
            raise StopRunError(f"the API key was rejected by {host}{said}", exit_code=Exit.AUTH, reason="auth")
        case Trouble(message=message):
            raise InputError(f"{host} does not tell the account: {message}; look at provider.base_url")


def _account_lines(account: Account, unit: str) -> Iterator[str]:
    yield f"  balance   {shown(account.available, unit)} available, {shown(account.used, unit)} used"
    if account.is_unlimited:
        yield "  key       no cap of its own"
    else:
        yield f"  key       {shown(account.quota_used, unit)} used of {shown(account.quota, unit)}"


def _text(micros: int | None) -> str | None:
    return None if micros is None else str(from_micros(micros))


def _listed(prices: PriceList | None) -> Mapping[str, object] | None:
    if prices is None:
        return None
    listed = {name: {"amount": _text(price.micros), "mode": price.mode} for name, price in sorted(prices.prices.items())}
    return {"source": prices.source, "at": prices.at.isoformat(), "list": listed}
