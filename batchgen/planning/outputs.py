"""Take from the manifest what a run needs: output places, limits, notices; checked and in one frozen object."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from batchgen.core.places import MAX_KEY_BYTES, ObjectPlace, is_address
from batchgen.planning.findings import Findings, did_you_mean
from batchgen.planning.manifest import Manifest, Shuffle
from batchgen.planning.naming import PathRefusedError, folder_template, longest_path, name_template, slug
from batchgen.planning.settings import (
    CapSettings,
    NotifySettings,
    OutputSettings,
    PaceSettings,
    ProviderSettings,
    ReferenceSettings,
    RunSettings,
)
from batchgen.planning.templates import TemplateRefusedError


def run_settings(
    manifest: Manifest,
    *,
    provider: ProviderSettings,
    output: OutputSettings,
    references: Mapping[str, ReferenceSettings],
    notify: tuple[NotifySettings, ...],
) -> RunSettings:
    """Put everything together that a run needs without the manifest."""
    limits, order = manifest.limits, manifest.order
    return RunSettings(
        name=manifest.name,
        tags=manifest.tags,
        metadata=manifest.metadata,
        provider=provider,
        output=output,
        references=references,
        in_flight=limits.in_flight,
        submits_per_s=limits.submit_rate,
        per_model={
            model: PaceSettings(
                in_flight=pace.in_flight,
                submits_per_s=pace.submit_rate,
                budget=CapSettings(cost=pace.budget.cost, jobs=pace.budget.jobs),
            )
            for model, pace in limits.per_model.items()
        },
        submit_timeout_s=limits.timeout.submit,
        task_timeout_s=limits.timeout.task,
        download_timeout_s=limits.timeout.download,
        budget_cost=limits.budget.cost,
        budget_jobs=limits.budget.jobs,
        budget_day=CapSettings(cost=limits.budget.per_day.cost, jobs=limits.budget.per_day.jobs),
        deadline=limits.deadline,
        halt_after_failures=limits.halt.consecutive_failures,
        order="shuffle" if isinstance(order, Shuffle) else order,
        shuffle_seed=order.shuffle if isinstance(order, Shuffle) else 0,
        on_ambiguous=manifest.on_ambiguous,
        attempts=manifest.retry.attempts,
        backoff_initial_s=manifest.retry.backoff.initial,
        backoff_max_s=manifest.retry.backoff.max,
        notify=notify,
    )


def output_settings(manifest: Manifest, folder: Path, variables: Sequence[str], findings: Findings) -> OutputSettings:
    """Check both templates; a folder becomes absolute, relative ones lie beside the manifest, an address gets its one spelling."""
    output = manifest.output
    place, longest = "", 0
    try:
        place = folder_template(output.dir).render({"batch": slug(manifest.name)})
    except (TemplateRefusedError, PathRefusedError) as error:
        _tell(error, "dir", ("batch",), findings)
    try:
        longest = longest_path(name_template(output.name, known=variables))
    except (TemplateRefusedError, PathRefusedError) as error:
        _tell(error, "name", variables, findings)
    found = _address(place, longest, findings) if is_address(place) else Path(os.path.normpath(folder / place)).as_posix()
    return OutputSettings(dir=found, name=output.name, sidecar=output.sidecar == "json")


def _address(place: str, longest: int, findings: Findings) -> str:
    """Give the address in its one spelling; tell what is wrong with it, or with names that it leaves no room for."""
    try:
        found = ObjectPlace.parse(place)
    except ValueError as error:
        findings.error("E505", str(error), ("output", "dir"))
        return ""
    key_bytes = len(f"{found.prefix}/".encode()) + longest
    if key_bytes > MAX_KEY_BYTES:
        message = f"the key of an object could have {key_bytes} bytes with this prefix and name, and it has {MAX_KEY_BYTES} at most"
        findings.error("E505", message, ("output", "name"), hint="use a shorter prefix, or fewer parts in the name")
    return found.address


def _tell(error: TemplateRefusedError | PathRefusedError, key: str, known: Sequence[str], findings: Findings) -> None:
    at = ("output", key)
    if isinstance(error, PathRefusedError):
        findings.error("E504", str(error), at)
    elif error.unknown:
        findings.error("E502", str(error), at, hint=did_you_mean(error.unknown, known))
    else:
        findings.error("E501", str(error), at)
