"""What went wrong on the network, in words that quote nothing: the libraries' own texts may hold headers or a signed URL."""

import errno
import os
import re
import ssl
from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error down to what it came from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def told(error: Exception) -> str:
    """Say what went wrong by the error's class and the system's words; the library's own text may quote headers or a signed URL."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    tls = next((words for cause in causes(error) if isinstance(cause, ssl.SSLError) and (words := _tls_words(cause))), None)
    system = tls or next((_system_words(cause) for cause in causes(error) if isinstance(cause, OSError) and cause.strerror), None)
    return f"{name} ({system})" if system else name


def _tls_words(error: ssl.SSLError) -> str:
    """Say why TLS failed; its error number is none of the system's, though it looks like one."""
    return str(getattr(error, "verify_message", "") or (getattr(error, "reason", None) or "").lower().replace("_", " "))


def _system_words(error: OSError) -> str:
    """Prefer the system's text for an error number: asyncio puts the address in its place. TLS has numbers and words of its own."""
    said: str | None = getattr(error, "verify_message", None)  # of an ssl.SSLCertVerificationError; aiohttp's subclass lacks it
    if said:
        return said
    number = error.errno
    return os.strerror(number) if number is not None and number in errno.errorcode else str(error.strerror)
