"""The training pictures of a derived data set, measured as those of any other."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metaprobe.config.datasets import Entry
from metaprobe.core.arrays import Arrays
from metaprobe.core.files import with_checksum, write_json
from metaprobe.data.subset import read_subset
from metaprobe.metafeatures.image_statistics import measure_pictures


def measure_derived(
    *,
    subset_path: str,
    parent_path: str,
    origin: str,
    entry: Entry,
    data: Path,
    transform: str,
    seed: int,
) -> tuple[Arrays, dict[str, Any]]:
    """Return what `measure_pictures` does, of the training images of a derived subset.

    Args:
        parent_path: the subset that it is derived from.
        origin, entry: the data set of that, whose pictures are opened.
    """
    subset, parent = read_subset(subset_path), read_subset(parent_path)
    with TemporaryDirectory(prefix="metaprobe-pictures-") as folder:
        path = Path(folder, "subset.json")  # of the parent's pools, with these training images
        write_json(path, with_checksum(parent | {"train": subset["train"]}))
        arrays, facts = measure_pictures(
            task_id=origin,
            entry=entry,
            data=data,
            transform=transform,
            subset_path=str(path),
            seed=seed,
        )
    return arrays, facts | {"task_id": subset["task_id"], "subset_sha256": subset["sha256"]}
