"""Data sets that are some of the images of another: which images, what is read of them, what is refused."""

import copy
import json
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from checkouts import (
    ROOT,
    TINY,
    copy_workflow,
    edit_yaml,
    planned,
    run_tiny,
    snakemake,
    write_pictures,
)
from entries import WRITTEN_BACKBONES, typed
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.config import layout
from metaprobe.config.datasets import Derived, parse_entry
from metaprobe.config.load import Run, load_run
from metaprobe.config.reading import read_strictly
from metaprobe.core.arrays import digest_arrays, read_arrays, write_arrays, write_rows
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_json, write_json
from metaprobe.data.dataset import draw_subset, open_dataset
from metaprobe.data.readers import Dataset, Pool
from metaprobe.data.subset import read_subset, read_validation
from metaprobe.data.validation_images import draw_validation
from metaprobe.derived.derivation import derive, derive_validation, long_tail
from metaprobe.derived.index import ENOUGH_PICTURES, index_features, index_part, index_pictures
from metaprobe.derived.pictures import measure_derived
from metaprobe.metafeatures.image_statistics import measure_pictures
from metaprobe.operations.beforehand import check_machine
from metaprobe.operations.flow.stages import all_stages
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.outdated import find_outdated
from metaprobe.operations.planning.costs import Job
from metaprobe.training.material import read_material

SCRIPT = ROOT / "benchmarks/draw_derived.py"
FILE = ROOT / "config/derived-300.yaml"
FOLDER = typed({"kind": "folder", "classes": 3})


def entry(**keys: Any) -> Derived:
    """An entry that derives from a data set `Birds`."""
    made = parse_entry({"kind": "derived", "from": "Birds"} | keys)
    assert isinstance(made, Derived)
    return made


def a_subset(
    labels: list[int], one_pool: bool = False, seed: int = 0, train: int = 10**6
) -> dict[str, Any]:
    """The subset of a data set with these labels; of two pools the test pool has the half of them."""
    names = [f"class {number}" for number in range(max(labels) + 1)]
    pools = {"pool": labels} if one_pool else {"train": labels, "test": labels[: len(labels) // 2]}
    dataset = Dataset(
        names,
        {k: Pool(np.array(one), lambda index: None) for k, one in pools.items()},
        read_as="folder",
    )
    sizes = {"train": train, "test": 10**6}
    return draw_subset("Birds", FOLDER, dataset, seed=seed, sampling="random", sizes=sizes)


# Which images


@st.composite
def tasks(draw: st.DrawFn) -> tuple[dict[str, Any], Derived]:
    """A subset of some classes, unequal in number, and what may be derived of it."""
    classes = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(6, 40), min_size=classes, max_size=classes))
    labels = draw(st.permutations([k for k, n in enumerate(counts) for _ in range(n)]))
    parent = a_subset(labels, draw(st.booleans()), draw(st.integers(0, 3)))
    keys = {
        "classes": draw(st.none() | st.integers(2, classes)),
        "train_images": draw(st.none() | st.integers(2 * classes, 150)),
        "imbalance": draw(st.none() | st.floats(1, 2)),
        "label_noise": draw(st.none() | st.floats(0.01, 0.99)),
    }
    keys = {key: value for key, value in keys.items() if value is not None}
    return parent, entry(**(keys or {"train_images": 2 * classes}))


@given(tasks())
def test_derived_subset_is_rows_of_its_parent(task: tuple[dict[str, Any], Derived]) -> None:
    """A label of another image, an image twice, a test image that is trained on, a class that is lost."""
    parent, one = task
    before = copy.deepcopy(parent)
    try:
        found = derive("Few", one, parent)
    except UserError as error:
        assert one.imbalance and "at least 2 of each class are needed" in str(error)
        return
    assert parent == before and found == derive("Few", one, parent)
    names, of = found["class_names"], parent["class_names"]
    assert len(names) == found["class_count"] == (one.classes or len(of))
    assert names == [name for name in of if name in names]
    wrong = []
    for part in ("train", "test"):
        rows = found["rows"][part]
        assert rows == sorted(set(rows)) and len(rows) == found[part]["images"]
        assert found[part]["indices"] == [parent[part]["indices"][row] for row in rows]
        for place, (row, label) in enumerate(zip(rows, found[part]["labels"], strict=True)):
            if names[label] != of[parent[part]["labels"][row]]:
                wrong.append((part, place))
    train = found["train"]
    assert wrong == [("train", place) for place in found["relabelled"]]
    assert len(wrong) == round((one.label_noise or 0) * train["images"])
    in_classes = [of[label] in names for label in parent["test"]["labels"]]
    assert found["test"]["images"] == sum(in_classes)
    true = Counter(of[parent["train"]["labels"][row]] for row in found["rows"]["train"])
    assert min(true[name] for name in names) >= 2
    available = Counter(of[label] for label in parent["train"]["labels"])
    most = sum(available[name] for name in names)
    if one.imbalance is None:
        assert train["images"] == min(one.train_images or most, most)
    else:
        assert train["images"] <= min(one.train_images or most, most)
    assert [*found][: len(parent) - 1] == [*parent][:-1]


