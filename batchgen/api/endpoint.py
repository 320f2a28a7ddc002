"""Where a vendor's API stands and how the key is shown to it. Apart from the client, which takes long to import."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An API's address with its key, which is in no repr.

    ``base_url`` may end in slashes or in ``api_path``; plain http is for loopback only. ``sync_base_url`` serves the calls that ask for
    the host "sync", if the vendor has one. ``authorization`` is a header and its value with ``{key}`` in it; without a key it is not sent.
    """

    base_url: str
    key: str | None = field(repr=False)
    sync_base_url: str | None = None
    api_path: str = ""
    authorization: tuple[str, str] = ("Authorization", "Bearer {key}")
