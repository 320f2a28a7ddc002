"""A conformance kit for dialects: run it against yours, whatever test runner you use.

``check_dialect`` needs no network: it shows the dialect an example's answers, and some ten thousand answers that no vendor should give.
``check_against`` runs a small batch through the real engine against a fake server of yours on loopback. Both return None, or raise one
AssertionError that lists every broken promise in a sentence of its own. The promises stand in docs/dialects.md and in ``core.dialects``.
"""

from batchgen.testing.conformance import check_dialect
from batchgen.testing.examples import Example, job, reply
from batchgen.testing.live import check_against

__all__ = ["Example", "check_against", "check_dialect", "job", "reply"]
