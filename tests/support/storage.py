"""An object storage to keep images in: a server on loopback that a test may look into, alter and take down."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import boto3
import obstore
from obstore.store import S3Store

_SCRIPT = Path(__file__).with_name("storage_server.py")
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A running server, and the key that it takes."""

    process: subprocess.Popen[str]
    url: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """Give the environment in which a command reaches it; whoever waits for it waits for a second only."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.url,
            "BATCHGEN_STORAGE_PATIENCE": "1",
        }

    def new_bucket(self) -> "StoredBucket":
        """Make an empty bucket."""
        name = f"pictures-{next(_NUMBERS)}"
        client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key
        )
        client.create_bucket(Bucket=name)
        client.close()
        store = S3Store(
            name,
            config={"access_key_id": self.access_key, "secret_access_key": self.secret_key, "region": "us-east-1", "endpoint": self.url},
            client_options={"allow_http": True},
        )
        return StoredBucket(name=name, store=store)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Close the server's port until the block ends; it forgets nothing."""
        self._tell("down")
        try:
            yield
        finally:
            self._tell("up")

    def _tell(self, word: str) -> None:
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError("the server was started without pipes")
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBucket:
    """One bucket of the server, seen without the code under test."""

    name: str
    store: S3Store

    def objects(self, prefix: str | None = None) -> dict[str, bytes]:
        """Read every object, or those below a prefix, by its key."""
        keys = [found["path"] for page in obstore.list(self.store, prefix) for found in page]
        return {key: bytes(obstore.get(self.store, key).bytes()) for key in keys}

    def images(self) -> dict[str, bytes]:
        """Read every picture, by its key."""
        return {key: content for key, content in self.objects().items() if key.endswith(".png")}

    def put(self, key: str, content: bytes) -> None:
        """Put an object in the place of whatever stands there."""
        obstore.put(self.store, key, content)

    def delete(self, key: str) -> None:
        """Remove an object."""
        obstore.delete(self.store, key)


@contextmanager
def open_storage() -> Iterator[Storage]:
    """Start a server; it ends with the block."""
    with subprocess.Popen([sys.executable, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the server was started without pipes")
        told = json.loads(process.stdout.readline())
        try:
            port = told.pop("port")
            yield Storage(process=process, url=f"http://127.0.0.1:{port}", **told)
        finally:
            process.stdin.close()
            process.wait(30)
