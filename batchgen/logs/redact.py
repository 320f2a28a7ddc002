"""The one place where secrets are taken out of text, and where text is made safe to show.

Known secrets go wherever they stand; unknown ones go by their shape: bearer tokens, ``sk-`` keys, user names, passwords and query strings
of URLs, base64. What remains has its control and direction-changing characters shown escaped, so that a prompt or a vendor's message
can neither steer a terminal nor forge a line. Pure.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from batchgen.core.secrets import spellings, without_queries

HIDDEN: Final = "[redacted]"
_MIN_SECRET: Final = 4
_MAX_DEPTH: Final = 8
_KEPT: Final = (int, float, bool, type(None))

_UNSAFE: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    r"\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction, zero width, separators
    r"\ud800-\udfff\U000e0000-\U000e007f"  # halves of pairs, tags
)
_CONTROL: Final = re.compile(f"[{_UNSAFE}]")
_BREAKS: Final = re.compile(f"[{_UNSAFE}\\t\\n]")

# Text without any of these needs no further look; most log values have none.
_SUSPECT: Final = rf"(?i:bearer|basic|sk[-_]|://|base64|\?[\w.%+-]+=|[A-Za-z0-9+/]{{200}})|[{_UNSAFE}]"
_AUTHORIZATION: Final = re.compile(r"(?i)\b(bearer(?:\s+|%20)|basic\s+(?=[\w+/=-]{16}))[^\s\"',;]+")
_TOKEN: Final = re.compile(r"(?i)\b(sk[-_])[\w-]{6,}")
_URL: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)([^\s\"'<>`]+)")
_DATA_URI: Final = re.compile(r"(?i)data:([\w.+/-]*)[^,\s]*;base64,[A-Za-z0-9+/=_%-]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_SECRET_NAME: Final = re.compile(r"(?i)authorization|api[-_]?key|password|passwd|secret|cookie")


class Redactor:
    """Take secrets out of values of any kind.

    ``secrets`` are literal values, known whole; each is also found percent-quoted or inside base64. Values of fewer than four characters
    are too short to be told from ordinary text and are ignored.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets if len(secret.strip()) >= _MIN_SECRET for form in spellings(secret.strip())}
        known = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._known: Final = re.compile(known) if known else None
        self._suspect: Final = re.compile(f"{known}|{_SUSPECT}" if known else _SUSPECT)
        # Fields of log lines have few names, which come again and again.
        self._name: Final = lru_cache(maxsize=1024)(self._look_at_name)

    def text(self, text: str) -> str:
        """Give the text without secrets; tabs and line feeds stay, other unsafe characters are shown escaped."""
        if not self._suspect.search(text):
            return text
        if self._known:
            text = self._known.sub(HIDDEN, text)
        text = _DATA_URI.sub(_data_uri, text)
        text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
        text = _TOKEN.sub(rf"\1{HIDDEN}", text)
        text = _URL.sub(_url, text)
        text = without_queries(text)
        text = _BASE64.sub(lambda found: f"[{len(found[0])} characters of base64]", text)
        return _CONTROL.sub(_escaped, text)

    def value(self, value: object, *, depth: int = 0) -> object:
        """Give the value without secrets, as something that JSON can hold: mappings, lists, text and numbers.

        Everything else, exceptions included, becomes its redacted text; what is nested deeper than eight levels becomes ``…``.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, _KEPT):
            return value
        if isinstance(value, (bytes, bytearray)):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if depth == _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return dict(self._item(str(key), item, depth + 1) for key, item in value.items())
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, depth=depth + 1) for item in value]
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        return self.text(str(value))

    def _item(self, key: str, value: object, depth: int) -> tuple[str, object]:
        """Redact a mapping's item; a name such as ``api_key`` hides its text whatever it looks like."""
        shown, hides_text = self._name(key)
        if hides_text and isinstance(value, (str, bytes)):
            return shown, HIDDEN
        return shown, self.value(value, depth=depth)

    def _look_at_name(self, key: str) -> tuple[str, bool]:
        return self.text(key), bool(_SECRET_NAME.search(key)) and not key.lower().endswith("_env")


def one_line(text: str) -> str:
    """Show every control and direction-changing character escaped, tabs and line feeds too."""
    return _BREAKS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    # Halves of pairs cannot be encoded otherwise; the others get Python's short forms (\n, \x1b, \u202e).
    return found[0].encode("unicode_escape").decode("ascii")


def _data_uri(found: re.Match[str]) -> str:
    return f"data:{found[1]};base64,[{len(found[0])} characters]"


def _url(found: re.Match[str]) -> str:
    """Keep scheme, host and path; hide user and password, and drop the query (signatures) and the fragment."""
    place = _without_user(found[2])
    for mark in "?#":
        kept, seen, _ = place.partition(mark)
        place = f"{kept}{mark}…" if seen else place
    return found[1] + place


def _without_user(place: str) -> str:
    """Hide ``user:password@``, also where an unquoted slash or ``@`` in the password makes it look like something else."""
    host = place.partition("/")[0]
    port = "" if host.startswith("[") else host.partition(":")[2]
    if "@" in host or ("@" in place and port and not port.isdigit()):
        return HIDDEN + place[place.rindex("@") :]
    return place
