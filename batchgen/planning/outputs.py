"""Take from the manifest what a run needs: output places, limits, notices; checked and in one frozen object."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from batchgen.planning.findings import Findings, did_you_mean
from batchgen.planning.manifest import Manifest, Shuffle
from batchgen.planning.naming import PathRefusedError, folder_template, name_template, slug
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
    """Check both templates; the folder becomes absolute, relative ones lie beside the manifest."""
    output = manifest.output
    place = ""
    try:
        place = folder_template(output.dir).render({"batch": slug(manifest.name)})
    except (TemplateRefusedError, PathRefusedError) as error:
        _tell(error, "dir", ("batch",), findings)
    try:
        name_template(output.name, known=variables)
    except (TemplateRefusedError, PathRefusedError) as error:
        _tell(error, "name", variables, findings)
    absolute = Path(os.path.normpath(folder / place)).as_posix()
    return OutputSettings(dir=absolute, name=output.name, sidecar=output.sidecar == "json")


def _tell(error: TemplateRefusedError | PathRefusedError, key: str, known: Sequence[str], findings: Findings) -> None:
    at = ("output", key)
    if isinstance(error, PathRefusedError):
        findings.error("E504", str(error), at)
    elif error.unknown:
        findings.error("E502", str(error), at, hint=did_you_mean(error.unknown, known))
    else:
        findings.error("E501", str(error), at)
