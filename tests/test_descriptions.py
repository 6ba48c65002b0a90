"""Descriptions: from cached files to basic_representations.csv, with suspicion on the way."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from checkouts import ROOT
from entries import draw_subset, open_dataset, typed
from metaprobe.core.arrays import read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_checked_json, write_json
from metaprobe.metafeatures.columns import columns
from metaprobe.metafeatures.description import describe_dataset
from metaprobe.metafeatures.image_statistics import measure_pictures
from metaprobe.metafeatures.table import as_csv, collect_descriptions, digits
from PIL import Image

ENTRY = {"kind": "folder", "classes": 3, "transform": "colour"}
ARCHITECTURES = ["ResNet18", "MobileNetV2"]
TASK = "Tints"


def write_pictures(folder: Path) -> None:
    """Three classes; each picture's width is its own, so that it can be told from the others."""
    for number in range(60):
        name = ("red", "green", "blue")[number % 3]
        (folder / name).mkdir(parents=True, exist_ok=True)
        shade = (40 + 3 * number, 60, 90)
        Image.new("RGB", (20 + number, 20), shade).save(folder / name / f"{number}.png")


class Files:
    """All files a description is made from, as the earlier steps write them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_pictures(folder / "data" / TASK)
        self.subset = folder / "subset.json"
        self.pictures = folder / "pictures.safetensors"
        dataset = open_dataset(TASK, ENTRY, folder / "data")
        sizes = {"train": 30, "test": 10}
        self.drawn = draw_subset(TASK, ENTRY, dataset, seed=0, sampling="random", sizes=sizes)
        write_json(self.subset, self.drawn)
        write_arrays(self.pictures, *self.measure())
        for name in ARCHITECTURES:
            self.write_features(name)

    def measure(self, **changes: Any):
        arguments = {"task_id": TASK, "entry": typed(ENTRY), "transform": "colour", "seed": 0}
        arguments["subset_path"] = str(self.subset)
        return measure_pictures(**arguments | {"data": self.folder / "data"} | changes)

    def write_features(self, name: str, **facts: Any) -> None:
        rng = np.random.default_rng(len(name))
        arrays = {}
        for part in ("train", "test"):
            labels = np.array(self.drawn[part]["labels"])
            noise = rng.normal(size=(len(labels), 8))
            arrays[f"{part}_features"] = (np.eye(3, 8)[labels] + noise).astype(np.float32)
            arrays[f"{part}_labels"] = labels
        if name == "MobileNetV2":
            arrays |= {"expected_mean": np.zeros(8), "expected_std": np.ones(8)}
        made_of = {
            "subset_sha256": self.drawn["sha256"],
            "pixels_sha256": "1" * 64,
            "preprocessing": "protocol",
            "features_sha256": name,
            "weights": {"id": f"{name}'s", "file": None, "sha256": name},
        }
        write_arrays(self.folder / name, arrays, made_of | facts)

    def arguments(self) -> dict[str, Any]:
        return {
            "task_id": TASK,
            "seed": 0,
            "subset_path": str(self.subset),
            "pictures_path": str(self.pictures),
            "features_paths": {name: str(self.folder / name) for name in ARCHITECTURES},
        }

    def describe(self) -> dict[str, Any]:
        return describe_dataset(**self.arguments())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_description_says_what_it_is_of(files: Files) -> None:
    """A number that nobody can trace back."""
    description = files.describe()
    assert list(description["rows"][0]) == columns(ARCHITECTURES, ["MobileNetV2"])
    assert description["task_id"] == TASK
    assert (description["seed"], description["sampling"]) == (0, "random")
    assert (description["train_images"], description["described_pictures"]) == (30, 30)
    assert description["subset_sha256"] == files.drawn["sha256"]
    assert description["features_sha256"] == {name: name for name in ARCHITECTURES}
    assert description["rows"][0]["log10_images"] == pytest.approx(np.log10(60))
    json.dumps(description, allow_nan=False)


def test_test_part_is_never_looked_at(files: Files) -> None:
    """Meta-features that know the test images."""
    before = files.describe()["rows"]
    for name in ARCHITECTURES:
        arrays, facts = read_arrays(files.folder / name)
        arrays["test_features"] += 7
        arrays["test_labels"][:] = 0
        write_arrays(files.folder / name, arrays, facts)
    assert files.describe()["rows"] == before


def test_statistics_are_of_the_sampled_training_pictures(files: Files) -> None:
    """Sides after the transform, of test pictures, or beside the wrong picture."""
    arrays, _ = files.measure(sample=11)
    assert len(arrays["positions"]) == 11
    assert sorted(set(arrays["positions"])) == arrays["positions"].tolist()
    dataset = open_dataset(TASK, ENTRY, files.folder / "data")
    for position, side in zip(arrays["positions"], arrays["side"], strict=True):
        index = files.drawn["train"]["indices"][position]
        width, height = dataset.pools["pool"].image(index).size
        assert side == pytest.approx((width * height) ** 0.5)
    whole, _ = files.measure()
    assert whole["positions"].tolist() == list(range(30))
    chosen = arrays["positions"]
    assert np.array_equal(whole["luminance_mean"][chosen], arrays["luminance_mean"])


def test_grey_sets_are_measured_as_the_backbones_see_them(files: Files) -> None:
    """Colours that the transform takes away before any backbone."""
    assert files.measure()[0]["colourfulness"].min() > 0
    grey, _ = files.measure(transform="grey")
    assert not grey["colourfulness"].any()


def test_damaged_picture_is_named(files: Files) -> None:
    """A traceback of Pillow's."""
    for file in (files.folder / "data").glob("*/*/*.png"):
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UserError, match=r"pool picture .*png does not decode"):
        files.measure()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"subset_sha256": "0"}, "ResNet18 is broken .it was made from another subset"),
        ({"pixels_sha256": "0"}, "pictures of Tints changed between its architectures"),
    ],
)
def test_features_of_something_else_are_refused(files: Files, facts, message) -> None:
    """One row from two subsets, or from pictures that changed in between."""
    files.write_features("ResNet18", **facts)
    with pytest.raises(UserError, match=message):
        files.describe()


