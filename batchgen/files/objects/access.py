"""What the environment says of an object storage: credentials, region, endpoint. Pure: the variables are handed in.

Only variables count that name what they hold; a machine's own identity is never asked for, since a wrong one would be found at night.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from batchgen.core.errors import InputError, StorageRefusedError
from batchgen.core.hosts import is_loopback_host
from batchgen.core.places import ObjectPlace, Scheme

_S3: Final = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
_GS: Final = {
    "service_account": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
    "service_account_key": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    "application_credentials": ("GOOGLE_APPLICATION_CREDENTIALS",),
}
_AZ: Final = {
    "account_name": ("AZURE_STORAGE_ACCOUNT_NAME",),
    "account_key": ("AZURE_STORAGE_ACCOUNT_KEY",),
    "sas_key": ("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN"),
    "token": ("AZURE_STORAGE_TOKEN",),
    "client_id": ("AZURE_CLIENT_ID",),
    "client_secret": ("AZURE_CLIENT_SECRET",),
    "tenant_id": ("AZURE_TENANT_ID",),
    "endpoint": ("AZURE_ENDPOINT",),
}
_OPTIONS: Final[Mapping[Scheme, Mapping[str, tuple[str, ...]]]] = {"s3": _S3, "gs": _GS, "az": _AZ}
_NEEDED: Final[Mapping[Scheme, tuple[tuple[str, ...], ...]]] = {
    "s3": (("access_key_id",), ("secret_access_key",)),
    "gs": (("service_account", "service_account_key", "application_credentials"),),
    "az": (("account_name",), ("account_key", "sas_key", "token", "client_secret")),
}
"""Of each group one is needed."""
_PATIENCE: Final = "BATCHGEN_STORAGE_PATIENCE"
_PATIENCE_S: Final = 60.0
_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a storage is reached. ``host`` is its own endpoint's, if any; ``patience_s`` is how long a silent one is asked again."""

    options: Mapping[str, str] = field(repr=False)
    host: str
    allows_http: bool
    patience_s: float
    hint: str


def access_to(place: ObjectPlace, env: Mapping[str, str]) -> Access:
    """Read the variables for a place.

    Raises StorageRefusedError when credentials are missing, InputError for an endpoint or a patience that cannot be meant.
    """
    known = _OPTIONS[place.scheme]
    found = {name: value for name, names in known.items() if (value := _first(names, env))}
    for group in _NEEDED[place.scheme]:
        if not found.keys() & group:
            raise StorageRefusedError(f"{place.address} needs credentials: set {_either(known, group)} in the environment or an --env-file")
    if place.scheme == "s3":
        found = {"region": _REGION, **found}
    host, is_plain = _endpoint(found.get("endpoint", ""), known)
    hint = " and ".join(_either(known, group) for group in _NEEDED[place.scheme])
    return Access(options=found, host=host, allows_http=is_plain, patience_s=_patience(env), hint=hint)


def _first(names: tuple[str, ...], env: Mapping[str, str]) -> str:
    return next((value for name in names if (value := env.get(name, "").strip())), "")


def _either(known: Mapping[str, tuple[str, ...]], group: tuple[str, ...]) -> str:
    return " or ".join(known[name][0] for name in group)


def _endpoint(endpoint: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, bool]:
    """Give an endpoint's host, and whether it is plain HTTP, which it may be on this machine only.

    Raises InputError, which does not quote it.
    """
    if not endpoint:
        return "", False
    variable = known["endpoint"][-1]
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:
        raise InputError(f"{variable} is no address; write https://HOST") from None
    if url.scheme not in {"http", "https"} or not host or "@" in url.netloc or url.query or url.fragment:
        raise InputError(f"{variable} must be https://HOST without a name, a password or a query")
    if url.scheme == "http" and not is_loopback_host(host):
        raise InputError(f"{variable} is plain http at {host}, which is allowed on this machine only; write https://{host}")
    return host, url.scheme == "http"


def _patience(env: Mapping[str, str]) -> float:
    text = env.get(_PATIENCE, "").strip()
    try:
        found = float(text) if text else _PATIENCE_S
    except ValueError:
        found = -1.0
    if not 0 < found <= 3600:
        raise InputError(f"{_PATIENCE} {text!r} is no number of seconds between 0 and 3600")
    return found