def test_derived_subset_is_read_as_any_other(tmp_path: Path) -> None:
    """A file that what reads subsets refuses."""
    found = derive("Few", entry(classes=2), a_subset([0, 1, 2] * 20, one_pool=True))
    write_json(tmp_path / "Few.json", found)
    assert read_subset(tmp_path / "Few.json") == found
    assert found["pools"] == {"pool": {"images": found["train"]["images"]}}
    assert found["read_as"] == "folder, derived from Birds"
    assert found["derivation"] == {"from": "Birds", "classes": 2}
    broken = a_subset([0, 1, 2] * 20) | {"broken_images": 3}
    assert "broken_images" not in derive("Few", entry(classes=2), broken)


def test_draws_depend_on_the_id_and_the_seed_alone() -> None:
    """Siblings with the same images, or images that change with a key that does not concern them."""
    labels = [number % 5 for number in range(200)]
    one, other = (a_subset(labels, seed=seed) for seed in (0, 1))
    few = entry(train_images=40)
    rows = derive("A", few, one)["rows"]
    assert rows == derive("A", few, one)["rows"] != derive("B", few, one)["rows"]
    assert rows != derive("A", few, other)["rows"]
    assert rows == derive("A", entry(train_images=40, label_noise=0.5), one)["rows"]
    kept = {tuple(derive(f"A_{n}", entry(classes=2), one)["class_names"]) for n in range(20)}
    assert len(kept) > 3


def test_fewer_images_are_in_proportion_but_two_of_each_class() -> None:
    """A rare class that is lost, or classes made equal in number that are not."""
    parent = a_subset([0] * 300 + [1] * 90 + [2] * 10)
    counts = derive("Few", entry(train_images=40), parent)["train"]["counts_per_class"]
    assert counts == {"class 0": 29, "class 1": 9, "class 2": 2}


def test_imbalance_is_the_published_profile() -> None:
    """Another long tail than that of Cui et al., 5,000 images of the largest of CIFAR-10's ten classes."""
    found = long_tail(np.full(10, 5000), 100)
    published = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert np.abs(found - published).max() <= 1
    equal = derive("Equal", entry(imbalance=1), a_subset([0] * 50 + [1] * 30 + [2] * 20))
    assert set(equal["train"]["counts_per_class"].values()) == {20}
    sizes = derive("Tail", entry(imbalance=10), a_subset([0, 1, 2] * 100))["train"]
    assert sorted(sizes["counts_per_class"].values()) == [10, 32, 100]
    orders = {
        tuple(derive(f"Tail{n}", entry(imbalance=10), a_subset([0, 1, 2] * 100))["train"]["labels"])
        for n in range(6)
    }
    assert len({Counter(one).most_common(1)[0][0] for one in orders}) > 1


def test_wrong_labels_are_of_all_other_classes_alike() -> None:
    """Noise that goes to the next class only, or that hits a part of the classes."""
    parent = a_subset([0, 1, 2, 3] * 500)
    found = derive("Noise", entry(label_noise=0.5), parent)
    assert len(found["relabelled"]) == 1000
    pairs = Counter(
        (parent["train"]["labels"][place], found["train"]["labels"][place])
        for place in found["relabelled"]
    )
    assert len(pairs) == 12 and min(pairs.values()) > 50
    assert found["test"]["labels"] == parent["test"]["labels"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"classes": ["class 0", "clas 1"]},
            "Few: Birds has no class 'clas 1'; did you mean 'class 1'? its classes: class 0, class 1, class 2",
        ),
        ({"imbalance": 30}, "Few: 1 training images of Birds are left of 'class"),
        (
            {"train_images": 5},
            "Few: 5 training images of Birds are too few for 3 classes; at least 2 of each are needed",
        ),
        ({"imbalance": 10, "train_images": 12}, "Few: 1 training images of Birds are left of"),
    ],
)
def test_impossible_task_is_one_line(keys: dict[str, Any], message: str) -> None:
    """A task with an empty class, or a traceback."""
    with pytest.raises(UserError) as told:
        derive("Few", entry(**keys), a_subset([0, 1, 2] * 20))
    assert str(told.value).startswith(message) and "\n" not in str(told.value)


def test_classes_without_enough_images_are_not_drawn() -> None:
    """A draw that fails for a class that it need not have taken."""
    parent = a_subset([0] * 20 + [1] * 20 + [2] * 20 + [3])
    assert all(
        "class 3" not in derive(f"Two_{n}", entry(classes=2), parent)["class_names"]
        for n in range(20)
    )
    with pytest.raises(UserError, match="classes of Birds have at least 2 training images"):
        derive("Four", entry(classes=4), parent)


# What is cached of them


