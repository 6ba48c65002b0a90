"""The description of one data set, or those of its half-samples, from cached files alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metaprobe.core.arrays import read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import generator
from metaprobe.data.subset import read_subset
from metaprobe.metafeatures.columns import Measurements, describe, select

Paths = Mapping[str, str]


def describe_dataset(
    *,
    task_id: str,
    seed: int,
    subset_path: str,
    pictures_path: str,
    features_paths: Paths,
    resamples: int | None = None,
) -> dict[str, Any]:
    """Return the values of a data set's columns, and where they come from.

    Args:
        features_paths: architecture → features file; the embedding is that of the first.
        resamples: number of seeded half-samples of the training subset, without replacement, to be
            described instead of the whole.

    Raises:
        UserError: a file is broken, or the files do not belong together.

    A mean over half of N images without replacement varies as one over N with replacement does
    (Efron 1982, chapter 8; Buja and Stuetzle 2006), but no image occurs twice. A second copy of an
    image would be its own nearest neighbour: the intrinsic dimension and the nearest-neighbour
    accuracy would be wrong.
    """
    measured, metadata = read_measurements(subset_path, pictures_path, features_paths)
    if resamples is None:
        draws = generator(seed, task_id, "description folds")
        return {**metadata, "rows": [describe(measured, draws)]}
    rows = []
    for number in range(resamples):
        draws = generator(seed, task_id, f"half-sample {number}")
        half = -(-len(measured.labels) // 2)
        chosen = np.sort(draws.choice(len(measured.labels), half, replace=False))
        rows.append(describe(select(measured, chosen), draws))
    return {**metadata, "rows": rows}


def read_measurements(
    subset_path: str, pictures_path: str, features_paths: Paths
) -> tuple[Measurements, dict[str, Any]]:
    """Return what descriptions are computed from, proved to be of one subset, and its metadata."""
    subset = read_subset(subset_path)
    train = subset["train"]
    labels = np.array(train["labels"], dtype=np.int64)
    pictures, measuring = read_arrays(pictures_path)
    _check_subset(pictures_path, measuring, subset, subset_path)
    features, expected, extractions = {}, {}, {}
    for name, path in features_paths.items():
        arrays, extractions[name] = read_arrays(path)
        _check_subset(path, extractions[name], subset, subset_path)
        features[name] = arrays["train_features"]
        if "expected_mean" in arrays:
            expected[name] = arrays["expected_mean"], arrays["expected_std"]
        if not np.array_equal(arrays["train_labels"], labels):
            raise broken(path, f"its labels are not those of {subset_path}")
        if not np.isfinite(features[name]).all():
            raise broken(path, "it holds numbers that are not finite")
    pixels = {e["preprocessing"]: e["pixels_sha256"] for e in extractions.values()}
    if any(pixels[e["preprocessing"]] != e["pixels_sha256"] for e in extractions.values()):
        raise UserError(
            f"the pictures of {subset['task_id']} changed between its architectures: delete its subset "
            "and start the run again"
        )
    measured = Measurements(
        labels=labels,
        class_count=subset["class_count"],
        pool_images=subset["pools"][train["pool"]]["images"],
        positions=pictures.pop("positions"),
        pictures=pictures,
        features=features,
        expected=expected,
    )
    metadata = {
        "task_id": subset["task_id"],
        "seed": subset["seed"],
        "sampling": subset["sampling"],
        "train_images": train["images"],
        "described_pictures": len(measured.positions),
        "subset_sha256": subset["sha256"],
        "pixels_sha256": next(iter(pixels.values())),
        "features_sha256": {name: e["features_sha256"] for name, e in extractions.items()},
        "weights": {name: e["weights"] for name, e in extractions.items()},
        "versions": versions("numpy", "scipy", "scikit-learn"),
    }
    return measured, metadata


def _check_subset(
    path: str, metadata: Mapping[str, Any], subset: Mapping[str, Any], subset_path: str
) -> None:
    if metadata["subset_sha256"] != subset["sha256"]:
        raise broken(path, f"it was made from another subset than {subset_path}")
