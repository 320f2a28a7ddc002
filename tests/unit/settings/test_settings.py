"""What options, variables and env files come to."""

import os
import pwd
from pathlib import Path

import pytest

from batchgen import __version__
from batchgen.core.errors import FileError, InputError
from batchgen.settings import Color, Settings, resource_dir


def settings(**variables: str) -> Settings:
    """Build settings from variables alone."""
    return Settings.from_environment(variables)


# --- the database ---


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("jobs.db", "sqlite:///jobs.db"),
        ("/var/lib/jobs.db", "sqlite:////var/lib/jobs.db"),
        ("C:jobs 100%.db", "sqlite:///C:jobs 100%.db"),
        ("sqlite:///jobs.db", "sqlite:///jobs.db"),
        ("sqlite:////var/lib/jobs.db", "sqlite:////var/lib/jobs.db"),
        ("postgresql://me:pw@h/jobs?sslmode=require", "postgresql+psycopg://me:pw@h/jobs?sslmode=require"),
        ("postgres://h/jobs", "postgresql+psycopg://h/jobs"),
        ("postgresql+psycopg://h/jobs", "postgresql+psycopg://h/jobs"),
    ],
)
def test_database_is_a_path_or_a_url(given: str, url: str) -> None:
    """A bare path means SQLite; PostgreSQL gets the driver that we ship."""
    assert url == settings(BATCHGEN_DB=given).db_url


def test_option_wins_over_variable_and_variable_over_default() -> None:
    """The nearer word counts; an empty variable is none."""
    assert Settings.from_environment({"BATCHGEN_DB": "a.db"}, db="b.db").db_url == "sqlite:///b.db"
    assert settings(BATCHGEN_DB="a.db").db_url == "sqlite:///a.db"
    assert settings(BATCHGEN_DB="").db_url == "sqlite:///batchgen.db"


@pytest.mark.parametrize("given", ["sqlite://", ":memory:", "sqlite:///:memory:", "a?b.db", "mysql://me:pw@h/x"])
def test_database_that_cannot_hold_a_night_is_refused(given: str) -> None:
    """Memory, other engines and paths that a URL cannot carry are errors that quote no password."""
    with pytest.raises(InputError) as caught:
        settings(BATCHGEN_DB=given)

    assert "pw" not in str(caught.value)


# --- the log ---


def test_log_stands_beside_a_sqlite_database() -> None:
    """What belongs together lies together, unless the user says otherwise."""
    assert settings(BATCHGEN_DB="/data/jobs.db").log_file == Path("/data/jobs.log")
    assert settings(BATCHGEN_DB="postgresql://h/x").log_file == Path("batchgen.log")
    assert Settings.from_environment({}, log_file=Path("x.log")).log_file == Path("x.log")


# --- colour ---


@pytest.mark.parametrize(
    ("option", "variables", "expected"),
    [
        ("auto", {}, None),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, None),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "0"}, None),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_option_then_variables(option: Color, variables: dict[str, str], expected: bool | None) -> None:
    """None leaves it to the terminal."""
    assert Settings.from_environment(variables, color=option).color is expected


# --- variables and keys ---


def test_env_file_fills_what_the_environment_lacks(tmp_path: Path) -> None:
    """The environment wins; quotes, comments, ``export`` and a BOM are understood, ``$`` is literal."""
    file = tmp_path / "night.env"
    file.write_bytes(b"\xef\xbb\xbf# keys\nexport KEY='abc def'\nHOST=from-file\nLITERAL=a$HOME${X}\nEMPTY=\nBARE\nBATCHGEN_DB=f.db\n")

    found = Settings.from_environment({"HOST": "from-env"}, env_file=file)

    assert dict(found.env) == {
        "KEY": "abc def",
        "HOST": "from-env",
        "LITERAL": "a$HOME${X}",
        "EMPTY": "",
        "BATCHGEN_DB": "f.db",
    }
    assert found.db_url == "sqlite:///f.db"


def test_nothing_is_read_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``.env`` in a cloned folder is not ours to trust."""
    (tmp_path / ".env").write_text("BATCHGEN_DB=evil.db")
    monkeypatch.chdir(tmp_path)

    assert settings().db_url == "sqlite:///batchgen.db"


def test_bad_line_of_an_env_file_is_located_and_not_quoted(tmp_path: Path) -> None:
    """The line may be a key that lost its name."""
    file = tmp_path / "night.env"
    file.write_text("A=1\nsk-canary-value 'x\n")

    with pytest.raises(InputError, match=r"night\.env:2: ") as caught:
        Settings.from_environment({}, env_file=file)

    assert "canary" not in str(caught.value)


def test_env_file_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    """A missing file and one in another encoding are the user's to fix."""
    (tmp_path / "utf16.env").write_bytes("KEY=ä".encode("utf-16"))

    for name in ("missing.env", "utf16.env"):
        with pytest.raises(InputError, match="cannot read the env file"):
            Settings.from_environment({}, env_file=tmp_path / name)


@pytest.mark.parametrize(("value", "secret"), [("sk-abc", "sk-abc"), (" sk-abc\r\n", "sk-abc"), ("", None), ("  \n", None)])
def test_secret_is_trimmed(value: str, secret: str | None) -> None:
    """A copied line break is no part of a key, and nothing is no key."""
    assert secret == settings(KEY=value).secret("KEY")


def test_unset_secret_is_none() -> None:
    """The caller decides what a missing key means."""
    assert settings().secret("KEY") is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("sk-canary\r\nX-Evil: 1", "white space"),
        ("sk canary", "white space"),
        ("sk-canary\u2019", "not ASCII"),
        ('"sk-canary"', "a quotation mark"),
        ("sk-canary\x01", "a control character"),
        ("sk-\x7fcanary", "a control character"),
    ],
)
def test_value_that_cannot_be_a_key_is_refused_and_not_quoted(value: str, kind: str) -> None:
    """The error names variable, position and kind of character, and nothing of the key."""
    with pytest.raises(InputError, match=kind) as caught:
        settings(KEY=value).secret("KEY")

    assert "canary" not in str(caught.value)
    assert "KEY" in str(caught.value)


def test_repr_holds_no_secret() -> None:
    """Neither variables nor the database's password show."""
    found = settings(KEY="canary-key", BATCHGEN_DB="postgresql://me:canary-pw@h/x")

    assert "canary" not in repr(found)


def test_variables_cannot_be_changed_through_settings() -> None:
    """What was read stays as it was read."""
    with pytest.raises(TypeError):
        settings(A="1").env["A"] = "2"  # type: ignore[index] - that is the point


# --- who and where ---


def test_operator_is_the_account_and_not_a_variable() -> None:
    """A decision names whom the system knows."""
    assert settings(USER="somebody", LOGNAME="else").login == pwd.getpwuid(os.getuid()).pw_name


def test_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run under numbers that no table knows."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)

    assert settings().login == "uid-4000000000"


def test_user_agent_says_name_and_version() -> None:
    """A vendor may ask who calls."""
    assert settings().user_agent == f"batchgen/{__version__}"


@pytest.mark.parametrize("name", ["migrations", "manifests"])
def test_shipped_folders_are_found(name: str) -> None:
    """In a checkout they stand beside the package."""
    assert resource_dir(name).is_dir()


def test_missing_folder_means_a_broken_installation() -> None:
    """The error says what to do."""
    with pytest.raises(FileError, match="install it again"):
        resource_dir("nonexistent")
