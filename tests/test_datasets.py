"""What is checked of a data set, folder trees of every kind, and parts of data sets."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from entries import check, draw_subset, open_dataset, typed
from metaprobe.core.errors import UserError
from metaprobe.data.dataset import (
    check_fit,
    entry_here,
    subset_images,
)
from metaprobe.data.readers import Dataset, Pool
from PIL import Image

MNIST = {"kind": "torchvision", "class": "MNIST", "labels": "targets", "classes": 3}
MNIST |= {"train": {"train": True}, "test": {"train": False}, "transform": "grey"}
FOLDER = {"kind": "folder", "classes": 3, "transform": "colour"}
CLASSES = ("ant", "bee", "cat")


def write(
    root: Path, count: int = 5, classes: Iterable[str] = CLASSES, suffix: str = "png"
) -> Path:
    """Class folders with `count` pictures each, all of them different."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            colour = (80 * label, 10 * number, 7)
            Image.new("RGB", (12, 9), colour).save(root / name / f"{number}.{suffix}")
    return root


def complaint(entry: dict[str, Any], data: Path, task: str = "Task") -> str:
    with pytest.raises(UserError) as error:
        open_dataset(task, entry, data)
    assert str(error.value).startswith(f"{task}: ")
    return str(error.value)


def sizes(dataset: Dataset) -> dict[str, int]:
    return {part: len(pool.labels) for part, pool in dataset.pools.items()}


def drawn(entry: dict[str, Any], dataset: Dataset, **numbers: int) -> dict[str, Any]:
    wanted = {"train": 100, "test": 100} | numbers
    return draw_subset("Task", entry, dataset, seed=0, sampling="stratified", sizes=wanted)


def dataset_of(labels: dict[str, list[int]]) -> Dataset:
    def image(index: int) -> Image.Image:
        return Image.new("L", (4, 4))

    pools = {part: Pool(np.array(y, dtype=np.int64), image) for part, y in labels.items()}
    return Dataset([*CLASSES], pools, read_as="folder")


# What is checked.


@pytest.mark.parametrize(
    ("labels", "entry", "expected"),
    [
        ({"pool": [0, 1, 2, 3]}, {}, "labels run from 0 to 3, but classes: 3 allows 0 to 2"),
        ({"pool": [-1, 0, 1, 2]}, {"partial": True}, "labels run from -1 to 2"),
        ({"train": [0, 1], "test": [0, 1, 2]}, {}, r"2 classes have images.* images: cat\)"),
        ({"train": [0, 1, 2], "test": []}, {}, "there are no test images"),
        ({"train": [], "test": [0, 1, 2]}, {"partial": True}, "there are no train images"),
        ({"pool": [1, 1, 1]}, {"partial": True}, "1 classes have images"),
        ({"pool": [0, 1, 2]}, {"images": {"pool": 4}}, "the pool images number 3, .* declares 4"),
        (
            {"train": [0, 1, 2], "test": [0]},
            {"images": {"train": 3, "test": 2}},
            "the test images number 1, .* or write partial: true",
        ),
        ({"train": [0, 1, 2], "test": [0]}, {"images": {"pool": 5}}, "the train and test images"),
        ({"pool": [0, 1, 2]}, {"images": {"train": 2, "test": 2}}, "the pool images number 3, "),
    ],
)
def test_wrong_data_set_is_refused(
    labels: dict[str, list[int]], entry: dict[str, Any], expected: str
) -> None:
    """Results of a data set that is not the declared one."""
    with pytest.raises(UserError, match=f"^Task: {expected}"):
        check("Task", FOLDER | entry, dataset_of(labels))


@pytest.mark.parametrize(
    ("labels", "entry"),
    [
        ({"train": [0, 1, 2], "test": [0]}, {"images": {"train": 3, "test": 1, "pool": 9}}),
        ({"train": [0, 1, 2], "test": [0]}, {"images": {"pool": 4}}),
        ({"pool": [0, 1, 2, 2]}, {"images": {"train": 3, "test": 1}}),
        ({"pool": [0, 1, 2, 2]}, {"images": {"train": 9, "test": 9, "pool": 4}}),
        ({"pool": [0, 1, 2]}, {}),
        ({"train": [0, 1], "test": [2]}, {"partial": True, "images": {"train": 3, "test": 1}}),
    ],
)
def test_right_data_set_is_accepted(labels: dict[str, list[int]], entry: dict[str, Any]) -> None:
    """A data set refused because its parts are others, or although the user knows it is not whole."""
    check("Task", FOLDER | entry, dataset_of(labels))


