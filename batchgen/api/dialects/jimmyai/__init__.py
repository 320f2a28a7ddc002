"""JimmyAI, now ViraltokAI: images as tasks to follow or answered at once, over an envelope of ``{code, msg, data}``.

Pure. It builds Calls and reads Replies; whatever the bytes, reading one gives exactly one meaning (see ``outcomes``) and never raises.
"""

from collections.abc import Sequence

from batchgen.api.dialects.jimmyai import checks, orders, outcomes
from batchgen.api.dialects.jimmyai.answers import IMAGE_PLACES
from batchgen.api.dialects.jimmyai.models import MODELS
from batchgen.api.dialects.jimmyai.prices import estimate
from batchgen.api.dialects.jimmyai.services import V1, Services
from batchgen.core.dialects import Attachment, Call, Complaint, Model, Prices, Reference, Reply, Way
from batchgen.core.jobs import Job, Params
from batchgen.core.money import Micros
from batchgen.core.readings import PollReading, SubmitReading


class JimmyAI(Services):
    """The vendor's images (``core.dialects.Dialect``); holds nothing, so one is enough."""

    name: str = "jimmyai"
    tasks_path: str = f"{V1}/images"
    params: tuple[str, ...] = checks.PARAMS
    roles: tuple[str, ...] = checks.ROLES
    operations: tuple[str, ...] = checks.OPERATIONS
    synchronous: frozenset[str] = frozenset(checks.OPERATIONS) - {"image"}

    def ways(self, operation: str) -> frozenset[Way]:
        """Say how references may travel in an operation; empty where it takes none."""
        return orders.WAYS.get(operation, frozenset())

    def complaints(self, params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
        """List what the vendor is known to refuse in this combination; warnings pass."""
        return checks.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references)

    def models(self) -> Sequence[Model]:
        """List the known models; a name stands once for each operation that treats it differently."""
        return MODELS

    def estimate(self, prices: Prices, params: Params, *, operation: str, references: int) -> Micros | None:
        """Give the highest price that an order may have by the catalogue, or None where the catalogue does not tell."""
        return estimate(prices, params, operation=operation, references=references)

    def submit(self, job: Job, attachments: Sequence[Attachment] = ()) -> Call:
        """Build the order for the job; with the same attachments its body is byte for byte the same each time.

        Raises InputError when the attachments are not what the operation needs.
        """
        return orders.order(job, attachments)

    def read_submit(self, job: Job, reply: Reply) -> SubmitReading:
        """Say what became of an order."""
        return outcomes.answered(job, reply) if job.operation in self.synchronous else outcomes.ordered(reply)

    def read_poll(self, job: Job, reply: Reply) -> PollReading:  # noqa: ARG002 - the answer alone tells
        """Say what became of a task."""
        return outcomes.followed(reply, IMAGE_PLACES)
