"""Say what a customer wants to buy, in the only terms that the till needs, or why the vendor does not sell it.

The modules that know the calls (`catalogue`, `synchronous`, `tools`, `videos`, `openai`) make orders; `vendor` bills them.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from batchgen.sim.billing import Call
from batchgen.sim.codes import BAD_PARAMETERS, BAD_PARAMETERS_MSG


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Say why the vendor did not accept a request; nothing was billed."""

    code: int
    msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Hold the fields of a call as the ledger records them, its raw body, and its first source image, small."""

    fields: dict[str, object]
    raw: bytes
    preview: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold one valid paid call; `pace` is its latency as a multiple of the median one."""

    call: Call
    model: str
    prompt: str
    cost: Decimal
    pace: float
    fields: dict[str, object]
    raw: bytes
    preview: str = ""

    @property
    def body_sha256(self) -> str:
        """Return the hash of the body as it came over the wire."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def prompt_sha256(self) -> str:
        """Return the hash of the prompt."""
        return hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).hexdigest()


def misfit(field: str) -> Refusal:
    """Return the refusal of a request whose field cannot be what it is."""
    return Refusal(code=BAD_PARAMETERS, msg=f"{BAD_PARAMETERS_MSG}: {field}")
