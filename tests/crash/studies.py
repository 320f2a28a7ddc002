"""Small batches of every kind of order, for runs that die: tasks, answers that are results, references, videos."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import ROOT, CommandLine, study

Manifest = dict[str, object]

_SHOE = ROOT / "manifests" / "refs" / "shoe.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One kind of batch: its manifest for a vendor's address and prompts, how many prompts it wants, and how many jobs they become."""

    manifest: Callable[[str, Sequence[str]], Manifest]
    prompts: int
    jobs: int

    def write(self, folder: Path, url: str, marker: str) -> None:
        """Write the manifest and its reference image; the marker in its prompts finds them on the vendor's bill."""
        shutil.copy(_SHOE, folder / "shoe.png")
        prompts = [f"picture {number} of {marker}." for number in range(self.prompts)]
        CommandLine(folder=folder).write(self.manifest(url, prompts))


def _tasks(url: str, prompts: Sequence[str]) -> Manifest:
    return study(url, prompts, limits={"in_flight": 3})


def _answers(url: str, prompts: Sequence[str]) -> Manifest:
    defaults = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
    grid = {"response_format": ["b64_json", "url"]}
    return study(url, prompts, operation="generate", defaults=defaults, grid=grid, limits={"in_flight": 3})


def _references(url: str, prompts: Sequence[str]) -> Manifest:
    """Upload a reference for tasks, and send the same file with edits."""
    half = len(prompts) // 2
    sweeps = [
        {"name": "tasks", "prompts": prompts[:half]},
        {"name": "edits", "operation": "edit", "params": {"size": "1024x1024"}, "prompts": prompts[half:]},
    ]
    manifest = study(url, [], references={"shoe": {"path": "shoe.png", "send": "upload"}}, sweeps=sweeps, limits={"in_flight": 2})
    manifest["defaults"] = {"model": "gpt-image-2", "images": "shoe"}
    del manifest["prompts"]
    return manifest


def _videos(url: str, prompts: Sequence[str]) -> Manifest:
    provider = {"use": "jimmyai-video", "base_url": url}
    return study(url, prompts, provider=provider, defaults={"model": "kling-o3", "duration": "5"}, limits={"in_flight": 2})


def _openai(url: str, prompts: Sequence[str]) -> Manifest:
    """Draw and edit by the other synchronous language."""
    provider = {"use": "openai", "base_url": f"{url}/v1", "api_key_env": "JIMMYAI_API_KEY"}
    edits = {"name": "edits", "operation": "edit", "params": {"images": "shoe"}, "prompts": prompts[:1]}
    sweeps = [{"name": "draws", "prompts": prompts[1:]}, edits]
    manifest = study(url, [], provider=provider, references={"shoe": {"path": "shoe.png"}}, sweeps=sweeps, limits={"in_flight": 2})
    manifest["defaults"] = {"model": "gpt-image-1.5", "size": "1024x1024"}
    del manifest["prompts"]
    return manifest


STUDIES = {
    "tasks": Study(manifest=_tasks, prompts=6, jobs=6),
    "answers": Study(manifest=_answers, prompts=2, jobs=4),
    "references": Study(manifest=_references, prompts=4, jobs=4),
    "openai": Study(manifest=_openai, prompts=2, jobs=2),
    "videos": Study(manifest=_videos, prompts=2, jobs=2),
}


def _pair(url: str, prompts: Sequence[str]) -> Manifest:
    """Order one picture as a task, and one whose answer is the picture."""
    answers = {"name": "answers", "operation": "generate", "params": {"size": "1024x1024"}, "prompts": prompts[1:]}
    manifest = study(url, [], sweeps=[{"name": "tasks", "prompts": prompts[:1]}, answers], limits={"in_flight": 2})
    del manifest["prompts"]
    return manifest


PAIR = Study(manifest=_pair, prompts=2, jobs=2)
"""Two jobs, for runs that die at each of their many system calls."""
