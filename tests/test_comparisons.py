"""Comparisons: each pair of a task's configurations once, on the same images."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metaprobe.core.arrays import write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_csv
from metaprobe.tables.predictions import comparisons, write_predictions
from scipy.stats import binom, binomtest

IMAGES = 50


def predictions(right: np.ndarray, first_image: int = 0) -> dict[str, Any]:
    """Predictions of which `right` (R, N) are correct, of images of class 1."""
    return {
        "image": np.arange(first_image, first_image + right.shape[1]),
        "true_class": np.ones(right.shape[1], np.int64),
        "predicted_class": right.astype(np.int64),
        "probability_true": np.full(right.shape, 0.5),
        "probability_predicted": np.full(right.shape, 0.5),
    }


def compared(folder: Path, tasks: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Write the comparisons of task → configuration → predictions, and read them."""
    for task_id, experiments in tasks.items():
        for name, arrays in experiments.items():
            ids = {"task_id": task_id, "configuration": name}
            write_arrays(folder / task_id / f"{name}.safetensors", arrays, ids)
    names = [(task_id, name) for task_id, experiments in tasks.items() for name in experiments]
    write_predictions(folder / "predictions.parquet", folder, names)
    write_csv(folder / "comparisons.csv", comparisons(folder / "predictions.parquet"))
    with open(folder / "comparisons.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_pair_once_in_declared_order(tmp_path: Path) -> None:
    """A pair twice or with itself, the sign of the difference turned, tasks mixed up."""
    rng = np.random.default_rng(0)
    right = {
        task: {name: rng.random((1, IMAGES)) < share for name, share in names.items()}
        for task, names in {"B": {"z": 0.9, "m": 0.5, "a": 0.4}, "A": {"z": 0.1, "m": 0.9}}.items()
    }
    rows = compared(
        tmp_path, {t: {n: predictions(r) for n, r in names.items()} for t, names in right.items()}
    )
    pairs = [(row["task_id"], row["configuration_a"], row["configuration_b"]) for row in rows]
    assert pairs == [("B", "z", "m"), ("B", "z", "a"), ("B", "m", "a"), ("A", "z", "m")]
    for row, (task, first, second) in zip(rows, pairs, strict=True):
        a, b = right[task][first][0], right[task][second][0]
        assert float(row["difference"]) == pytest.approx(a.mean() - b.mean(), rel=1e-5)
        assert float(row["low"]) < float(row["difference"]) < float(row["high"])
        a_only, b_only = int((a & ~b).sum()), int((b & ~a).sum())
        exact = binomtest(a_only, a_only + b_only).pvalue
        middle = 0.5 if a_only == b_only else 1.0
        expected = exact - middle * binom.pmf(a_only, a_only + b_only, 0.5)
        assert float(row["p"]) == pytest.approx(expected, rel=1e-5)
    assert rows[-1]["holm_p"] == rows[-1]["p"]  # the only pair of its task
    three = {float(row["p"]): float(row["holm_p"]) for row in rows[:3]}
    smallest = min(three)
    assert three[smallest] == pytest.approx(min(1, 3 * smallest), rel=1e-4)
    assert three[max(three)] >= max(three)


def test_replicates_count_together(tmp_path: Path) -> None:
    """One replicate taken for all, or images counted once per replicate."""
    always = np.ones((4, IMAGES), bool)
    once = np.zeros((4, IMAGES), bool)
    once[2] = True
    (row,) = compared(tmp_path, {"A": {"all": predictions(always), "one": predictions(once)}})
    assert float(row["difference"]) == 0.75
    assert float(row["high"]) - float(row["low"]) > 0.05
    assert float(row["p"]) == pytest.approx(2**-IMAGES, rel=1e-5)


@pytest.mark.parametrize("images", [IMAGES, IMAGES + 1])
def test_other_images_are_not_compared(tmp_path: Path, images: int) -> None:
    """A paired test of heads that saw different subsets."""
    right = np.ones((1, IMAGES), bool)
    other = np.ones((1, images), bool)
    tasks = {"A": {"a": predictions(right), "b": predictions(other, first_image=1)}}
    with pytest.raises(UserError, match="configurations of A saw other images"):
        compared(tmp_path, tasks)