def cached(folder: Path, parent: dict[str, Any], part: str | None = None) -> tuple[str, dict]:
    """A features file of a parent, or one of its parts, and its arrays."""
    rng = np.random.default_rng(0)
    splits = {"train_": "train", "test_": "test"} if part is None else {"": "train"}
    arrays: dict[str, Any] = {}
    for prefix, split in splits.items():
        arrays[f"{prefix}labels"] = np.array(parent[split]["labels"])
        shape = (parent[split]["images"], 4)
        arrays[f"{prefix}features"] = rng.normal(size=shape).astype(np.float32)
    seconds = {f"{prefix}features": 100.0 for prefix in splits} | {"waiting": 10.0}
    facts = {"task_id": "Birds", "architecture": "ResNet18", "class_count": parent["class_count"]}
    facts |= {"subset_sha256": parent["sha256"], "features_sha256": digest_arrays(arrays)}
    facts |= {"weights": {"id": "random"}, "engine": {"name": "torch"}, "precision": "float32"}
    facts |= {"seconds": seconds, **({"part": part} if part else {})}
    path = folder / "Birds" / f"{part or 'features'}.safetensors"
    write_arrays(path, arrays | ({} if part else {"expected_mean": np.arange(4.0)}), facts)
    return str(path), arrays


def written(folder: Path, task_id: str, content: dict[str, Any]) -> str:
    write_json(folder / f"{task_id}.json", content)
    return str(folder / f"{task_id}.json")


def test_index_gives_the_rows_of_the_parent_and_copies_none(tmp_path: Path) -> None:
    """Features beside the labels of other images; a copy of the features on the disk."""
    parent = a_subset([0, 1, 2] * 200)
    subset = derive("Few", entry(classes=2, label_noise=0.3, train_images=100), parent)
    features, arrays = cached(tmp_path, parent)
    path = tmp_path / "Few" / "features.safetensors"
    index_features(written(tmp_path, "Few", subset), features).write(path)
    found, facts = read_arrays(path)
    for part in ("train", "test"):
        expected = arrays[f"{part}_features"][subset["rows"][part]]
        np.testing.assert_array_equal(found[f"{part}_features"], expected)
        assert found[f"{part}_labels"].tolist() == subset[part]["labels"]
    assert found["expected_mean"].tolist() == [0, 1, 2, 3] and len(found) == 5
    own = {name: array for name, array in found.items() if name != "expected_mean"}
    assert facts["features_sha256"] == digest_arrays(own)
    assert facts["parent_sha256"] == digest_arrays(arrays)
    assert facts["subset_sha256"] == subset["sha256"] and facts["class_count"] == 2
    share = subset["train"]["images"] / parent["train"]["images"]
    assert facts["seconds"]["train_features"] == pytest.approx(100 * share)
    assert path.stat().st_size < Path(features).stat().st_size
    material = read_material(str(path))
    assert material.class_count == 2 and len(material.train.labels) == 100


def test_index_moves_with_its_parent_and_refuses_another(tmp_path: Path) -> None:
    """Results that cannot be moved; or rows of other features than those that were meant."""
    parent = a_subset([0, 1, 2] * 20)
    subset = derive("Few", entry(classes=2), parent)
    features, _ = cached(tmp_path / "here", parent)
    path = tmp_path / "here/Few/features.safetensors"
    index_features(written(tmp_path, "Few", subset), features).write(path)
    moved = tmp_path / "there"
    shutil.move(tmp_path / "here", moved)
    there = moved / "Few/features.safetensors"
    assert len(read_arrays(there)[0]["train_labels"]) == subset["train"]["images"]
    arrays, facts = read_arrays(moved / "Birds/features.safetensors")
    write_arrays(moved / "Birds/features.safetensors", arrays, facts | {"precision": "bfloat16"})
    with pytest.raises(UserError, match=r"rows of another file than .*: delete it and start"):
        read_arrays(there)
    (moved / "Birds/features.safetensors").unlink()
    with pytest.raises(UserError, match=r"Birds/features\.safetensors does not exist"):
        read_arrays(there)
    content = there.read_bytes()
    there.write_bytes(content.replace(b"train_rows", b"train_raws", 1))
    with pytest.raises(UserError, match="is broken"):
        read_arrays(there)


def test_index_of_an_index_is_refused(tmp_path: Path) -> None:
    """A chain of files, or a file of rows of itself, that is followed without end."""
    write_arrays(tmp_path / "a", {"x": np.arange(5)}, {})
    write_rows(tmp_path / "b", tmp_path / "a", {"x": "rows"}, {"rows": np.array([3, 1])}, {})
    assert read_arrays(tmp_path / "b")[0]["x"].tolist() == [3, 1]
    write_rows(tmp_path / "c", tmp_path / "b", {"x": "rows"}, {"rows": np.array([0])}, {})
    with pytest.raises(UserError, match="c is broken"):
        read_arrays(tmp_path / "c")


@pytest.mark.parametrize(("name", "row"), [("y", 0), ("x", 9)])
def test_rows_that_are_not_there_are_refused(tmp_path: Path, name: str, row: int) -> None:
    """A traceback for a file of others that names what its origin has not."""
    write_arrays(tmp_path / "a", {"x": np.arange(5)}, {})
    write_rows(tmp_path / "b", tmp_path / "a", {name: "rows"}, {"rows": np.array([row])}, {})
    with pytest.raises(UserError, match=r"b is broken .*a has no such rows"):
        read_arrays(tmp_path / "b")


