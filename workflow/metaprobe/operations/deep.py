"""`doctor --deep`: every data set opened, some of its pictures decoded, its digests compared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config.datasets import Derived, Entry
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.data.dataset import open_dataset, pool_metadata
from metaprobe.data.readers import Dataset
from metaprobe.data.trees import tree_of
from metaprobe.data.undecodable import broken_images
from metaprobe.operations.doctor import Finding

PUBLISHED = Path(__file__).parents[3] / "config" / "digests.yaml"
SAMPLE = 64
SHOWN = 3
Digests = Mapping[str, Mapping[str, Any]]  # pool → `images` and `sha256`, as subsets say them


def published() -> dict[str, Digests]:
    """Return the digests of true data sets, by task."""
    digests: dict[str, Digests] = read_strictly(PUBLISHED)["digests"]
    return digests


def deepened(
    findings: Iterable[Finding],
    datasets: Mapping[str, Entry],
    data: Path,
    known: Mapping[str, Digests],
) -> tuple[list[Finding], dict[str, Digests]]:
    """Return the findings after a look into each data set that is ready, and digests not known yet.

    One that cannot be read, or is not what was published, is `broken`.
    """
    looked: list[Finding] = []
    unknown: dict[str, Digests] = {}
    for finding in findings:
        task_id, entry = finding.task_id, datasets[finding.task_id]
        if finding.state == "ready" and not isinstance(entry, Derived):
            try:
                dataset = open_dataset(task_id, entry, data)
            except UserError as error:
                looked.append(replace(finding, state="broken", detail=str(error)))
                continue
            own = entry.partial or entry.source is None or tree_of(task_id, entry, data)
            finding = _looked_into(finding, entry, dataset, None if own else known.get(task_id, {}))
            if not own and task_id not in known and finding.state == "ready":
                unknown[task_id] = pool_metadata(dataset)
        looked.append(finding)
    return looked, unknown


def to_publish(unknown: Mapping[str, Digests]) -> Iterator[str]:
    """Yield the lines for `config/digests.yaml` of data sets whose digests do not stand there."""
    if unknown:
        yield "\nNot published yet; if your copy is the true one, add to config/digests.yaml:"
    for task_id, pools in unknown.items():
        yield f"  {task_id}:"
        for pool, found in pools.items():
            yield f"    {pool}: {{images: {found['images']}, sha256: {found['sha256']}}}"


def _looked_into(
    finding: Finding, entry: Entry, dataset: Dataset, expected: Digests | None
) -> Finding:
    """Return the finding with what the decoded pictures and the comparison show.

    Args:
        expected: empty if not known, None if there is nothing to expect.
    """
    found = pool_metadata(dataset)
    for pool, published in (expected or {}).items():
        if found.get(pool) != published:
            detail = f"not what was published: {pool} is {found.get(pool)}, not {dict(published)}"
            return replace(finding, state="broken", detail=detail)
    broken = [name for pool in dataset.pools for name in _broken_of_sample(dataset, pool)]
    if broken:
        undecoded = (
            f"{len(broken)} pictures of those tried do not decode: {'; '.join(broken[:SHOWN])}"
        )
        if not entry.skip_broken_images:
            return replace(finding, state="broken", detail=undecoded)
    total = sum(pool["images"] for pool in found.values())
    notes = [
        f"opened: {total:,} images, {len(dataset.class_names)} classes",
        undecoded if broken else "",
        "as published" if expected else "no digest published" if expected == {} else "",
        dataset.notes,
    ]
    return replace(finding, detail="; ".join(filter(None, notes)))


def _broken_of_sample(dataset: Dataset, name: str) -> list[str]:
    """Return which of `SAMPLE` pictures, from the first to the last of a pool, do not decode."""
    pool = dataset.pools[name]
    count = len(pool.labels)
    sample = np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64)
    return list(broken_images(sample, pool).values())
