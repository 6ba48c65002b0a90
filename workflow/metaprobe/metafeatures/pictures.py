"""The statistics of a seeded sample of the training pictures, kept so that none is read again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metaprobe.config.datasets import Entry
from metaprobe.core.files import Arrays
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import generator
from metaprobe.data.dataset import check_fit, open_dataset, subset_images
from metaprobe.data.subset import read_subset
from metaprobe.metafeatures.image_statistics import measure_picture

SAMPLE = 1000


def measure_pictures(
    *,
    task_id: str,
    entry: Entry,
    data: Path,
    subset_path: str,
    seed: int,
    sample: int = SAMPLE,
) -> tuple[Arrays, dict[str, Any]]:
    """Statistics of up to `sample` pictures of the training subset, drawn without replacement.

    The side is the file's, all else is measured after the transform, as the backbones see it.

    Returns:
        `positions` (P,) int64, sorted: places in the training subset; each statistic (P,); and the
        facts of the subset.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    train = subset["train"]
    count = train["images"]
    draws = generator(seed, task_id, "described pictures")
    positions = np.sort(draws.choice(count, min(sample, count), replace=False))
    chosen = {**train, "indices": [train["indices"][position] for position in positions]}
    pool = dataset.pools[train["pool"]]
    sizes: dict[int, tuple[int, int]] = {}

    def noting_its_size(index: int) -> Image.Image:
        picture = pool.image(index)
        sizes[index] = picture.size
        return picture

    noting = replace(dataset, pools={train["pool"]: replace(pool, image=noting_its_size)})
    images = subset_images({**subset, "train": chosen}, "train", noting, entry.transform)
    measured = [
        measure_picture(image, sizes[index])
        for index, image in zip(chosen["indices"], images, strict=True)
    ]
    statistics = {name: np.array([one[name] for one in measured]) for name in measured[0]}
    facts = {
        "task_id": task_id,
        "subset_sha256": subset["sha256"],
        "versions": versions("pillow", "numpy", "scipy"),
    }
    return {"positions": positions, **statistics}, facts