def test_features_of_another_subset_are_refused(tmp_path: Path) -> None:
    """Rows of the parent's images as they were drawn under another seed."""
    parent, other = (a_subset([0, 1, 2] * 20, True, seed) for seed in (0, 1))
    features, _ = cached(tmp_path, other)
    path = written(tmp_path, "Few", derive("Few", entry(classes=2), parent))
    with pytest.raises(UserError, match=r"of another subset than .*Few\.json is derived from"):
        index_features(path, features)


@pytest.mark.parametrize("left_over", [True, False])
def test_validation_images_are_the_parents_under_true_labels(
    tmp_path: Path, left_over: bool
) -> None:
    """Validation images that are trained on, of classes that are left out, or under wrong labels."""
    labels = [number % 4 for number in range(400)]
    parent = a_subset(labels, train=200 if left_over else 10**6)
    dataset = Dataset(parent["class_names"], {"train": Pool(np.array(labels), lambda index: None)})
    dataset.pools["test"] = dataset.pools["train"]
    drawn = draw_validation(parent, FOLDER, dataset, 60)
    subset = derive("Few", entry(classes=2, label_noise=0.4), parent)
    found = derive_validation(subset, parent, drawn)
    path = written(tmp_path, "60", found)
    assert read_validation(path, subset) == found
    assert found["images"] == len(found["rows"]) > 10
    for index, label in zip(found["indices"], found["labels"], strict=True):
        assert subset["class_names"][label] == f"class {labels[index]}"
    taken = {subset["train"]["indices"][place] for place in found["from_training"]}
    assert taken == set(found["indices"]) & set(subset["train"]["indices"])
    assert bool(taken) != left_over

    rng = np.random.default_rng(0)
    of_parent = {"labels": np.array(drawn["labels"]), "features": rng.normal(size=(60, 4))}
    of_parent["from_training"] = np.array(drawn["from_training"], np.int64)
    _, facts = read_arrays(cached(tmp_path, parent)[0])
    facts |= {"part": "validation-60", "seconds": {"features": 6.0, "waiting": 0.0}}
    write_arrays(tmp_path / "Birds/v.safetensors", of_parent, facts)
    of_subset = written(tmp_path, "Few", subset)
    index_part(of_subset, str(tmp_path / "Birds/v.safetensors"), path).write(tmp_path / "v")
    arrays, told = read_arrays(tmp_path / "v")
    np.testing.assert_array_equal(arrays["features"], of_parent["features"][found["rows"]])
    assert arrays["labels"].tolist() == found["labels"]
    assert arrays["from_training"].tolist() == found["from_training"]
    assert told["seconds"]["features"] == pytest.approx(6.0 * len(found["rows"]) / 60)


def test_views_are_rows_of_the_parents_under_the_labels_that_are_trained_on(tmp_path: Path) -> None:
    """Augmented images of others, or without the wrong labels."""
    parent = a_subset([0, 1, 2] * 40)
    subset = derive("Few", entry(label_noise=0.3, train_images=30), parent)
    view, arrays = cached(tmp_path, parent, "flip-0")
    index_part(written(tmp_path, "Few", subset), view, None).write(tmp_path / "view")
    found, told = read_arrays(tmp_path / "view")
    np.testing.assert_array_equal(found["features"], arrays["features"][subset["rows"]["train"]])
    assert found["labels"].tolist() == subset["train"]["labels"]
    assert (told["part"], told["task_id"]) == ("flip-0", "Few")


def test_pictures_are_those_that_are_measured_or_are_measured(tmp_path: Path) -> None:
    """The statistics of other pictures; or of so few that a description has none."""
    shapes = typed({"kind": "embedded", "class": "generated_shapes", "classes": 8})
    dataset = open_dataset("Shapes", shapes, tmp_path)
    sizes = {"train": 400, "test": 50}
    parent = draw_subset("Shapes", shapes, dataset, seed=0, sampling="random", sizes=sizes)
    common = {"data": tmp_path, "transform": "colour", "seed": 0}
    of_parent = written(tmp_path, "Shapes", parent)
    arrays, facts = measure_pictures(
        task_id="Shapes", entry=shapes, subset_path=of_parent, sample=200, **common
    )
    write_arrays(tmp_path / "Shapes.safetensors", arrays, facts)
    many, few = (
        written(tmp_path, name, derive(name, parse_entry(one), parent))
        for name, one in {
            "Many": {"kind": "derived", "from": "Shapes", "label_noise": 0.5},
            "Few": {"kind": "derived", "from": "Shapes", "train_images": 20},
        }.items()
    )
    assert ENOUGH_PICTURES == 100
    assert index_pictures(few, str(tmp_path / "Shapes.safetensors")) is None
    index = index_pictures(many, str(tmp_path / "Shapes.safetensors"))
    assert index is not None
    index.write(tmp_path / "Many.safetensors")
    found, told = read_arrays(tmp_path / "Many.safetensors")
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
    assert told["subset_sha256"] == read_json(many)["sha256"]
    found, told = measure_derived(
        subset_path=few, parent_path=of_parent, origin="Shapes", entry=shapes, **common
    )
    assert told["subset_sha256"] == read_json(few)["sha256"] and told["task_id"] == "Few"
    assert found["positions"].tolist() == list(range(20))
    both = np.isin(arrays["positions"], read_json(few)["rows"]["train"])
    place = np.searchsorted(read_json(few)["rows"]["train"], arrays["positions"][both])
    assert both.any()
    np.testing.assert_array_equal(found["luminance_mean"][place], arrays["luminance_mean"][both])