def test_features_that_are_not_finite_are_refused(files: Files) -> None:
    """A NaN of a backbone that becomes a plausible number."""
    arrays, facts = read_arrays(files.folder / "ResNet18")
    arrays["train_features"][3, 3] = np.nan
    write_arrays(files.folder / "ResNet18", arrays, facts)
    with pytest.raises(UserError, match=r"ResNet18 is broken .*not finite"):
        files.describe()


def test_half_samples_differ_and_can_be_repeated(files: Files) -> None:
    """Resamples that are all one, or that depend on how many there are."""
    three = describe_dataset(resamples=3, **files.arguments())
    two = describe_dataset(resamples=2, **files.arguments())
    assert len({row["embedding_mean"] for row in three["rows"]}) == 3
    assert two["rows"] == three["rows"][:2]
    assert all(list(row) == columns(ARCHITECTURES, ["MobileNetV2"]) for row in three["rows"])
    constant = {(row["log10_classes"], row["log10_images"]) for row in three["rows"]}
    assert len(constant) == 1


def test_half_samples_vary_as_bootstraps_do(files: Files) -> None:
    """Resamples that say a data set is known better or worse than it is."""
    rows = describe_dataset(resamples=150, **files.arguments())["rows"]
    features = read_arrays(files.folder / "ResNet18")[0]["train_features"]
    bootstrap = features.mean(axis=1).std() / len(features) ** 0.5
    assert np.std([row["embedding_mean"] for row in rows]) == pytest.approx(bootstrap, rel=0.2)


# The table

COLUMNS = ["first", "second"]
EXPECTED = {
    task: {"seed": 0, "sampling": "random", "weights": {"ResNet18": "random (seed 0)"}}
    for task in ("B", "A", "C")
}


def description(task_id: str, *rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "seed": 0,
        "sampling": "random",
        "weights": {"ResNet18": {"id": "random (seed 0)", "file": None, "sha256": "0"}},
        "rows": list(rows) or [{"second": 2.0, "first": 1 / 3}],
    } | changes


def write_all(folder: Path) -> None:
    for task_id in EXPECTED:
        write_checked_json(folder / f"{task_id}.json", description(task_id))


def write(folder: Path, rows_per_task: int = 1) -> str:
    return as_csv(collect_descriptions(folder, COLUMNS, EXPECTED, rows_per_task)[0])


def test_rows_are_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    """Rows by the alphabet, or values under another column's name."""
    write_all(tmp_path)
    assert write(tmp_path) == "task_id,first,second\nB,0.333333,2\nA,0.333333,2\nC,0.333333,2\n"


