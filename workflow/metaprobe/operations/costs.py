"""What jobs have cost, by the last lines of their logs, and what others of their kind will cost."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaprobe.config.datasets import Entry, Source
from metaprobe.core import jobs

COST = re.compile(rf"^{jobs.COST}([\d.]+) s, ", re.MULTILINE)
BY_ARCHITECTURE = ("extract_features", "sweep_heads")


@dataclass(frozen=True, order=True)
class Job:
    """A job by its rule and its wildcards, as its log is called: `<rule>/<name>.log`."""

    rule: str
    name: str

    @property
    def kind(self) -> str:
        """Jobs of one kind cost about the same per unit of size."""
        if self.rule in BY_ARCHITECTURE:
            return f"{self.rule}/{self.name.rpartition('/')[2]}"
        return self.rule

    @property
    def first(self) -> str:
        """The data set, source or architecture that it is for."""
        return self.name.partition("/")[0]


SizeOf = Callable[[Job], float]


def read_seconds(log: Path) -> float | None:
    """Wall seconds of a job that ended well; None of any other."""
    try:
        found = COST.findall(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return float(found[-1]) if found else None


def job_of(log: str | Path, logs: Path) -> Job:
    """The job that a log below `logs` is of."""
    rule, _, name = Path(log).relative_to(logs).with_suffix("").as_posix().partition("/")
    return Job(rule, name)


def recorded(logs: Path) -> dict[Job, float]:
    """Wall seconds of every finished job that has a log below `logs`."""
    found = {}
    for log in logs.glob("*/**/*.log"):
        if (seconds := read_seconds(log)) is not None:
            found[job_of(log, logs)] = seconds
    return found


def rates(seconds: Mapping[Job, float], size_of: SizeOf) -> dict[str, float]:
    """Kind → mean seconds per unit of size."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for job, cost in seconds.items():
        sums[job.kind][0] += cost
        sums[job.kind][1] += size_of(job)
    return {kind: cost / size for kind, (cost, size) in sums.items() if size}


def sizes(
    datasets: Mapping[str, Entry],
    sources: Mapping[str, Source],
    parts: Mapping[str, int],
) -> SizeOf:
    """What a job's seconds grow with: images of an extraction, megabytes of a download; else 1.

    Args:
        parts: images drawn for `train` and for `test`, at most.
    """
    everything = sum(parts.values())

    def drawn(entry: Entry) -> int:
        declared = entry.images.parameters() if entry.images else {}
        counted = sum(min(declared.get(part, most), most) for part, most in parts.items())
        return int(min(declared.get("pool", everything), counted))

    images = {task_id: drawn(entry) for task_id, entry in datasets.items()}
    megabytes = {source: one.download_mb for source, one in sources.items()}

    def size_of(job: Job) -> float:
        if job.rule in ("extract_features", "measure_pictures"):
            return images.get(job.first, everything)
        return megabytes.get(job.first, 1.0) if job.rule == "download" else 1.0

    return size_of


def extracted_otherwise(features: Path, **settings: str) -> set[Job]:
    """Extractions of other settings (`engine`, `precision`, `device`) than the run's.

    Args:
        features: folder of the files that `extract_features` wrote.
    """
    others = set()
    for path in features.glob("*/*.safetensors"):
        facts = read_facts(path)
        found = {"precision": facts.get("precision"), "engine": facts.get("engine", {}).get("name")}
        found["device"] = str(facts.get("device", "")).partition(" ")[0]
        if any(value not in (found[key], "auto") for key, value in settings.items()):
            others.add(Job("extract_features", f"{path.parent.name}/{path.stem}"))
    return others


def read_facts(path: Path) -> dict[str, Any]:
    """The facts in the header of a safetensors file; none if it is broken."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        facts: dict[str, Any] = json.loads(header["__metadata__"]["facts"])
        return facts
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return {}


def total(jobs_to_run: Iterable[Job], per_unit: Mapping[str, float], size_of: SizeOf) -> float:
    """Seconds of all jobs whose kind is known."""
    return sum(per_unit.get(job.kind, 0.0) * size_of(job) for job in jobs_to_run)


def duration(seconds: float) -> str:
    """Rounded, in the unit that people would take: `40 s`, `12 min`, `1.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