# What the configuration says

CONFIG: dict[str, Any] = {
    "backbones": WRITTEN_BACKBONES,
    "described_by": ["ResNet18"],
    "weights": "random",
    "datasets": {
        "Birds_five": {"kind": "derived", "from": "Birds", "classes": 5},
        "Birds": {"kind": "pcam", "classes": 8, "source": "net", "transform": "grey"},
        "Fish": {"kind": "pcam", "classes": 4, "family": "animals", "licence": "MIT"},
        "Fish_noise": {"kind": "derived", "from": "Fish", "label_noise": 0.1},
    },
    "sources": {"net": {"download_mb": 1, "extracted_mb": 1}},
    "configurations": {
        "plain": {"architecture": "ResNet18", "learning_rate": 0.1},
        "stopped": {
            "architecture": "ResNet18",
            "learning_rate": 0.1,
            "validation_images": 50,
            "patience": 2,
        },
    },
}


def a_run(**changes: Any) -> Run:
    return load_run(copy.deepcopy(CONFIG) | changes, [])


def complaint(**keys: Any) -> str:
    """What is told of a data set `Few` with these keys."""
    few = {"kind": "derived", "from": "Birds"} | keys
    with pytest.raises(UserError) as told:
        a_run(datasets=CONFIG["datasets"] | {"Few": few})
    return str(told.value).partition(": ")[2]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown parent": (
        {"from": "Brids", "classes": 2},
        "datasets/Few/from: 'Brids' is not declared in datasets; did you mean Birds?",
    ),
    "derived parent": (
        {"from": "Fish_noise", "classes": 2},
        "datasets/Few/from: Fish_noise is derived itself, from Fish",
    ),
    "more classes than there are": (
        {"classes": 9},
        "datasets/Few/classes: 9 are more than the 8 of Birds",
    ),
    "more names than there are": (
        {"from": "Fish", "classes": list("abcde")},
        "datasets/Few/classes: 5 are more than the 4 of Fish",
    ),
    "one class": (
        {"classes": 1},
        "datasets/Few/classes: 1 is not allowed; allowed: 2 or more, or a list of at least 2 names,"
        " each once",
    ),
    "a class twice": (
        {"classes": ["a", "a"]},
        "datasets/Few/classes: ['a', 'a'] is not allowed; allowed: 2 or more, or a list of at least"
        " 2 names, each once",
    ),
    "imbalance below 1": (
        {"imbalance": 0.5},
        "datasets/Few/imbalance: 0.5 is not allowed; allowed: 1 or more",
    ),
    "no noise": (
        {"label_noise": 0},
        "datasets/Few/label_noise: 0 is not allowed; allowed: more than 0",
    ),
    "nothing but noise": (
        {"label_noise": 1},
        "datasets/Few/label_noise: 1 is not allowed; allowed: less than 1",
    ),
    "too few images": (
        {"train_images": 15},
        "datasets/Few/train_images: 15 are too few for 2 of each of 8 classes",
    ),
    "nothing derived": (
        {},
        "datasets/Few: is Birds itself: say classes, train_images, imbalance or label_noise",
    ),
    "a key of its parent": (
        {"classes": 2, "transform": "grey"},
        "datasets/Few: transform is that of Birds: leave it out",
    ),
    "a key of another kind": (
        {"classes": 2, "path": "x"},
        "datasets/Few/path: means nothing to kind derived; its own keys: from, imbalance,"
        " label_noise, train_images",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line_before_anything_starts(mistake: str) -> None:
    """A job that fails, or a task that is another than was meant."""
    keys, expected = MISTAKES[mistake]
    assert complaint(**keys) == expected


def test_more_than_heads_is_refused_before_anything_starts() -> None:
    """Pictures that are read for tasks that promise to read none."""
    tuned = {"architecture": "ResNet18", "learning_rate": 0.1, "trainable": "last_block"}
    configurations = CONFIG["configurations"] | {"tuned": tuned}
    with pytest.raises(UserError, match="trainable: last_block needs pictures, and derived data"):
        a_run(configurations=configurations)
    assert a_run(configurations=configurations, only_datasets=["Birds", "Fish"])
    assert a_run(configurations=configurations, only_configurations=["plain"])


def test_what_is_the_parents_is_taken_from_it() -> None:
    """A sibling on both sides of a hold-out, or a parent whose files are not fetched."""
    run = a_run(only_datasets=["Birds_five", "Fish_noise", "Fish"])
    assert [*run.datasets] == ["Birds_five", "Fish_noise", "Fish"] and [*run.parents] == ["Birds"]
    assert [one.family for one in run.datasets.values()] == ["Birds", "animals", "animals"]
    assert [one.transform for one in run.datasets.values()] == ["grey", "colour", "colour"]
    assert run.datasets["Fish_noise"].licence == "MIT"
    assert [*run.sources] == ["net"]
    assert a_run(only_datasets=["Fish_noise"]).sources == {}
    config = copy.deepcopy(CONFIG)
    assert (
        load_run(config, []).datasets == load_run(config, []).datasets
    )  # completed, it is the same


def test_files_and_jobs_of_a_derived_experiment(tmp_path: Path) -> None:
    """A failure of its parent's extraction that `status` does not tell; an order that runs too late."""
    flow = Workflow(a_run(only_datasets=["Birds_five"]), tmp_path / "r", tmp_path / "l")
    assert [*flow.entries] == ["Birds", "Birds_five"]
    assert flow.manifest("Birds_five") == [] and flow.origin_of("Birds_five") == "Birds"
    jobs = [
        str(Path(log).relative_to(tmp_path / "l").with_suffix(""))
        for log, _ in all_stages(flow)["Birds_five", "stopped"]
    ]
    part = "ResNet18/validation-50"
    assert jobs == [
        *("download/net", "subset_index/Birds", "extract_features/Birds/ResNet18"),
        *("draw_validation/Birds/50", f"extract_part/Birds/{part}"),
        *("derive_subset/Birds_five", "select_features/Birds_five/ResNet18"),
        *("derive_validation/Birds_five/50", f"select_part/Birds_five/{part}"),
        *("train_head/Birds_five/stopped", "metrics_json/Birds_five/stopped"),
    ]


def test_logs_and_files_of_the_rules_are_as_the_layout_says() -> None:
    """A job of a derived data set whose log `status` does not find."""
    rules = (ROOT / "workflow/rules/derived.smk").read_text()
    patterns = {"draw_validation": layout.VALIDATION, "extract_part": layout.PART} | layout.STAGES
    for rule, own in layout.OF_DERIVED.items():
        body = rules.partition(f"rule {own}:")[2].partition("\nrule ")[0]
        assert f'"{layout.log_of(own, patterns[rule])}"' in body
        (name,) = [name for name, one in vars(layout).items() if one == patterns[rule]]
        assert f"layout.{name}" in body and own in layout.WORK


# Results without Snakemake's records


def test_changed_task_or_parent_is_found_by_what_the_files_say(tmp_path: Path) -> None:
    """A copied folder in which a task of other images, or of its parent as it was, is taken for this."""
    datasets = {
        "Birds": {"kind": "folder", "classes": 3},
        "Few": {"kind": "derived", "from": "Birds", "classes": 2},
    }

    def outdated(results: Path = tmp_path, **keys: Any) -> list[str]:
        entries = datasets | {"Few": datasets["Few"] | keys}
        run = a_run(datasets=entries, train_images=100, test_images=50)
        found = find_outdated(Workflow(run, results, results / "logs"))
        return sorted(str(path.relative_to(results)) for path in found)

    parent = a_subset([0, 1, 2] * 33, train=100)
    few = derive("Few", entry(classes=2), parent)
    for task_id, subset in {"Birds": parent, "Few": few}.items():
        written(tmp_path / "subsets", task_id, subset)
    assert outdated() == []
    assert outdated(classes=3) == outdated(label_noise=0.1) == ["subsets/Few.json"]
    written(tmp_path / "subsets", "Birds", a_subset([0, 2, 1] * 33, train=100))
    assert outdated() == ["subsets/Few.json"]
    written(tmp_path / "subsets", "Birds", few)
    assert "subsets/Birds.json" in outdated()


# The shipped file


def shipped() -> Run:
    files = [
        ROOT / f"config/{name}.yaml"
        for name in ("config", "datasets", "backbones", "configurations", "derived-300")
    ]
    config: dict[str, Any] = {}
    for file in files:
        for key, value in read_strictly(file).items():
            config[key] = {**config[key], **value} if isinstance(config.get(key), dict) else value
    return load_run(config, map(str, files))


def test_documented_command_writes_the_file() -> None:
    """Tasks that nobody can draw again, or that were edited by hand."""
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    assert result.stdout == FILE.read_text()


def test_the_thirty_come_first_and_each_has_tasks() -> None:
    """Rows of the thirty that move; fewer tasks than the file's name promises; a lone family."""
    run = shipped()
    thirty = [*read_strictly(ROOT / "config/datasets.yaml")["datasets"]]
    assert [*run.datasets][:30] == thirty
    found = {k: one for k, one in run.datasets.items() if isinstance(one, Derived)}
    assert len(found) >= 300 and len(found) == len(run.datasets) - 30
    assert {one.of for one in found.values()} == {*thirty}
    for task_id, one in found.items():
        assert one.family == (run.datasets[one.of].family or one.of)
        assert task_id.startswith(f"{one.of}_")
    said = f"{len(found)} tasks derived from the thirty"
    assert said in FILE.read_text() and said in (ROOT / "config/README.md").read_text()


@pytest.mark.parametrize("seed", [0, 1])
def test_each_of_them_can_be_derived(seed: int) -> None:
    """A task of a data set that has not the classes or images for it."""
    run, rarest = shipped(), runpy.run_path(str(SCRIPT))["RAREST"]
    rng = np.random.default_rng(seed)
    parents = {}
    for name in [*run.datasets][:30]:
        one = run.datasets[name]
        declared = one.images.parameters() if one.images else {}
        shares = np.ones(one.classes)
        if name in rarest and name != "Omniglot":  # from the rarest to the commonest in equal steps
            shares = np.linspace(rarest[name], 2 / one.classes - rarest[name], one.classes)
        sizes = {"train": declared.get("train") or 0.8 * declared["pool"]}
        sizes["test"] = declared.get("test") or 0.2 * declared["pool"]
        most = {"train": 5000, "test": 1000}
        parent: dict[str, Any] = {"seed": seed, "read_as": "", "sha256": ""}
        parent["class_names"] = [f"{number}" for number in range(one.classes)]
        for part, size in sizes.items():
            count = min(int(size), most[part])
            if name == "Flowers102" and part == "train":
                labels = np.arange(count) % one.classes  # all of them: 20 of each class
            else:
                labels = rng.choice(one.classes, count, p=shares / shares.sum())
            parent[part] = {"pool": part, "indices": range(count), "labels": labels.tolist()}
        parents[name] = parent
    for task_id, one in run.datasets.items():
        if isinstance(one, Derived):
            found = derive(task_id, one, parents[one.of])
            assert found["test"]["images"] >= 30, task_id


@pytest.mark.slow
def test_finished_parents_leave_index_files_heads_and_tables_to_do(tmp_path: Path) -> None:
    """A backbone, a download or a head of the thirty that runs for the tasks derived from them."""
    folder = tmp_path / "checkout"
    copy_workflow(folder)
    run = shipped()
    thirty = [*run.datasets][:30]
    names = [*run.configurations]
    files = [f"sources/{one}.json" for one in run.sources]
    files += [f"weights/{one}.json" for one in WRITTEN_BACKBONES]
    files += [f"subsets/{task}.json" for task in thirty]
    files += [f"features/{task}/{one}.safetensors" for task in thirty for one in WRITTEN_BACKBONES]
    files += [f"pictures/{task}.safetensors" for task in thirty]
    files += [f"descriptions/{task}.json" for task in thirty]
    for kind, end in (
        ("heads", "safetensors"),
        ("metrics", "json"),
        ("predictions", "safetensors"),
    ):
        files += [f"{kind}/{task}/{name}.{end}" for task in thirty for name in names]
    for file in files:
        path = folder / "results" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tasks = len(run.datasets) - 30
    found = planned(folder, "--configfile", "config/derived-300.yaml")
    tables = {"aggregate", "aggregate_descriptions", "compare_configurations", "check_table"}
    tables |= {"validate", "export_metabu", "evaluate_recommenders", "build_portfolio"}
    tables |= {"report", "all"}
    assert {rule: number for rule, number in found.items() if rule not in tables} == {
        **dict.fromkeys(("derive_subset", "select_pictures", "describe_dataset"), tasks),
        "select_features": 3 * tasks,
        **dict.fromkeys(("train_head", "metrics_json"), 6 * tasks),
    }


# A run


FEW = {"kind": "derived", "from": "Digits", "train_images": 40}
NOISE = {"kind": "derived", "from": "Tints", "label_noise": 0.2}
FIVE = {"kind": "derived", "from": "Digits", "classes": 5}
VALIDATED = {"architecture": "ResNet18", "learning_rate": 0.01, "validation_images": 12}
FLIPPED = {"architecture": "ResNet18", "learning_rate": 0.01, "augmentation": "flip", "views": 1}
OPENING = {"download", "subset_index", "draw_validation", "fetch_weights", "extract_features"}
OPENING |= {"extract_part", "measure_pictures", "cache_activations"}


@pytest.mark.slow
def test_derived_tasks_run_on_what_is_there(tmp_path: Path) -> None:
    """A pass for a derived task; a row that cannot be measured again; siblings that are told apart."""
    folder = tmp_path / "here"
    configurations = {
        "plain": {"architecture": "ResNet18", "learning_rate": 0.01},
        "stopped": VALIDATED | {"epochs": 4, "patience": 2},
        "flipped": FLIPPED,
    }
    settings = {
        "only_datasets": ["Digits"],
        "only_configurations": [*configurations],
        "configurations": configurations,
        "described_by": ["ResNet18"],
        "train_images": 60,
        "test_images": 30,
    }
    run_tiny(folder, **settings)
    results = folder / "results"
    before = {path: path.read_bytes() for path in results.glob("*/Digits/**/*") if path.is_file()}

    def derive_more(**tasks: Any) -> None:
        def change(content: dict[str, Any]) -> None:
            content["datasets"] |= tasks
            content["only_datasets"] = list(dict.fromkeys([*content["only_datasets"], *tasks]))

        edit_yaml(folder / "tiny.yaml", change)

    derive_more(Digits_five=FIVE, Digits_few=FEW)
    jobs = planned(folder, *TINY)
    assert not OPENING & jobs.keys() and jobs["train_head"] == jobs["metrics_json"] == 6
    assert (jobs["derive_subset"], jobs["select_features"], jobs["select_part"]) == (2, 2, 4)
    assert snakemake(folder, *TINY).returncode == 0
    assert {path: path.read_bytes() for path in before} == before
    rows = json.loads(
        subprocess.run(
            [sys.executable, "-c", ROWS], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
    )
    assert [row[:2] for row in rows[::3]] == [
        ["Digits", None],
        ["Digits_five", "Digits"],
        ["Digits_few", "Digits"],
    ]
    assert rows[3][2:] == ["embedded, derived from Digits", 5]
    assert described(results) == ["Digits", "Digits_five", "Digits_few"]
    # Held out with its relatives, none of the three has a task left to learn from.
    assert held_out(results, "task") == dict.fromkeys(described(results), "Digits")
    assert held_out(results, "family") == {}

    # Another task, of a data set that is not in the table: that alone is opened.
    write_pictures(folder / "data" / "Tints") if not (folder / "data/Tints").exists() else None
    derive_more(Tints_noise=NOISE)
    jobs = planned(folder, *TINY)
    assert (jobs["subset_index"], jobs["extract_features"], jobs["train_head"]) == (1, 1, 3)
    assert snakemake(folder, *TINY).returncode == 0
    assert not (results / "heads/Tints").exists()
    assert described(results) == ["Digits", "Digits_five", "Digits_few", "Tints_noise"]
    families = dict.fromkeys(described(results), "Digits") | {"Tints_noise": "Tints"}
    assert held_out(results, "task") == held_out(results, "family") == families

    # A task that changes runs itself again, and nothing else.
    derive_more(Digits_five=FIVE | {"label_noise": 0.1})
    jobs = planned(folder, *TINY)
    assert not OPENING & jobs.keys()
    assert (jobs["derive_subset"], jobs["train_head"], jobs["metrics_json"]) == (1, 3, 3)
    assert snakemake(folder, *TINY).returncode == 0
    assert planned(folder, *TINY) == {}

    said = snakemake(folder, "verify", *TINY).stdout
    assert "verdict: identical" in said and "12 identical" in said, said

    # Results that are moved, without Snakemake's records, and one that is told from its parent.
    moved = tmp_path / "there"
    shutil.copytree(folder, moved, ignore=shutil.ignore_patterns(".snakemake"))
    assert planned(moved, *TINY) == {}
    (moved / "results/features/Digits/ResNet18.safetensors").unlink()
    jobs = planned(moved, *TINY, "--forcerun", "train_head")
    assert jobs["extract_features"] == 1


def described(results: Path) -> list[str]:
    """The tasks that have a row of meta-features, without an empty cell."""
    table = pd.read_csv(results / "basic_representations.csv")
    assert table.notna().all(axis=None)
    return [*table.task_id]


def held_out(results: Path, protocol: str) -> dict[str, str]:
    """Task → family of those that the evaluation of recommenders has held out."""
    tasks = read_json(results / "recommendation_evaluation.json")["tasks"]
    return {one["task_id"]: one["family"] for one in tasks if one["protocol"] == protocol}


ROWS = """
import json, pandas
table = pandas.read_csv("results/experiments.csv")
print(table[["task_id", "family", "read_as", "class_count"]].to_json(orient="values"))
"""


def test_impossible_task_is_told_before_the_first_job(tmp_path: Path) -> None:
    """Names of classes that are found wrong after an hour, where the parent's are known."""
    datasets = {
        "Birds": {"kind": "folder", "classes": 3},
        "Few": {"kind": "derived", "from": "Birds", "classes": ["class 0", "clas 2"]},
    }
    flow = Workflow(a_run(datasets=datasets), tmp_path / "results", tmp_path / "logs")
    written(tmp_path / "results/subsets", "Birds", a_subset([0, 1, 2] * 20))
    job = Job("derive_subset", "Few")
    with pytest.raises(UserError) as told:
        check_machine(flow, [job], here=False)
    assert str(told.value) == (
        "Few: Birds has no class 'clas 2'; did you mean 'class 2'? its classes: class 0, class 1,"
        " class 2"
    )
    check_machine(flow, [Job("describe_dataset", "Few")], here=False)
    (tmp_path / "data/Birds").mkdir(parents=True)
    drawn_anew = [job, Job("subset_index", "Birds")]
    run = a_run(datasets=datasets, data=str(tmp_path / "data"))
    check_machine(Workflow(run, flow.results, flow.logs), drawn_anew, here=False)
