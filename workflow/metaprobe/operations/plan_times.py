"""What each kind of job will cost here: by finished jobs, else by a calibration of the backbones."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metaprobe.operations import costs
from metaprobe.operations.costs import Job, SizeOf

EXTRACTION = "extract_features/"


def expected_times(
    jobs: Iterable[Job],
    size_of: SizeOf,
    results: Path,
    logs: Path,
    settings: Mapping[str, Any],
    cores: int,
) -> tuple[dict[str, float], str]:
    """Kind of job → seconds per unit of size; and in words where they come from.

    Backbones of which no extraction with the same engine, precision and device is recorded are
    calibrated, which is the only part that takes more than a moment.

    Raises:
        UserError: a backbone cannot be calibrated, for want of the device or the engine.
    """
    how = {key: settings[key] for key in ("engine", "precision", "device")}
    others = costs.extracted_otherwise(results / "features", **how)
    seconds = {job: cost for job, cost in costs.recorded(logs).items() if job not in others}
    per_unit = costs.rates(seconds, size_of)
    wanted = {job.kind for job in jobs if job.kind.startswith(EXTRACTION)} - per_unit.keys()
    if not wanted:
        return per_unit, "by what finished jobs took"
    from metaprobe.operations.calibration import seconds_per_image

    names = sorted(kind.removeprefix(EXTRACTION) for kind in wanted)
    measured, device = seconds_per_image(names, **how)
    really_at_once = min(cores, available_cores()) if device == "cpu" else 1  # jobs share a card
    slower = cores / really_at_once
    per_unit |= {EXTRACTION + name: cost * slower for name, cost in measured.items()}
    backbones = f"{len(names)} backbone{'s' if len(names) > 1 else ''}"
    return per_unit, f"by a calibration of {backbones} on random pixels ({device})"


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