def test_folder_elsewhere_is_read_where_it_lies_here() -> None:
    """A folder looked for by the last part of its path; or what is read told by another entry."""
    entry = {"kind": "folder", "path": "/here/Tints", "classes": 3, "images": {"pool": 9}}
    reading = {"kind": "folder", "path": "Tints", "classes": 3}
    assert entry_here(reading, entry | {"family": "a"}) == typed(entry)
    assert entry_here(reading | {"classes": 4}, entry).classes == 4
    inside = {"kind": "folder", "path": "all/Tints", "classes": 3}
    assert entry_here(inside, inside | {"source": "a"}) == typed(inside | {"source": "a"})


def test_class_without_images_is_told_from_one_too_many() -> None:
    """'6 classes have images, but datasets.yaml declares classes: 6'."""
    dataset = replace(dataset_of({"pool": [0, 1]}), class_names=["ant", "bee", "cow"])
    with pytest.raises(UserError) as error:
        check("Task", FOLDER | {"classes": 2}, dataset)
    assert "2 classes have images, of 3 that are named, but datasets.yaml" in str(error.value)
    assert "(without images: cow)" in str(error.value)


def test_empty_class_folder_is_named(tmp_path: Path) -> None:
    """A class that vanishes, so that those behind it move up."""
    (write(tmp_path / "Task", classes=("ant", "cat")) / "bee").mkdir()
    assert "2 classes have images, but" in (message := complaint(FOLDER, tmp_path))
    assert "(without images: bee)" in message


def test_partial_is_written_down(tmp_path: Path) -> None:
    """A table row of half a data set that looks like one of the whole."""
    write(tmp_path / "Task", classes=("ant", "cat"))
    entry = FOLDER | {"images": {"pool": 15}, "partial": True}
    subset = drawn(entry, open_dataset("Task", entry, tmp_path))
    assert subset["partial"] is True and subset["class_count"] == 2
    write(tmp_path / "Task", classes=("bee",))
    entry = FOLDER | {"images": {"pool": 15}}
    assert drawn(entry, open_dataset("Task", entry, tmp_path))["partial"] is False


# Folder trees in place of any kind.


@pytest.mark.parametrize("folders", [("train", "test"), ("",)])
def test_tree_replaces_the_files_of_any_kind(tmp_path: Path, folders: tuple[str, ...]) -> None:
    """A user's tree that is not found, or that is read in another way than it is reported."""
    for folder in folders:
        write(tmp_path / "MNIST" / folder)
    raw = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    raw.parent.mkdir()
    raw.write_bytes(b"torchvision's")
    dataset = open_dataset("MNIST", MNIST, tmp_path)
    parts = {"train": 15, "test": 15} if "test" in folders else {"pool": 15}
    assert sizes(dataset) == parts
    subset = drawn(MNIST, dataset)
    assert subset["read_as"] == "folder"
    assert subset["class_names"] == list(CLASSES)
    rule = (
        {"rule": "official"} if "test" in folders else {"rule": "stratified", "test_fraction": 0.2}
    )
    assert subset["split"] == rule
    whole = MNIST | {"images": {"train": 60000, "test": 10000}}
    assert f"in the folder tree {'MNIST'}, but datasets.yaml" in complaint(whole, tmp_path, "MNIST")
    assert open_dataset("MNIST", whole | {"partial": True}, tmp_path).read_as == "folder"


