"""The noise floor: 0 where there is nothing to choose, and what halves differ by where there is."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from metaprobe.core.arrays import write_arrays
from metaprobe.recommend.noise_floor import noise_floor, noise_floors
from metaprobe.tables.predictions import write_predictions
from test_comparisons import predictions


def floor(right: np.ndarray, replicates: int = 1, seed: int = 0) -> float:
    return noise_floor(right.astype(np.int64), replicates, np.random.default_rng(seed))


def test_equal_configurations_have_no_noise() -> None:
    """A floor of the images rather than of the choice."""
    right = np.random.default_rng(0).random(100) < 0.7
    assert floor(np.array([right] * 5)) == 0
    assert floor(right[None]) == 0
    assert floor(np.ones((3, 1))) == 0


def test_one_that_is_always_better_is_always_chosen() -> None:
    """A regret where every half chooses the same and rightly."""
    assert floor(np.array([np.ones(40), np.zeros(40)])) == 0


def test_all_halvings_of_four_images() -> None:
    """Directions forgotten, ties given to the first, points for fractions."""
    right = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1]])
    lost = []
    for half in itertools.combinations(range(4), 2):
        other = [image for image in range(4) if image not in half]
        chosen, judged = right[:, half].mean(axis=1), right[:, other].mean(axis=1)
        lost.append(judged.max() - judged[chosen == chosen.max()].mean())
    means = [floor(right, seed=seed) for seed in range(40)]
    assert np.mean(means) == pytest.approx(100 * np.mean(lost), abs=1.5)


def test_more_images_less_noise() -> None:
    """A floor that does not fall as luck evens out."""
    rng = np.random.default_rng(0)
    few, many = (np.mean([floor(rng.random((6, n)) < 0.8) for _ in range(20)]) for n in (50, 5000))
    assert few > 5 * many > 0


def test_replicates_are_averaged() -> None:
    """Four heads that count as four hundred points."""
    rng = np.random.default_rng(0)
    right = rng.random((6, 200)) < 0.8
    assert floor(4 * right, replicates=4) == pytest.approx(floor(right))


def test_every_task_has_its_own(tmp_path: Path) -> None:
    """The floor of one task told of another; another with each run."""
    rng = np.random.default_rng(0)
    ids = []
    for task, share in {"Even": 1.0, "Noisy": 0.5}.items():
        for name in ("a", "b", "c"):
            path = tmp_path / task / f"{name}.safetensors"
            arrays = predictions(rng.random((1, 40)) < share)
            write_arrays(path, arrays, {"task_id": task, "configuration": name})
            ids.append((task, name))
    write_predictions(tmp_path / "predictions.parquet", tmp_path, ids)
    found = noise_floors(tmp_path / "predictions.parquet", seed=0)
    assert found == noise_floors(tmp_path / "predictions.parquet", seed=0)
    assert list(found) == ["Even", "Noisy"]
    assert found["Even"] == 0 < found["Noisy"]
