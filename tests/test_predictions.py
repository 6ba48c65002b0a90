"""Predictions: enough to measure anything anew, whole, and of the experiment they are asked for."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fragments import experiment
from metaprobe.core.arrays import write_arrays
from metaprobe.core.errors import UserError
from metaprobe.tables.predictions import read_predictions, write_predictions
from sklearn.metrics import balanced_accuracy_score

EXPERIMENTS = [("Trees", "fancy"), ("Birds", "plain"), ("Birds", "fancy")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The predictions of three experiments of two replicates, `made` the fragments beside them."""
    folder = tmp_path_factory.mktemp("predictions")
    for seed, (task_id, name) in enumerate(EXPERIMENTS):
        _, predictions = experiment(folder, seed, replicates=2).build()
        ids = {"task_id": task_id, "configuration": name}
        write_arrays(folder / task_id / f"{name}.safetensors", predictions, ids)
    return folder


def test_any_metric_can_be_measured_from_them(tmp_path: Path) -> None:
    """A probability of another class or image, rounded so that the loss is lost."""
    made = experiment(tmp_path, scale=60, replicates=2)
    fragment, predictions = made.build()
    labels = predictions["true_class"]
    np.testing.assert_array_equal(labels, made.arrays["test_labels"])
    np.testing.assert_array_equal(predictions["image"], np.arange(20))
    for number, one in enumerate(fragment["replicates"]):
        guesses = predictions["predicted_class"][number]
        assert np.mean(guesses == labels) == one["test_accuracy"]
        recall = balanced_accuracy_score(labels, guesses)
        assert one["test_balanced_accuracy"] == pytest.approx(recall)
        loss = -np.log(predictions["probability_true"][number]).mean()
        assert loss == pytest.approx(one["test_loss"], rel=1e-9)
        assert loss > 5
        larger = predictions["probability_predicted"] >= predictions["probability_true"]
        assert larger.all()


def test_table_has_a_row_per_image_in_order(folder: Path, tmp_path: Path) -> None:
    """Rows lost, replicates exchanged, or tasks in the order of the alphabet."""
    write_predictions(tmp_path / "predictions.parquet", folder, EXPERIMENTS)
    table = pq.read_table(tmp_path / "predictions.parquet").to_pandas()
    assert len(table) == 3 * 2 * 20
    found = table[["task_id", "configuration"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(found) == EXPERIMENTS
    for task_id, name in EXPERIMENTS:
        arrays = read_predictions(folder, task_id, name)
        rows = table[(table.task_id == task_id) & (table.configuration == name)]
        for replicate in range(2):
            own = rows[rows.replicate == replicate]
            for column in ("image", "true_class"):
                np.testing.assert_array_equal(own[column], arrays[column])
            for column in ("predicted_class", "probability_true", "probability_predicted"):
                np.testing.assert_array_equal(own[column], arrays[column][replicate])


def test_table_is_the_same_bytes_and_one_task_at_a_time(folder: Path, tmp_path: Path) -> None:
    """A file that differs from run to run, or that must be in memory as a whole."""
    for name in ("first", "second"):
        write_predictions(tmp_path / name, folder, EXPERIMENTS)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert pq.ParquetFile(tmp_path / "first").num_row_groups == 2


def test_predictions_of_another_experiment_are_refused(folder: Path, tmp_path: Path) -> None:
    """The accuracy of a configuration compared with itself under another name."""
    (tmp_path / "Birds").mkdir()
    source = folder / "Birds/plain.safetensors"
    (tmp_path / "Birds/fancy.safetensors").write_bytes(source.read_bytes())
    with pytest.raises(UserError, match=r"fancy\.safetensors is broken .it is another experiment"):
        write_predictions(tmp_path / "table", tmp_path, [("Birds", "fancy")])
    with pytest.raises(UserError, match=r"plain\.safetensors does not exist"):
        write_predictions(tmp_path / "table", tmp_path, [("Birds", "plain")])
    assert not (tmp_path / "table").exists()
