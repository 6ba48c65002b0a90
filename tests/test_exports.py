"""`metaprobe publish --as`: what other projects' readers find in the exports."""

import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import metaprobe
import numpy as np
import pandas as pd
import pytest
import yaml
from metaprobe.core.arrays import write_arrays
from metaprobe.core.parquet import read_parquet, write_parquet
from planted_results import FAMILIES, IMAGES, NAMES
from published import CLASSES, OPEN, publish, write_finished

SYNE_TUNE = ("syne-tune==0.16.0", "dill==0.4.1", "fastparquet==2026.9.0", "cramjam==2.14.0")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    made = write_finished(tmp_path_factory.mktemp("finished"))
    logits = np.random.default_rng(0).normal(size=(1, IMAGES, len(CLASSES)))
    write_arrays(made / "heads/Birds/resnet18-plain.safetensors", {"test_logits": logits}, {})
    return made


@pytest.fixture(scope="module")
def row(results: Path) -> dict[str, Any]:
    """A row of experiments.csv, drawn anew at each run of the tests."""
    with open(results / "experiments.csv", newline="") as file:
        return random.choice(list(csv.DictReader(file)))


@pytest.fixture(scope="module")
def exported(results: Path):
    """Form -> its folder, written at the first use."""

    def export(form: str) -> Path:
        folder = results.parent / form
        if not folder.exists():
            assert publish(results, folder, "--as", form) == 0
        return folder

    return export


def test_every_export_has_checksums_and_a_card(exported) -> None:
    """An export of which nobody knows what it is, or under which licences."""
    for form in ("hpob", "syne-tune", "aslib", "openml", "huggingface"):
        assert "  release.json\n" in (exported(form) / "SHA256SUMS").read_text()
        card = exported(form) / ("readme.txt" if form == "aslib" else "README.md")
        assert "| Digits | not named | left out |" in card.read_text()


def test_hpob(exported, row) -> None:
    """Files that HPO-B's handler, which is told what they hold by their names, cannot use."""
    names = ["meta-train-dataset", "meta-validation-dataset", "meta-test-dataset"]
    read = {p.stem: json.loads(p.read_text()) for p in exported("hpob").glob("*.json")}
    assert {*names, "meta-train-dataset-augmented", "bo-initializations"} <= read.keys()
    spaces = {"configurations", "sweep"}
    assert all({*read[name]} == spaces for name in names)
    parts = [read[name]["configurations"] for name in names]
    assert sorted(task for part in parts for task in part) == sorted(FAMILIES)
    assert all(parts)
    (birds,) = (part for part in parts if "Birds" in part)
    assert {"Birds-half", "Birds-grey"} <= birds.keys()
    merged = {task: one for part in parts for task, one in part.items()}
    found = merged[row["task_id"]]
    assert found["y"][NAMES.index(row["configuration"])] == [float(row["validation_accuracy"])]
    order = read["meta-dataset-descriptors"]["configurations"]["variables_order"]
    assert np.shape(found["X"]) == (len(NAMES), len(order))
    assert np.min(found["X"]) == 0
    assert np.max(found["X"]) == 1
    starts = read["bo-initializations"]["configurations"][row["task_id"]]
    assert [*starts] == ["test0", "test1", "test2", "test3", "test4"]
    assert all(0 <= start < len(NAMES) for one in starts.values() for start in one)


def test_sweep_in_hpob_is_that_of_the_table(exported, results: Path) -> None:
    """Rows of X that belong to other rows of y."""
    sweep = metaprobe.load(results).sweep
    told = json.loads((exported("hpob") / "meta-dataset-descriptors.json").read_text())["sweep"]
    found = {}
    for part in ("train", "validation", "test"):
        found |= json.loads((exported("hpob") / f"meta-{part}-dataset.json").read_text())["sweep"]
    task = random.choice(list(found))
    own = sweep[(sweep.task_id == task) & sweep.test_accuracy.notna()].reset_index(drop=True)
    number = random.randrange(len(own))
    x = dict(zip(told["variables_order"], found[task]["X"][number], strict=True))
    assert x[f"optimizer.ohe._{own.optimizer[number]}"] == 1
    assert found[task]["y"][number] == [own[told["y"]][number]]


