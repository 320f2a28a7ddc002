"""The wheel alone is enough: no checkout beside it, no tools, in a folder with an awkward name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment whose path has a space and a letter beyond ASCII."""
    home = tmp_path_factory.mktemp("wheel") / "nächtlich leer"
    home.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(home), str(CHECKOUT)], check=True, cwd=home)
    subprocess.run([sys.executable, "-m", "venv", str(home / "umgebung")], check=True, cwd=home)
    (wheel,) = home.glob("batchgen_cli-*.whl")
    python = home / "umgebung/bin/python"
    subprocess.run([str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", str(wheel)], check=True, cwd=home)
    return home / "umgebung/bin/batchgen"


def call(program: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command with nothing of this environment but the search path."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONUTF8": "1"}
    return subprocess.run([str(program), *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
def test_wheel_creates_the_database_from_its_own_migrations(program: Path) -> None:
    """The migrations are inside the wheel."""
    folder = program.parents[2] / "eine datenbank"
    folder.mkdir()

    made = call(program, "db", "upgrade", cwd=folder)

    assert 0 == made.returncode, made.stderr
    assert (folder / "batchgen.db").exists()


@pytest.mark.slow
def test_wheel_plays_the_demo(program: Path) -> None:
    """A run is killed, resumed and verified with nothing but the wheel."""
    folder = program.parents[2] / "vorführung"
    folder.mkdir()

    played = call(program, "demo", "--jobs", "16", cwd=folder)

    assert 0 == played.returncode, played.stderr
    assert "none bought twice, none lost" in played.stdout
    assert "no violation" in played.stdout


@pytest.mark.slow
def test_wheel_holds_the_example_manifests(program: Path) -> None:
    """Every example can be planned from the installed package."""
    (bundled,) = (program.parents[1]).glob("lib/python*/site-packages/batchgen/_bundled/manifests")

    checked = call(program, "validate", *(str(path) for path in sorted(bundled.glob("*.yaml"))), cwd=program.parents[2])

    assert 0 == checked.returncode, checked.stderr
