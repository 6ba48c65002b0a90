"""What jobs have cost, by the benchmark files of Snakemake, and what others of their kind will cost."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metaprobe.config.datasets import Entry
from metaprobe.config.sources import Source
from metaprobe.core.arrays import read_facts
from metaprobe.core.errors import UserError

BY_ARCHITECTURE = ("extract_features", "sweep_heads")
OF_PARTS = ("extract_part", "cache_activations")  # data set, architecture, ..., part


@dataclass(frozen=True, order=True)
class Job:
    """A job by its rule and its wildcards, joined by `/`."""

    rule: str
    name: str

    @property
    def kind(self) -> str:
        """Jobs of one kind cost about the same per unit of size."""
        if self.rule in BY_ARCHITECTURE:
            return f"{self.rule}/{self.name.rpartition('/')[2]}"
        if self.rule in OF_PARTS:
            rule = "extract_features" if self.rule == "extract_part" else self.rule
            return "/".join([rule, *self.name.split("/")[1:-1]])
        return self.rule

    @property
    def first(self) -> str:
        """The data set, source or architecture that it is for."""
        return self.name.partition("/")[0]


SizeOf = Callable[[Job], float]


def read_benchmark(file: Path) -> dict[str, str]:
    """Return what Snakemake has measured of a finished job: column -> value; `s` is wall seconds."""
    names, values = (line.split("\t") for line in file.read_text("utf-8").splitlines()[:2])
    return dict(zip(names, values, strict=True))


def recorded(logs: Path) -> dict[Job, float]:
    """Return the wall seconds of every job that has finished here."""
    found = {}
    for file in logs.glob("*/**/*.tsv"):
        rule, _, name = file.relative_to(logs).with_suffix("").as_posix().partition("/")
        try:
            found[Job(rule, name)] = float(read_benchmark(file)["s"])
        except (OSError, ValueError, KeyError):  # of a run that was killed as it wrote
            continue
    return found


def known(results: Path, logs: Path, size_of: SizeOf, **settings: str) -> dict[str, float]:
    """Return kind -> seconds per unit of size, from jobs under the same `settings`."""
    others = extracted_otherwise(results / "features", **settings)
    seconds = {job: cost for job, cost in recorded(logs).items() if job not in others}
    return rates(seconds, size_of)


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
        if job.rule in OF_PARTS:
            return images_of_part(job.name.rpartition("/")[2], parts)
        return megabytes.get(job.first, 1.0) if job.rule == "download" else 1.0

    return size_of


def images_of_part(part: str, sizes: Mapping[str, int]) -> int:
    """Return how many images a part has, at most: `train`, `test`, `validation-500`, or a view."""
    kind, _, number = part.rpartition("-")
    return int(number) if kind == "validation" else sizes.get(part, sizes["train"])


def extracted_otherwise(features: Path, **settings: str) -> set[Job]:
    """Extractions of other settings (`engine`, `precision`, `device`) than the run's.

    Args:
        features: folder of the files that `extract_features` wrote.
    """
    others = set()
    for path in features.glob("*/*.safetensors"):
        try:
            facts = read_facts(path)
        except UserError:
            facts = {}
        found = {"precision": facts.get("precision"), "engine": facts.get("engine", {}).get("name")}
        found["device"] = str(facts.get("device", "")).partition(" ")[0]
        if any(value not in (found[key], "auto") for key, value in settings.items()):
            others.add(Job("extract_features", f"{path.parent.name}/{path.stem}"))
    return others


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