def blackbox(folder: Path) -> tuple[pd.DataFrame, np.ndarray, dict[str, Any]]:
    table = pd.read_parquet(folder / "hyperparameters.parquet")
    return (
        table,
        np.load(folder / "objectives_evaluations.npy"),
        json.loads((folder / "metadata.json").read_text()),
    )


def test_syne_tune(exported, results: Path, row) -> None:
    """A blackbox whose axes are mixed up."""
    table, values, told = blackbox(exported("syne-tune") / "configurations")
    assert values.shape == (len(FAMILIES), len(table), 1, 3, len(told["objectives_names"]))
    place = told["task_names"].index(row["task_id"]), NAMES.index(row["configuration"])
    names = told["objectives_names"]
    last = dict(zip(names, values[place][0, -1], strict=True))
    assert last["metric_test_accuracy"] == pytest.approx(float(row["test_accuracy"]))
    assert last["metric_validation_accuracy"] == pytest.approx(float(row["validation_accuracy"]))
    space = json.loads((exported("syne-tune") / "configurations/configspace.json").read_text())
    assert space.keys() == {*table.columns}
    assert not table.duplicated().any()


def test_sweep_in_syne_tune_is_that_of_the_table(exported, results: Path) -> None:
    """Curves of other entries of the grid, or of another epoch."""
    table, values, told = blackbox(exported("syne-tune") / "sweep")
    there = metaprobe.load(results)
    for number in random.sample(range(len(table)), 3):
        task = there.sweep.task_id.iloc[0]
        answer = there.query(task, table.iloc[number].to_dict(), epoch=2)
        found = values[told["task_names"].index(task), number, 0, 1]
        named = dict(zip(told["objectives_names"], found, strict=True))
        assert named["metric_test_accuracy"] == pytest.approx(answer.test)
        assert named["metric_validation_accuracy"] == pytest.approx(answer.validation, nan_ok=True)
        assert named["metric_elapsed_time"] == pytest.approx(answer.seconds, rel=1e-6)


