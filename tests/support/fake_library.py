"""Reference images in memory: a ``core.ports.Library``."""

from dataclasses import dataclass, field

from batchgen.core.errors import StopRunError
from batchgen.core.ports import ReferenceFile


@dataclass(slots=True)
class FakeLibrary:
    """Files by the hash that stands for their content."""

    files: dict[str, ReferenceFile] = field(default_factory=dict)

    def read(self, sha256: str) -> ReferenceFile:
        """Give a file, or stop the run as the port says."""
        if sha256 not in self.files:
            raise StopRunError(f"{sha256} is gone", exit_code=2, reason="reference")
        return self.files[sha256]
