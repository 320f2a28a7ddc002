"""Sign the paths of files, so that a URL opens one file for one span of time; a restart with the same seed agrees."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from math import ceil


class Signer:
    """Sign names with a key that follows from the seed."""

    def __init__(self, seed: int) -> None:
        self._secret = hashlib.sha256(f"batchgen-sim/{seed}".encode()).digest()

    def query(self, name: str, until: float) -> str:
        """Return the query string that opens the file until this instant."""
        expires = ceil(until)
        return f"Expires={expires}&Signature={self._signature(name, str(expires))}"

    def opens(self, name: str, expires: str, signature: str, now: float) -> bool:
        """Return whether the signature is ours, for this name, and not past its expiry."""
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(self._signature(name, expires).encode(), given):
            return False
        return now < int(expires)

    def _signature(self, name: str, expires: str) -> str:
        digest = hmac.digest(self._secret, f"{name}/{expires}".encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:18]).decode()
