"""A storage to reach, and the job of the other shelves."""

from tests.contract.conftest import storage

__all__ = ["storage"]