def test_several_rows_per_task_stay_together(tmp_path: Path) -> None:
    """Resamples of one task under another's name, or out of order."""
    rows = [{"first": n, "second": 0.0} for n in range(2)]
    for task_id in EXPECTED:
        write_checked_json(tmp_path / f"{task_id}.json", description(task_id, *rows))
    lines = write(tmp_path, rows_per_task=2).splitlines()
    assert [line[:3] for line in lines[1:]] == ["B,0", "B,1", "A,0", "A,1", "C,0", "C,1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.333333"),
        (-0.0, "0"),
        (1, "1"),
        (123456.7, "123457"),
        (6.1357049e-05, "6.1357e-05"),
        (-2e-12, "-2e-12"),
    ],
)
def test_cells(value, text) -> None:
    """A minus before nothing, digits beyond what processors agree on, small numbers lost."""
    assert digits(value) == text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_id": "A"}, "its task_id is A, not B"),
        ({"seed": 1}, "its seed is 1, not 0"),
        ({"sampling": "stratified"}, "its sampling is stratified, not random"),
        ({"weights": {"ResNet18": {"id": "other"}}}, "its weights is {'ResNet18': 'other'}"),
        ({"weights": {}}, "its weights is {}"),
        ({"weights": None}, "it is not a description"),
        ({"rows": [{"first": 1.0}]}, "it and the run differ in columns: second"),
        ({"rows": [{"first": 1, "second": 1, "more": 1}]}, "differ in columns: more"),
        ({"rows": [{"first": 1.0, "second": "1"}]}, "second: '1' is no finite number"),
        ({"rows": [{"first": 1.0, "second": None}]}, "second: None is no finite number"),
        ({"rows": []}, "it has 0 rows, not 1"),
    ],
)
def test_description_of_another_run_is_named(tmp_path: Path, changes, message) -> None:
    """A row of other weights, another seed, or with an empty cell."""
    write_all(tmp_path)
    write_checked_json(tmp_path / "B.json", description("B") | changes)
    with pytest.raises(UserError, match=rf"B\.json is broken .*{re.escape(message)}"):
        write(tmp_path)


def test_every_missing_description_is_named(tmp_path: Path) -> None:
    """Only the first gap named, or a table with a row less."""
    write_all(tmp_path)
    (tmp_path / "A.json").unlink()
    (tmp_path / "C.json").write_text('{"rows": [{"first": NaN}]}')
    with pytest.raises(UserError) as caught:
        write(tmp_path)
    lines = str(caught.value).split("\n")
    assert "A.json does not exist" in lines[0]
    assert "C.json is broken" in lines[1]


def test_table_reads_as_numbers(tmp_path: Path, files: Files) -> None:
    """A column that pandas takes for text, or a cell it takes for absent."""
    facts = files.describe()
    write_checked_json(tmp_path / f"{TASK}.json", facts)
    weights = {name: of["id"] for name, of in facts["weights"].items()}
    expected = {TASK: {"seed": 0, "sampling": "random", "weights": weights}}
    table, _ = collect_descriptions(tmp_path, columns(ARCHITECTURES, ["MobileNetV2"]), expected)
    (tmp_path / "table.csv").write_text(as_csv(table))
    frame = pd.read_csv(tmp_path / "table.csv")
    assert frame.columns[0] == "task_id"
    numbers = frame.drop(columns="task_id")
    assert all(pd.api.types.is_numeric_dtype(numbers[name]) for name in numbers)
    assert not frame.isna().any(axis=None)
    with open(tmp_path / "table.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    for name, value in facts["rows"][0].items():
        assert float(row[name]) == pytest.approx(value, rel=1e-5)


def test_manual_has_each_column_with_formula_and_source() -> None:
    """A column that nobody can look up, or documented but gone."""
    manual = (ROOT / "docs" / "basic_representations.md").read_text()
    cells = re.findall(r"^\| `(.+?)` \| (.+) \| (.+) \|$", manual, re.MULTILINE)
    assert all(formula and source for _, formula, source in cells)
    real = [
        name.replace("MobileNetV2", "<architecture>")
        for name in columns(["MobileNetV2"], ["MobileNetV2"])
    ]
    assert [name for name, *_ in cells] == real
    three = columns(
        ["ResNet18", "EfficientNetB0", "MobileNetV2"], ["EfficientNetB0", "MobileNetV2"]
    )
    assert f"these are {len(three)} columns" in manual