def test_tree_keeps_what_the_entry_says_of_classes(tmp_path: Path) -> None:
    """omit_classes or minimum_class_images lost, or `split` that turns train and test into classes."""
    root = tmp_path / "Faces"
    write(root / "train", 4)
    write(root / "test", 2)
    write(root / "train", 3, ["dog", "background"])
    entry = FOLDER | {"path": "lfw", "split": {"rule": "random"}}
    entry |= {"minimum_class_images": 6, "omit_classes": ["background"]}
    assert sizes(open_dataset("Faces", entry, tmp_path)) == {"train": 12, "test": 6}


def test_declared_folder_goes_before_a_tree(tmp_path: Path) -> None:
    """A tree that happens to have the task's name read instead of the folder that the user names."""
    write(tmp_path / "Task" / "train", 4)
    write(tmp_path / "Task" / "test", 4)
    entry = FOLDER | {"path": "Task/train"}
    assert sizes(open_dataset("Task", entry, tmp_path)) == {"pool": 12}
    entry = FOLDER | {"path": "not/there"}
    assert sizes(open_dataset("Task", entry, tmp_path)) == {"train": 12, "test": 12}


def test_tree_that_appears_later_does_not_fit_the_subset(tmp_path: Path) -> None:
    """Indices of one reader used with the images of another."""
    write(tmp_path / "there")
    entry = FOLDER | {"path": "there"}
    subset = drawn(entry, open_dataset("Task", entry, tmp_path))
    check_fit(subset, open_dataset("Task", entry, tmp_path), "subset.json")
    (tmp_path / "there").rename(tmp_path / "gone")
    write(tmp_path / "Task", suffix="bmp")
    with pytest.raises(UserError, match="no longer fits"):
        check_fit(subset, open_dataset("Task", entry, tmp_path), "subset.json")


# The folder reader.


def test_only_pictures_of_classes_are_read(tmp_path: Path) -> None:
    """Files that are no pictures, hidden ones, or pictures of another capitalisation lost."""
    root = write(tmp_path / "Task")
    Image.new("L", (5, 5)).save(root / "ant" / "OLD SCAN.JPG")
    for name in (".DS_Store", "Thumbs.db", "._0.png", ".0.png", "list.txt"):
        (root / "bee" / name).write_bytes(b"stray")
    (root / "bee" / "folder.png").mkdir()
    write(root, classes=[".git"])
    (root / "list.txt").write_text("stray")
    (root / "Annotations").mkdir()
    pool = open_dataset("Task", FOLDER, tmp_path).pools["pool"]
    assert np.bincount(pool.labels).tolist() == [6, 5, 5]
    assert "ant/OLD SCAN.JPG" in pool.names


def test_linked_class_folders_and_unusual_names(tmp_path: Path) -> None:
    """Class folders elsewhere passed over, and names that are not plain ASCII."""
    root = tmp_path / "Mine and others"
    names = ["mañana 3", "Ärger", "日本"]
    for name in names:
        write(tmp_path / "elsewhere", classes=[name])
        root.mkdir(exist_ok=True)
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    entry = FOLDER | {"path": "Mine and others"}
    dataset = open_dataset("Task", entry, tmp_path)
    assert dataset.class_names == sorted(names)
    assert len(list(subset_images(drawn(entry, dataset), "train", dataset, "colour"))) == 12


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """A crash when the class names are written down."""
    write(tmp_path / "Task", classes=CLASSES[:2])
    folder = os.fsencode(tmp_path / "Task") + b"/ma\xf1ana"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    Image.new("L", (5, 5)).save(tmp_path / "0.png")
    os.replace(tmp_path / "0.png", folder + b"/0.png")
    message = complaint(FOLDER, tmp_path)
    assert "ma?ana" in message and message.encode() and "rename it" in message


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["Task/Task"], "{data}/Task holds .* move what is in {data}/Task/Task to {data}/Task$"),
        (["Task/x/train", "Task/x/test"], "move what is in {data}/Task/x to {data}/Task$"),
        (["Task/train/train", "Task/test"], "move what is in {data}/Task/train/train"),
        (["Task/train"], "there is no folder {data}/Task/test; put one folder per class there"),
        (["Task/test"], "there is no folder {data}/Task/train; put one folder per class there"),
        (["Other"], "there is no folder {data}/Task; put one folder per class there"),
    ],
)
def test_misplaced_folders(tmp_path: Path, folders: list[str], expected: str) -> None:
    """A user who unpacked an archive and cannot tell what is wrong."""
    for folder in folders:
        write(tmp_path / folder)
    with pytest.raises(UserError, match=expected.format(data=tmp_path)):
        open_dataset("Task", FOLDER, tmp_path)


