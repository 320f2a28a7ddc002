"""Videos: ordered at the family's own path, saved as what they are, and fetched again rather than bought again."""

import json
from pathlib import Path

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, study

BROKEN = ("truncated", "short", "zeroed_tail", "html", "empty", "wrong_type", "reset")


def _films(url: str, prompts: list[str], **changes: object) -> dict[str, object]:
    provider = {"use": "jimmyai-video", "base_url": url}
    return study(url, prompts, provider=provider, **{"defaults": {"model": "kling-o3", "duration": "5"}, **changes})


def test_films_are_saved_as_what_they_are(cli: CommandLine, start_vendor: StartVendor) -> None:
    """MP4 and WebM get their own suffix, a sidecar and their size in pixels; the price is that of their seconds."""
    vendor = start_vendor()
    cli.write(_films(vendor.url, ["a gate"], grid={"model": ["kling-o3", "flux-3-draft"], "duration": ["8"]}))

    run = cli("run", "study.yaml", "-y")

    rows = {job["model"]: job for job in cli.jobs()}
    begins = {model: Path(row["output_dir"], row["path"]).read_bytes()[:8] for model, row in rows.items()}
    assert 0 == run.code, run.err
    assert {"kling-o3": ".mp4", "flux-3-draft": ".webm"} == {model: Path(row["path"]).suffix for model, row in rows.items()}
    assert b"ftyp" == begins["kling-o3"][4:]
    assert b"\x1a\x45\xdf\xa3" == begins["flux-3-draft"][:4]
    assert all(row["width"] > 0 < row["height"] for row in rows.values())
    assert {"kling-o3": "0.72", "flux-3-draft": "0.16"} == {model: row["cost"] for model, row in rows.items()}
    for row in rows.values():
        sidecar = json.loads(Path(row["output_dir"], row["path"] + ".json").read_bytes())
        assert ("a gate", row["sha256"]) == (sidecar["prompt"], _found(sidecar, "sha256"))
    assert 0 == cli("verify").code


def test_broken_films_are_fetched_again_and_never_bought_again(cli: CommandLine, start_vendor: StartVendor) -> None:
    """However a download goes wrong, the same task gives the film: one order a row, and no file is half a film."""
    vendor = start_vendor(faults=tuple(f"download.{name}@{number}" for number, name in enumerate(BROKEN, start=1)))
    grid = {"model": ["kling-o3", "flux-3-draft"]}
    cli.write(_films(vendor.url, [f"gate {number}" for number in range(4)], grid=grid, limits={"in_flight": 8}, defaults={"duration": "5"}))

    run = cli("run", "study.yaml", "-y")

    stats = vendor.stats()
    assert 0 == run.code, run.err
    assert {"saved": 8} == cli.states()
    assert (8, 8) == (stats["posts"], len(vendor.bill()))
    assert {f"download.{name}" for name in BROKEN} <= set(stats["faults"])
    assert 0 == cli("verify").code


def test_order_that_the_family_does_not_take_is_refused(cli: CommandLine) -> None:
    """A model of no family, a wrong duration, a field of another family and a missing image are located errors, told at once."""
    wrong = {
        "belongs to no known family": {"model": "gpt-image-2"},
        "does not take duration '40'": {"model": "kling-o3", "duration": "40"},
        "orientation": {"model": "wan3.0", "duration": "5", "orientation": "portrait"},
        "does not take duration '8'": {"model": "sora2-12s", "duration": "8"},
        "needs 1 in images": {"model": "grok-imagine-video-1.5", "duration": "10"},
    }
    sweeps = [{"name": f"s{number}", "prompts": ["a gate"], "params": params} for number, params in enumerate(wrong.values())]
    manifest = _films("http://127.0.0.1:9", [], sweeps=sweeps)
    del manifest["prompts"], manifest["defaults"]
    cli.write(manifest)

    checked = cli("validate", "study.yaml", "--json")

    problems = checked.document["problems"]
    assert 2 == checked.code
    assert all(any(told in problem["message"] for problem in problems) for told in wrong), problems
    assert len(wrong) <= len({problem["line"] for problem in problems})


def _found(value: object, key: str) -> object:
    """Find the first value of a key, however deep."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    return next((hit for part in value if (hit := _found(part, key)) is not None), None) if isinstance(value, list) else None