@pytest.mark.slow
def test_syne_tunes_own_reader(exported, results: Path, row, tmp_path: Path) -> None:
    """Files that look right and that Syne Tune itself cannot open.

    It is installed without what it asks for (XGBoost, NCCL, ...), as its reader uses none of that.
    """
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run([*install, str(tmp_path), *SYNE_TUNE], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"Syne Tune cannot be had: {done.stderr[-200:]}")
    code = f"""
import sys
sys.path.append({str(tmp_path)!r})
from syne_tune.blackbox_repository.blackbox_tabular import deserialize
found = deserialize({str(exported("syne-tune") / "configurations")!r})[{row["task_id"]!r}]
hyperparameters = found.all_configurations()[{NAMES.index(row["configuration"])}]
print(found(hyperparameters, fidelity={{"hp_epoch": 3}}, seed=0)["metric_test_accuracy"])
print(len(deserialize({str(exported("syne-tune") / "sweep")!r})))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    accuracy, tasks = done.stdout.split()
    assert float(accuracy) == pytest.approx(float(row["test_accuracy"]))
    assert int(tasks) == metaprobe.load(results).sweep.task_id.nunique()


def arff_file(path: Path) -> pd.DataFrame:
    content = pytest.importorskip("arff").loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame(content["data"], columns=[name for name, _ in content["attributes"]])


def test_aslib(exported, results: Path, row) -> None:
    """A scenario whose files do not agree, or that lets siblings stand in two folds."""
    folder = exported("aslib")
    told = yaml.safe_load((folder / "description.txt").read_text())
    runs = arff_file(folder / "algorithm_runs.arff").set_index(["instance_id", "algorithm"])
    assert list(runs)[1:-1] == told["performance_measures"]
    assert runs.index.get_level_values(1).unique().tolist() == list(told["metainfo_algorithms"])
    found = runs.loc[row["task_id"], row["configuration"]]
    for name in told["performance_measures"]:
        assert found[name] == float(row[name])
    features = arff_file(folder / "feature_values.arff").set_index("instance_id")
    assert list(features)[1:] == told["features_deterministic"]
    own = metaprobe.load(results).meta_features.set_index("task_id")
    assert features.loc[row["task_id"]].iloc[1:].tolist() == own.loc[row["task_id"]].tolist()
    folds = arff_file(folder / "cv.arff").set_index("instance_id").fold
    assert folds["Birds"] == folds["Birds-half"] == folds["Birds-grey"]
    assert folds["MNIST"] == folds["USPS"]
    assert {*folds.index} == {*features.index} == {*runs.index.get_level_values(0)}
    states = arff_file(folder / "feature_runstatus.arff")
    assert list(states)[2:] == list(told["feature_steps"])


def test_openml(exported, results: Path) -> None:
    """Runs with other predictions, without what a run must say, or of closed data sets."""
    folder = exported("openml")
    assert {one.name for one in folder.iterdir() if one.is_dir()} == {*OPEN}
    task, name = random.choice(OPEN), random.choice(NAMES)
    found = arff_file(folder / task / name / "predictions.arff")
    rows = metaprobe.load(results).predictions.query("task_id == @task and configuration == @name")
    assert found.prediction.tolist() == [CLASSES[one] for one in rows.predicted_class]
    assert found.correct.tolist() == [CLASSES[one] for one in rows.true_class]
    assert found.row_id.tolist() == rows.image.tolist()
    run = ElementTree.parse(folder / task / name / "description.xml").getroot()
    names = {"oml": "http://openml.org/openml"}
    settings = {
        one.findtext("oml:name", namespaces=names): one.findtext("oml:value", namespaces=names)
        for one in run.findall("oml:parameter_setting", names)
    }
    assert settings["configuration"] == name
    accuracy = run.findtext("oml:output_data/oml:evaluation/oml:value", namespaces=names)
    assert float(accuracy or "nan") == metaprobe.load(results).query(task, name).test
    confident = arff_file(folder / "Birds/resnet18-plain/predictions.arff")
    confidences = confident[[f"confidence.{one}" for one in CLASSES]].to_numpy()
    assert confidences.sum(axis=1) == pytest.approx(1)


def test_hugging_face(exported, results: Path, row, tmp_path: Path) -> None:
    """A folder that `load_dataset` cannot read, or of whose tables one is not named."""
    folder = exported("huggingface")
    front = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    named = {one["data_files"][0]["path"] for one in front["configs"]}
    assert named == {file.name for file in folder.glob("*.parquet")}
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(
        str(folder), "experiments", split="train", cache_dir=str(tmp_path)
    )
    (one,) = (r for r in found if all(r[k] == row[k] for k in ("task_id", "configuration")))
    assert one["test_accuracy"] == float(row["test_accuracy"])
    assert "datasets" in sys.modules


def test_exports_say_what_they_lack(results: Path, tmp_path: Path, capsys) -> None:
    """A scenario without features, or runs of data sets that may not be passed on."""
    shutil.copytree(results, tmp_path / "results")
    (tmp_path / "own.yaml").write_text(json.dumps({"datasets": {task: {} for task in FAMILIES}}))
    (tmp_path / "results/basic_representations.parquet").unlink()
    assert publish(tmp_path / "results", tmp_path / "new", "--as", "aslib") == 1
    assert "needs their meta-features" in capsys.readouterr().err
    assert publish(tmp_path / "results", tmp_path / "new", "--as", "openml") == 1
    assert "no licence of these data sets" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_scenario_with_features_of_other_data_sets_is_refused(
    results: Path, tmp_path: Path, capsys
) -> None:
    """A traceback where features are of one data set too few and of one more than the table has."""
    shutil.copytree(results, tmp_path / "results")
    shutil.copyfile(results.parent / "own.yaml", tmp_path / "own.yaml")
    path = tmp_path / "results/basic_representations.parquet"
    write_parquet(path, read_parquet(path).replace({"task_id": {"Birds": "Cars"}}), {})
    assert publish(tmp_path / "results", tmp_path / "new", "--as", "aslib") == 1
    assert "needs their meta-features" in capsys.readouterr().err
