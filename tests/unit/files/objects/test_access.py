"""What the environment may say of a storage, and what it is told when it says too little or too much."""

import pytest

from batchgen.core.errors import InputError, StorageRefusedError
from batchgen.core.places import ObjectPlace
from batchgen.files.objects.access import access_to
from batchgen.files.objects.bucket import bucket_at

S3 = ObjectPlace.parse("s3://pictures/x")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAHUSH", "AWS_SECRET_ACCESS_KEY": "hush"}
GS = {"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}
AZ = {"AZURE_STORAGE_ACCOUNT_NAME": "pictures", "AZURE_STORAGE_ACCOUNT_KEY": "aHVzaA=="}


def test_variables_become_options() -> None:
    """Blanks around a value are no part of it, and the narrower variable wins."""
    env = {**KEYS, "AWS_SESSION_TOKEN": " t \n", "AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_S3": "https://b.example"}

    access = access_to(S3, env)

    assert {
        "access_key_id": "AKIAHUSH",
        "secret_access_key": "hush",
        "session_token": "t",
        "endpoint": "https://b.example",
        "region": "us-east-1",
    } == access.options
    assert ("b.example", False, 60.0) == (access.host, access.allows_http, access.patience_s)
    assert "hush" not in repr(access).casefold()


@pytest.mark.parametrize(
    ("address", "env", "variable"),
    [
        ("s3://pictures", {}, "AWS_ACCESS_KEY_ID"),
        ("s3://pictures", {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": " "}, "AWS_SECRET_ACCESS_KEY"),
        ("gs://pictures", {}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://pictures", {"AZURE_STORAGE_ACCOUNT_NAME": "a"}, "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_missing_credentials_are_named(address: str, env: dict[str, str], variable: str) -> None:
    """No machine's own identity is asked for in their place."""
    with pytest.raises(StorageRefusedError, match=variable):
        access_to(ObjectPlace.parse(address), env)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://s3.example",
        "http://10.0.0.1:9000",
        "ftp://s3.example",
        "https://me:hush@s3.example",
        "https://s3.example/?k=hush",
        "s3.example",
        "http://[",
    ],
)
def test_endpoint_that_could_tell_secrets_is_refused(endpoint: str) -> None:
    """Plain http leaves this machine never, and an address carries no name."""
    with pytest.raises(InputError) as caught:
        access_to(S3, {**KEYS, "AWS_ENDPOINT_URL": endpoint})

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("patience", ["soon", "0", "-1", "nan", "1e9"])
def test_patience_is_a_number_of_seconds(patience: str) -> None:
    """Anything else is told before a run waits for ever."""
    with pytest.raises(InputError, match="seconds"):
        access_to(S3, {**KEYS, "BATCHGEN_STORAGE_PATIENCE": patience})


def test_plain_http_is_for_this_machine() -> None:
    """A server on loopback may speak it."""
    assert access_to(S3, {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}).allows_http


def test_each_storage_can_be_named_without_being_asked() -> None:
    """Making a bucket's handle sends nothing; for Azure its one needed name is read, too."""
    assert "s3://pictures/x/a.png" == bucket_at(S3, KEYS).named("a.png")
    assert "az://pictures/a.png" == bucket_at(ObjectPlace.parse("az://pictures"), AZ).named("a.png")


def test_credentials_that_cannot_be_read_are_told_without_them() -> None:
    """What the library says of them may quote them."""
    with pytest.raises(StorageRefusedError) as caught:
        bucket_at(ObjectPlace.parse("gs://pictures"), {"GOOGLE_SERVICE_ACCOUNT_KEY": '{"private_key": "hush"'})

    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