@pytest.mark.parametrize("folder", ["", "train"])
def test_pictures_outside_class_folders(tmp_path: Path, folder: str) -> None:
    """A part taken for a class, or an empty data set."""
    place = tmp_path / "Task" / folder
    place.mkdir(parents=True)
    Image.new("L", (5, 5)).save(place / "0.png")
    if folder:
        write(tmp_path / "Task/test")
    assert "put them into one folder per class" in complaint(FOLDER, tmp_path)


def test_class_called_train(tmp_path: Path) -> None:
    """Vehicles of which one class is the train."""
    write(tmp_path / "Task", classes=("bus", "tram", "train"))
    assert open_dataset("Task", FOLDER, tmp_path).class_names == ["bus", "train", "tram"]


def test_split_says_that_there_is_one_pool(tmp_path: Path) -> None:
    """Classes called train and test taken for parts, against what the entry says."""
    write(tmp_path / "Task", classes=("exam", "test", "train"))
    entry = FOLDER | {"split": {"rule": "random"}}
    assert open_dataset("Task", entry, tmp_path).class_names == ["exam", "test", "train"]


def test_test_class_without_training_pictures(tmp_path: Path) -> None:
    """Test pictures of a class that no head can name."""
    write(tmp_path / "Task/train", classes=CLASSES[:2])
    write(tmp_path / "Task/test")
    message = complaint(FOLDER, tmp_path)
    assert f"{tmp_path}/Task/test/cat has no counterpart in {tmp_path}/Task/train" in message


def test_class_below_the_minimum_everywhere(tmp_path: Path) -> None:
    """A message that says there are no folders when there are."""
    write(tmp_path / "Task", 5)
    message = complaint(FOLDER | {"minimum_class_images": 20}, tmp_path)
    assert "none has 20 of them: complete them, or correct minimum_class_images" in message


def test_unreadable_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback where the disk fails."""

    def fail(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path / "Task")
    monkeypatch.setattr(os, "scandir", fail)
    assert "cannot be read: [Errno 13] Permission denied" in complaint(FOLDER, tmp_path)


# Pictures that do not decode.


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "dangling link", "bomb"])
def test_picture_that_does_not_decode(tmp_path: Path, damage: str) -> None:
    """A broken picture that fails without its name."""
    root = write(tmp_path / "Task", suffix="bmp")
    broken = root / "bee/3.bmp"
    if damage == "dangling link":
        broken.unlink()
        broken.symlink_to(tmp_path / "gone")
    elif damage == "bomb":
        Image.new("1", (20000, 20000)).save(root / "bee/3.png")
        broken.unlink()
        broken = root / "bee/3.png"
    else:
        content = {"empty": b"", "truncated": broken.read_bytes()[:70], "text": b"<html>404</html>"}
        broken.write_bytes(content[damage])
    dataset = open_dataset("Task", FOLDER, tmp_path)
    subset = drawn(FOLDER, dataset)
    part = (
        "train"
        if dataset.pools["pool"].names.index(f"bee/{broken.name}") in (subset["train"]["indices"])
        else "test"
    )
    with pytest.raises(UserError, match=f"^Task: pool picture bee/{broken.name} does not decode"):
        list(subset_images(subset, part, dataset, "colour"))


def test_picture_without_a_file_of_its_own_is_numbered() -> None:
    """An error of an array file that does not say which picture."""
    dataset = dataset_of({"train": [0, 1, 2], "test": [0, 1, 2]})

    def fail(index: int) -> Image.Image:
        raise KeyError("no such chunk")

    dataset.pools["test"] = Pool(dataset.pools["test"].labels, fail)
    subset = drawn(FOLDER, dataset)
    with pytest.raises(UserError, match="Task: test picture number 0 does not decode"):
        list(subset_images(subset, "test", dataset, "colour"))
