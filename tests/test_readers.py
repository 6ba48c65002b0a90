"""Every task reads what its name says, and says in plain words what is wrong on the disk."""

import json
import os
import random
import shutil
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from entries import draw_subset, has_tree, open_dataset
from metaprobe.config.datasets import KINDS
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.data import readers
from metaprobe.data.dataset import subset_images
from metaprobe.data.readers import Dataset
from PIL import Image
from standins import (
    CLASSES,
    COUNTS,
    WRITERS,
    relax_digests,
    write_fer2013_without_test_labels,
)
from standins.names import CALTECH101, PETS
from torchvision import datasets as tv

ROOT = Path(__file__).parent.parent
FILES = [
    str(ROOT / "config" / f"{name}.yaml")
    for name in ("config", "datasets", "configurations", "backbones")
]
ALL = {"train": 10**6, "test": 10**6}
GREY = {task for task in COUNTS if "MNIST" in task} | {"USPS", "Omniglot", "FER2013"}

# What torchvision's own class says of the tasks that a reader of this project reads instead.
OWN_CLASSES: dict[str, dict[str, Callable[[str], Any]]] = {
    "STL10": {part: lambda d, p=part: tv.STL10(d, split=p) for part in ("train", "test")},
    "PCAM": {part: lambda d, p=part: tv.PCAM(d, split=p) for part in ("train", "test")},
    "FER2013": {part: lambda d, p=part: tv.FER2013(d, split=p) for part in ("train", "test")},
    "Country211": {part: lambda d, p=part: tv.Country211(d, split=p) for part in ("train", "test")},
    "EuroSAT": {"pool": tv.EuroSAT},
}


@cache
def shipped() -> dict[str, dict[str, Any]]:
    """The entries of config/datasets.yaml, complete with defaults."""
    config: dict[str, Any] = {}
    for file in FILES:
        config |= read_strictly(file)
    return {name: one.parameters() for name, one in load_run(config, FILES).datasets.items()}


def entry_of(task: str, **changes: Any) -> dict[str, Any]:
    """The shipped entry of a task with the counts of the stand-ins."""
    return shipped()[task] | {"images": COUNTS[task], "classes": CLASSES[task]} | changes


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-ins of all 24 sources in one data folder."""
    folder = tmp_path_factory.mktemp("standins")
    for write in WRITERS.values():
        write(folder)
    return folder


@pytest.fixture(autouse=True)
def relaxed() -> Iterator[None]:
    with relax_digests():
        yield


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], Path]:
    """Writes one source into a data folder that the test may spoil."""

    def write(source: str) -> Path:
        WRITERS[source](tmp_path)
        return tmp_path

    return write


def complaint(task: str, data: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as error:
        open_dataset(task, entry_of(task, **changes), data)
    assert str(error.value).startswith(task)
    return str(error.value)


def labels_of(dataset: Dataset) -> dict[str, list[int]]:
    return {part: pool.labels.tolist() for part, pool in dataset.pools.items()}


def own_datasets(task: str, data: Path) -> dict[str, list[Any]]:
    """torchvision's data sets by part; none where its class is not sound."""
    entry = entry_of(task)
    if task in OWN_CLASSES:
        return {part: [build(str(data))] for part, build in OWN_CLASSES[task].items()}
    if entry["kind"] != "torchvision":
        return {}
    parts = {}
    for part in ("train", "test"):
        arguments = entry[part] if isinstance(entry[part], list) else [entry[part]]
        parts[part] = [getattr(tv, entry["class"])(str(data), **one) for one in arguments]
    return parts


# The right task.


def test_every_shipped_task_has_stand_ins() -> None:
    """A task that is in the table but in none of these tests."""
    assert list(shipped()) == list(COUNTS)


@pytest.mark.parametrize("task", COUNTS)
def test_task(data: Path, task: str) -> None:
    """A wrong count, label, class or mode, a picture that does not decode or is another label's."""
    entry = entry_of(task)
    dataset = open_dataset(task, entry, data)
    assert {part: len(pool.labels) for part, pool in dataset.pools.items()} == COUNTS[task]
    assert len(set(dataset.class_names)) == CLASSES[task]
    for pool in dataset.pools.values():
        assert pool.labels.dtype == np.int64
        assert set(pool.labels.tolist()) == set(range(CLASSES[task]))
        assert len(pool.names) in (0, len(pool.labels))

    for part, built in own_datasets(task, data).items():
        items = [dataset[index] for dataset in built for index in range(len(dataset))]
        pool = dataset.pools[part]
        assert pool.labels.tolist() == [int(y) - entry.get("first_label", 0) for _, y in items]
        for index, (picture, _) in enumerate(items):
            assert np.array_equal(np.asarray(pool.image(index)), np.asarray(picture))

    subset = draw_subset(task, entry, dataset, seed=0, sampling="random", sizes=ALL)
    assert subset["read_as"] == entry["kind"] and subset["partial"] is False
    assert subset["pretext"] == ("rotation" if task == "STL10_Unlabeled" else None)
    for part in ("train", "test"):
        pixels = list(subset_images(subset, part, dataset, entry["transform"]))
        assert len(pixels) == subset[part]["images"] > 0
        assert {(p.shape, p.dtype) for p in pixels} == {((3, 224, 224), np.dtype("uint8"))}
        pool = dataset.pools[subset[part]["pool"]]
        modes = {pool.image(index).mode for index in subset[part]["indices"]}
        grey = {"1"} if task == "Omniglot" else {"L"}
        assert modes == (
            {"L", "RGB"} if task == "Caltech101" else grey if task in GREY else {"RGB"}
        )
    json.dumps(subset, allow_nan=False)


def test_letters_have_their_names(data: Path) -> None:
    """The class N/A of torchvision's list, which shifts every name by one."""
    names = open_dataset("EMNIST", entry_of("EMNIST"), data).class_names
    assert names == [chr(ord("a") + number) for number in range(26)]


def test_qmnist_labels_are_the_digits(data: Path) -> None:
    """Another of the eight columns, which vary as well."""
    pool = open_dataset("QMNIST", entry_of("QMNIST"), data).pools["train"]
    assert pool.labels.tolist() == tv.QMNIST(str(data), what="train").targets[:, 0].tolist()


@pytest.mark.parametrize("task", ["Flowers102", "DTD"])
def test_training_pool_is_train_then_val(data: Path, task: str) -> None:
    """The val part lost, or joined before train."""
    train, val = (getattr(tv, task)(str(data), split=part) for part in ("train", "val"))
    files = [str(file.relative_to(data)) for file in train._image_files + val._image_files]
    assert list(open_dataset(task, entry_of(task), data).pools["train"].names) == files


def test_omniglot_drawers(data: Path) -> None:
    """Drawers of both parts mixed, or parts with other characters."""
    dataset = open_dataset("Omniglot", entry_of("Omniglot"), data)
    drawers = {
        part: {int(Path(name).stem[-2:]) for name in pool.names}
        for part, pool in dataset.pools.items()
    }
    assert drawers == {"train": set(range(1, 17)), "test": set(range(17, 21))}
    for pool in dataset.pools.values():
        for label, name in zip(pool.labels, pool.names, strict=True):
            assert dataset.class_names[label] == str(Path(name).parent.as_posix())
    assert dataset.class_names == sorted(dataset.class_names)


@pytest.mark.parametrize("task", ["Omniglot", "EuroSAT", "Country211", "GTSRB"])
def test_order_does_not_depend_on_the_file_system(
    data: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels and indices that mean something else on the next machine."""
    expected = open_dataset(task, entry_of(task), data)
    scandir, listdir = os.scandir, os.listdir

    class Shuffled:
        def __init__(self, path: Any = ".") -> None:
            with scandir(path) as entries:
                found = list(entries)
            random.Random(1).shuffle(found)
            self.entries = iter(found)

        def __enter__(self) -> "Shuffled":
            return self

        def __iter__(self) -> "Shuffled":
            return self

        def __next__(self) -> Any:
            return next(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    monkeypatch.setattr(os, "listdir", lambda path=".": sorted(listdir(path), reverse=True))
    found = open_dataset(task, entry_of(task), data)
    assert found.class_names == expected.class_names
    assert labels_of(found) == labels_of(expected)
    for part, pool in found.pools.items():
        assert list(pool.names) == list(expected.pools[part].names)


def test_lfw_people_have_enough_pictures(data: Path) -> None:
    """People with fewer pictures than the entry asks for."""
    dataset = open_dataset("LFWPeople", entry_of("LFWPeople"), data)
    assert dataset.class_names == [
        "Colin_Powell",
        "George_W_Bush",
        "Gerhard_Schroeder",
        "Tony_Blair",
    ]
    assert np.bincount(dataset.pools["pool"].labels).tolist() == [24, 30, 20, 22]


def test_caltech101_has_no_background_and_no_stray_file(data: Path) -> None:
    """The 102nd folder as a class, or a .DS_Store as a picture."""
    dataset = open_dataset("Caltech101", entry_of("Caltech101"), data)
    assert dataset.class_names == CALTECH101
    assert all(Path(name).name.startswith("image_") for name in dataset.pools["pool"].names)


@pytest.mark.parametrize("task", ["EuroSAT", "Caltech101", "LFWPeople"])
def test_pools_are_split_class_by_class(data: Path, task: str) -> None:
    """Test pictures that are training pictures, or a split that is not 80/20 in every class."""
    dataset = open_dataset(task, entry_of(task), data)
    subset = draw_subset(task, entry_of(task), dataset, seed=0, sampling="random", sizes=ALL)
    train, test = (set(subset[part]["indices"]) for part in ("train", "test"))
    assert not train & test
    assert train | test == set(range(COUNTS[task]["pool"]))
    assert subset["split"] == {"rule": "stratified", "test_fraction": 0.2}
    sizes = np.bincount(dataset.pools["pool"].labels)
    expected = [min(round(0.2 * size), size - 1) for size in sizes]
    assert list(subset["test"]["counts_per_class"].values()) == expected


def test_rotation_labels_are_true(data: Path) -> None:
    """A label that is not the rotation, unbalanced rotations, or a picture in both parts."""
    task = "STL10_Unlabeled"
    dataset = open_dataset(task, entry_of(task), data)
    pool, upright = dataset.pools["pool"], tv.STL10(str(data), split="unlabeled")
    for index, label in enumerate(pool.labels.tolist()):
        restored = np.rot90(np.asarray(pool.image(index)), -label)
        assert np.array_equal(restored, np.asarray(upright[index][0]))
    assert np.bincount(pool.labels).tolist() == [COUNTS[task]["pool"] // 4] * 4
    again = open_dataset(task, entry_of(task), data).pools["pool"].labels
    assert again.tolist() == pool.labels.tolist()
    subset = draw_subset(task, entry_of(task), dataset, seed=0, sampling="random", sizes=ALL)
    assert not set(subset["train"]["indices"]) & set(subset["test"]["indices"])
    assert subset["test"]["images"] == COUNTS[task]["pool"] // 5


def test_fer2013_without_test_labels_is_one_pool(tmp_path: Path) -> None:
    """Test labels that are missing taken for labels, or pictures of both files mixed."""
    write_fer2013_without_test_labels(tmp_path)
    images = {"pool": COUNTS["FER2013"]["train"], **COUNTS["FER2013"]}
    dataset = open_dataset("FER2013", entry_of("FER2013", images=images), tmp_path)
    expected = tv.FER2013(str(tmp_path), split="train")
    assert labels_of(dataset) == {"pool": [label for _, label in expected]}
    assert np.array_equal(dataset.pools["pool"].image(3), expected[3][0])


def test_fer2013_under_its_other_name(own: Callable[[str], Path]) -> None:
    """icml_face_data.csv, with blanks before its column names and the columns in another order."""
    data = own("fer2013")
    expected = labels_of(open_dataset("FER2013", entry_of("FER2013"), data))
    rows = [line.split(",") for line in (data / "fer2013/fer2013.csv").read_text().splitlines()]
    lines = [f"{a}, {c}, {b}" if a == "emotion" else f"{a},{c},{b}" for a, b, c in rows]
    (data / "fer2013/icml_face_data.csv").write_text("\n".join(lines) + "\n")
    (data / "fer2013/fer2013.csv").unlink()
    assert labels_of(open_dataset("FER2013", entry_of("FER2013"), data)) == expected


def test_country211_leaves_the_valid_part_out(data: Path) -> None:
    """Pictures of the validation part among the others."""
    dataset = open_dataset("Country211", entry_of("Country211"), data)
    root = data / "country211"
    for part, pool in dataset.pools.items():
        assert {*pool.names} == {
            f.relative_to(root / part).as_posix() for f in root.glob(f"{part}/*/*")
        }


def test_torchvisions_folders_are_no_trees(data: Path, tmp_path: Path) -> None:
    """MNIST/raw taken for a class, or dtd/ for a tree named DTD where file names ignore case."""
    for task in COUNTS:
        assert not has_tree(task, entry_of(task), data)
    for folder in data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    there = {folder.name.lower(): folder for folder in data.iterdir()}
    ignoring_case = [task for task in COUNTS if task.lower() in there]
    assert {"FER2013", "DTD", "GTSRB", "EuroSAT", "PCAM", "Country211"} <= set(ignoring_case)
    for task in ignoring_case:
        if not (tmp_path / task).exists():
            (tmp_path / task).symlink_to(there[task.lower()])
        assert not has_tree(task, entry_of(task), tmp_path)


# Truth about what is on the disk.


@pytest.mark.parametrize(
    ("task", "source", "pattern"),
    [
        ("EuroSAT", "eurosat", "eurosat/2750/*/*.jpg"),
        ("Country211", "country211", "country211/*/*/*.jpg"),
        ("Caltech101", "caltech101", "caltech101/101_ObjectCategories/*/*.jpg"),
        ("LFWPeople", "lfw", "lfw-py/lfw_funneled/*/*.jpg"),
        ("GTSRB", "gtsrb", "gtsrb/GTSRB/*/*/*.ppm"),
        ("RenderedSST2", "rendered-sst2", "rendered-sst2/*/*/*.png"),
        ("Omniglot", "omniglot", "omniglot-py/images_background/*/*/*.png"),
    ],
)
@pytest.mark.parametrize("lost", ["every second picture", "the second half"])
def test_half_extracted_folder(
    own: Callable[[str], Path], task: str, source: str, pattern: str, lost: str
) -> None:
    """torchvision's silence over missing pictures, whose classes it numbers anew."""
    data = own(source)
    files = sorted(data.glob(pattern))
    for file in files[1::2] if lost.startswith("every") else files[len(files) // 2 :]:
        file.unlink()
    message = complaint(task, data)
    assert "complete" in message or "replace" in message


@pytest.mark.parametrize(
    ("task", "source", "pattern"),
    [
        ("Flowers102", "flowers102", "flowers-102/jpg/*.jpg"),
        ("OxfordIIITPet", "oxford-iiit-pet", "oxford-iiit-pet/images/*.jpg"),
        ("DTD", "dtd", "dtd/dtd/images/*/*.jpg"),
        ("StanfordCars", "stanford-cars", "stanford_cars/cars_t*/*.jpg"),
        ("FGVCAircraft", "fgvc-aircraft", "fgvc-aircraft-2013b/data/images/*.jpg"),
        ("GTSRB", "gtsrb", "gtsrb/GTSRB/Final_Test/Images/*.ppm"),
    ],
)
def test_listed_pictures_that_are_missing(
    own: Callable[[str], Path], task: str, source: str, pattern: str
) -> None:
    """A data set at full length without its pictures; `partial` that reads missing ones, or loses labels."""
    data = own(source)
    whole = open_dataset(task, entry_of(task), data)
    lost = sorted(data.glob(pattern))[1::3]
    for file in lost:
        file.unlink()
    message = complaint(task, data)
    assert "pictures are missing, the first is " in message and "partial: true" in message
    assert any(str(file) in message for file in lost)

    entry = entry_of(task, partial=True)
    part_of_it = open_dataset(task, entry, data)
    gone = {str(file.relative_to(data)) for file in lost}
    for name, pool in part_of_it.pools.items():
        before = zip(whole.pools[name].names, whole.pools[name].labels.tolist(), strict=True)
        kept = [(file, label) for file, label in before if file not in gone]
        assert list(zip(pool.names, pool.labels.tolist(), strict=True)) == kept
    subset = draw_subset(task, entry, part_of_it, seed=0, sampling="random", sizes=ALL)
    assert subset["partial"] is True
    assert (
        len(list(subset_images(subset, "test", part_of_it, "colour"))) == subset["test"]["images"]
    )


def test_gtsrb_numbers_classes_by_their_folders(own: Callable[[str], Path]) -> None:
    """Training labels that are positions among the folders that are there, test labels that are not."""
    data = own("gtsrb")
    shutil.rmtree(data / "gtsrb/GTSRB/Training/00007")
    assert "42 classes have images" in (message := complaint("GTSRB", data))
    assert "without images: 7" in message
    pool = open_dataset("GTSRB", entry_of("GTSRB", partial=True), data).pools["train"]
    assert set(pool.labels.tolist()) == set(range(43)) - {7}
    for name, label in zip(pool.names, pool.labels, strict=True):
        assert Path(name).parent.name == f"{label:05d}"


def test_dtd_lists_with_different_classes(own: Callable[[str], Path]) -> None:
    """Test labels that count other classes than the training labels."""
    data = own("dtd")
    for part in ("train1", "val1"):
        file = data / f"dtd/dtd/labels/{part}.txt"
        kept = [line for line in file.read_text().splitlines(True) if not line.startswith("banded")]
        file.write_text("".join(kept))
    assert "name different classes" in complaint("DTD", data, partial=True)


@pytest.mark.parametrize(
    ("task", "source", "file"),
    [
        ("GTSRB", "gtsrb", "gtsrb/GT-final_test.csv"),
        ("DTD", "dtd", "dtd/dtd/labels/val1.txt"),
        ("OxfordIIITPet", "oxford-iiit-pet", "oxford-iiit-pet/annotations/test.txt"),
        ("FGVCAircraft", "fgvc-aircraft", "fgvc-aircraft-2013b/data/variants.txt"),
        ("StanfordCars", "stanford-cars", "stanford_cars/devkit/cars_meta.mat"),
        ("PCAM", "pcam", "pcam/camelyonpatch_level_2_split_test_y.h5"),
        ("STL10", "stl10", "stl10_binary/test_y.bin"),
        ("STL10", "stl10", "stl10_binary/train_X.bin"),
        ("STL10_Unlabeled", "stl10", "stl10_binary/unlabeled_X.bin"),
        ("USPS", "usps", "usps.t.bz2"),
    ],
)
def test_missing_file_is_named(
    own: Callable[[str], Path], task: str, source: str, file: str
) -> None:
    """A traceback, or a message that does not tell which file to fetch."""
    data = own(source)
    (data / file).unlink()
    assert str(data / file) in complaint(task, data)


@pytest.mark.parametrize(
    ("task", "source", "file"),
    [
        ("MNIST", "mnist", "MNIST/raw/train-images-idx3-ubyte"),
        ("EMNIST", "emnist", "EMNIST/raw/emnist-letters-test-labels-idx1-ubyte"),
        ("QMNIST", "qmnist", "QMNIST/raw/qmnist-test-labels-idx2-int"),
        ("USPS", "usps", "usps.bz2"),
        ("SVHN", "svhn", "test_32x32.mat"),
        ("CIFAR10", "cifar10", "cifar-10-batches-py/data_batch_3"),
        ("FER2013", "fer2013", "fer2013/fer2013.csv"),
        ("PCAM", "pcam", "pcam/camelyonpatch_level_2_split_train_x.h5"),
        ("STL10", "stl10", "stl10_binary/train_X.bin"),
        ("STL10", "stl10", "stl10_binary/test_y.bin"),
        ("STL10_Unlabeled", "stl10", "stl10_binary/unlabeled_X.bin"),
        ("StanfordCars", "stanford-cars", "stanford_cars/devkit/cars_train_annos.mat"),
    ],
)
@pytest.mark.parametrize("left", [0.59, 0.0])
def test_truncated_file_is_named(
    own: Callable[[str], Path], task: str, source: str, file: str, left: float
) -> None:
    """Half of a file taken for the whole, or a traceback."""
    data = own(source)
    os.truncate(data / file, int((data / file).stat().st_size * left))
    message = complaint(task, data)
    assert str(data / file) in message
    assert "replace" in message


@pytest.mark.parametrize(
    ("task", "source", "file"),
    [
        ("CIFAR100", "cifar100", "cifar-100-python/train"),
        ("SVHN", "svhn", "train_32x32.mat"),
        ("Flowers102", "flowers102", "flowers-102/setid.mat"),
    ],
)
def test_torchvisions_digests_count(
    own: Callable[[str], Path], task: str, source: str, file: str
) -> None:
    """Files that are not the published ones taken for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.datasets.utils.check_md5", lambda path, md5: file not in path)
        message = complaint(task, data := own(source))
        assert "corrupted" in message and str(data / file) in message


@pytest.mark.parametrize(
    ("task", "source", "folder"),
    [
        ("StanfordCars", "stanford-cars", "stanford_cars/devkit"),
        ("GTSRB", "gtsrb", "gtsrb/GTSRB"),
        ("RenderedSST2", "rendered-sst2", "rendered-sst2"),
    ],
)
def test_what_torchvision_does_not_find_is_named(
    own: Callable[[str], Path], task: str, source: str, folder: str
) -> None:
    """'Dataset not found.', which does not say where one was looked for."""
    data = own(source)
    shutil.rmtree(data / folder)
    assert str(data / folder) in complaint(task, data)


def test_labels_of_another_part(own: Callable[[str], Path]) -> None:
    """Pictures and labels that are whole but not of the same images."""
    raw = own("mnist") / "MNIST/raw"
    shutil.copy(raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte")
    assert "200 pictures but 100 labels" in complaint("MNIST", raw.parent.parent)


def test_pcam_files_of_different_length(own: Callable[[str], Path]) -> None:
    """Labels of the test part beside the training pictures."""
    stem = own("pcam") / "pcam/camelyonpatch_level_2_split"
    shutil.copy(f"{stem}_test_y.h5", f"{stem}_train_y.h5")
    message = complaint("PCAM", stem.parent.parent)
    assert f"{stem}_train_x.h5 holds 100 pictures, but {stem}_train_y.h5 60 labels" in message


def test_labels_out_of_range(own: Callable[[str], Path]) -> None:
    """A head with too few outputs, which fails in the loss hours later or not at all."""
    file = own("mnist") / "MNIST/raw/t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + bytes([163]))
    message = complaint("MNIST", file.parent.parent.parent, partial=True)
    assert "labels run from 0 to 163" in message
    assert f"replace {file} by a whole copy" in message
    data = own("emnist")
    assert "labels run from 1 to 26" in complaint("EMNIST", data, first_label=0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("3,1 2 3,Training", "row 149 has not 2304 pixels"),
        (f"3,{'0 ' * 2303}0,Test", "no part is called Test"),
        (f",{'0 ' * 2303}0,Training", "is damaged"),
    ],
)
def test_fer2013_row_that_is_not_whole(own: Callable[[str], Path], row: str, reason: str) -> None:
    """A picture that fails only if it is drawn, or a part that silently joins the test part."""
    file = own("fer2013") / "fer2013/fer2013.csv"
    file.write_text(file.read_text() + row + "\n")
    message = complaint("FER2013", file.parent.parent)
    assert str(file) in message and reason in message


def test_fer2013_test_file_alone(tmp_path: Path) -> None:
    """A message that does not say which files would do."""
    write_fer2013_without_test_labels(tmp_path)
    (tmp_path / "fer2013/train.csv").unlink()
    assert "neither fer2013.csv nor icml_face_data.csv" in complaint("FER2013", tmp_path)


@pytest.mark.parametrize(
    ("task", "source", "folder"),
    [
        ("Caltech101", "caltech101", "caltech101/101_ObjectCategories/anchor"),
        ("EuroSAT", "eurosat", "eurosat/2750/Forest"),
        ("GTSRB", "gtsrb", "gtsrb/GTSRB/Training/00004"),
        ("RenderedSST2", "rendered-sst2", "rendered-sst2/train/negative"),
        ("Omniglot", "omniglot", "omniglot-py/images_background/Tifinagh/character02"),
        ("Flowers102", "flowers102", "flowers-102/jpg"),
    ],
)
def test_stray_files_are_passed_over(
    own: Callable[[str], Path], task: str, source: str, folder: str
) -> None:
    """A stray file taken for a picture, or one that shifts the others."""
    data = own(source)
    before = open_dataset(task, entry_of(task), data)
    picture = sorted((data / folder).glob("*.*g")) or sorted((data / folder).glob("*.ppm"))
    for name in (".DS_Store", "Thumbs.db", f"._{picture[0].name}"):
        (data / folder / name).write_bytes(b"\x00\x05\x16\x07")
    after = open_dataset(task, entry_of(task), data)
    assert labels_of(after) == labels_of(before)
    assert {part: list(pool.names) for part, pool in after.pools.items()} == {
        part: list(pool.names) for part, pool in before.pools.items()
    }


@pytest.mark.parametrize(
    ("task", "source", "pattern"),
    [
        ("GTSRB", "gtsrb", "gtsrb/GTSRB/Final_Test/Images/00003.ppm"),
        ("DTD", "dtd", "dtd/dtd/images/dotted/dotted_0006.jpg"),
        ("Country211", "country211", "country211/test/NA/*.jpg"),
        ("Omniglot", "omniglot", "omniglot-py/images_background/Tifinagh/character02/*_18.png"),
        ("RenderedSST2", "rendered-sst2", "rendered-sst2/test/positive/1.png"),
        ("FGVCAircraft", "fgvc-aircraft", "fgvc-aircraft-2013b/data/images/*.jpg"),
    ],
)
@pytest.mark.parametrize("left", [0.5, 0.0])
def test_picture_that_does_not_decode_is_named(
    own: Callable[[str], Path], task: str, source: str, pattern: str, left: float
) -> None:
    """A broken picture that becomes a grey one, or that nobody can find again."""
    data = own(source)
    pictures = sorted(data.glob(pattern))
    if task == "FGVCAircraft":
        listed = (data / "fgvc-aircraft-2013b/data/images_test.txt").read_text().split()
        pictures = [file for file in pictures if file.stem in listed]
    broken = pictures[0]
    os.truncate(broken, int(broken.stat().st_size * left))
    entry = entry_of(task)
    dataset = open_dataset(task, entry, data)
    subset = draw_subset(task, entry, dataset, seed=0, sampling="random", sizes=ALL)
    with pytest.raises(UserError) as error:
        list(subset_images(subset, "test", dataset, entry["transform"]))
    assert str(error.value).startswith(f"{task}: test picture ")
    assert broken.name in str(error.value) and "does not decode" in str(error.value)
    assert "skip_broken_images: 0.001" in str(error.value)


def test_pictures_one_level_too_deep(own: Callable[[str], Path]) -> None:
    """Kaggle's archive of StanfordCars, whose user would not know what is wrong."""
    data = own("stanford-cars")
    root = data / "stanford_cars"
    (root / "cars_train").rename(root / "nested")
    (root / "cars_train").mkdir()
    (root / "nested").rename(root / "cars_train/cars_train")
    assert "one level too deep: move what is in" in complaint("StanfordCars", data)


@pytest.mark.parametrize(
    ("task", "package", "source"),
    [
        ("SVHN", "scipy", "svhn"),
        ("Flowers102", "scipy", "flowers102"),
        ("StanfordCars", "scipy", "stanford-cars"),
        ("PCAM", "h5py", "pcam"),
    ],
)
def test_missing_package_is_named(
    data: Path, task: str, package: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback that does not say what to install."""
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    assert f"pip install {package}" in complaint(task, data)


def test_unknown_class_and_attribute(data: Path) -> None:
    """A spelling mistake that ends in a traceback."""
    assert "no class Mnist" in complaint("MNIST", data, **{"class": "Mnist"})
    assert "no attribute target" in complaint("MNIST", data, labels="target")
    assert "unexpected keyword argument 'part'" in complaint("MNIST", data, train={"part": 1})


def test_labels_without_an_attribute_are_read_item_by_item(data: Path) -> None:
    """Another result of the slow way."""
    entry = entry_of("OxfordIIITPet")
    slow = {key: value for key, value in entry.items() if key != "labels"}
    expected = labels_of(open_dataset("OxfordIIITPet", entry, data))
    assert labels_of(open_dataset("OxfordIIITPet", slow, data)) == expected
    names = open_dataset("OxfordIIITPet", entry, data).class_names
    assert [name.lower() for name in names] == [name.replace("_", " ").lower() for name in PETS]


# Memory stays bounded.


def test_stl10_of_full_size_is_only_mapped(tmp_path: Path) -> None:
    """2.8 GB in memory for the sake of 6,000 pictures."""
    file = tmp_path / "stl10_binary/unlabeled_X.bin"
    file.parent.mkdir()
    file.touch()
    os.truncate(file, 100_000 * 3 * 96 * 96)  # takes no room on the disk
    tracemalloc.start()
    dataset = open_dataset("STL10_Unlabeled", shipped()["STL10_Unlabeled"], tmp_path)
    dataset.pools["pool"].image(99_999)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset.pools["pool"].labels) == 100_000
    assert peak < 20e6


def test_pcam_of_full_size_reads_labels_only(tmp_path: Path) -> None:
    """7 GB of pictures read for the sake of their labels, or files opened for every picture."""
    import h5py

    entry = shipped()["PCAM"]
    (tmp_path / "pcam").mkdir()
    for part, count in entry["images"].items():
        stem = f"pcam/camelyonpatch_level_2_split_{part}"
        with h5py.File(tmp_path / f"{stem}_x.h5", "w") as file:
            file.create_dataset("x", (count, 96, 96, 3), "uint8", chunks=(1, 96, 96, 3))
        with h5py.File(tmp_path / f"{stem}_y.h5", "w") as file:
            file["y"] = (np.arange(count, dtype=np.uint8) % 2).reshape(-1, 1, 1, 1)
    tracemalloc.start()
    dataset = open_dataset("PCAM", entry, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py, "File", None)
        assert dataset.pools["train"].image(262_143).size == (96, 96)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


# MedMNIST and the Hugging Face Hub.


def write_medmnist(file: Path, channels: int = 3, **changes: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 30), ("val", 9), ("test", 12)):
        shape = (count, 28, 28, 3) if channels == 3 else (count, 28, 28)
        arrays[f"{part}_images"] = rng.integers(0, 256, shape, np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count, dtype=np.uint8) % 3)[:, None]
    arrays |= changes
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)
    return arrays


MEDMNIST = {"kind": "medmnist", "classes": 3, "images": {"train": 30, "test": 12}}


@pytest.mark.parametrize("channels", [1, 3])
def test_medmnist(tmp_path: Path, channels: int) -> None:
    """Validation pictures in another part, labels in rows, or pictures unpacked to read labels."""
    arrays = write_medmnist(tmp_path / "medmnist/pathmnist.npz", channels)
    dataset = open_dataset("PathMNIST", MEDMNIST, tmp_path)
    for part, pool in dataset.pools.items():
        assert pool.labels.tolist() == arrays[f"{part}_labels"][:, 0].tolist()
        assert np.array_equal(np.asarray(pool.image(5)), arrays[f"{part}_images"][5])
    assert list(dataset.pools) == ["train", "test"]
    larger = {**MEDMNIST, "path": "elsewhere/pathmnist_64.npz"}
    write_medmnist(tmp_path / "elsewhere/pathmnist_64.npz", channels)
    assert open_dataset("Path64", larger, tmp_path).read_as == "medmnist"


def test_medmnist_that_cannot_be_used(tmp_path: Path) -> None:
    """Tracebacks, and several labels a picture taken for one."""
    file = tmp_path / "medmnist/chestmnist.npz"
    with pytest.raises(UserError, match=f"ChestMNIST: {file} is missing"):
        open_dataset("ChestMNIST", MEDMNIST, tmp_path)
    write_medmnist(file, train_labels=np.zeros((30, 14), np.uint8))
    with pytest.raises(UserError, match="only data sets with one label per picture"):
        open_dataset("ChestMNIST", MEDMNIST, tmp_path)
    write_medmnist(file, train_images=np.zeros((29, 28, 28), np.uint8))
    with pytest.raises(UserError, match="29 train pictures, 30 labels"):
        open_dataset("ChestMNIST", MEDMNIST, tmp_path).pools["train"].image(0)
    os.truncate(file, 1000)
    with pytest.raises(UserError, match=r"chestmnist.npz is damaged"):
        open_dataset("ChestMNIST", MEDMNIST, tmp_path)


class FakeColumn(list):
    """What `table[column]` gives."""


class FakeTable:
    """As much of `datasets.Dataset` as the reader may use; decoding for labels is an error."""

    def __init__(self, columns: dict[str, list[Any]], names: list[str] | None) -> None:
        self.columns, self.column_names = columns, list(columns)
        self.features = {name: object() for name in columns}
        if names is not None:
            self.features["label"] = type("ClassLabel", (), {"names": names})()

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, str):
            assert key != "image", "labels are read without decoding"
            return FakeColumn(self.columns[key])
        return {name: values[key] for name, values in self.columns.items()}

    def __len__(self) -> int:
        return len(self.columns["label"])

    def select_columns(self, names: list[str]) -> "FakeTable":
        return FakeTable({name: self.columns[name] for name in names}, None)


class FakeHub:
    """A module `datasets` that knows one data set."""

    def __init__(self, labels: dict[str, list[Any]], names: list[str] | None = None) -> None:
        self.labels, self.names, self.calls = labels, names, []

    def load_dataset(self, *arguments: Any, split: str, **options: Any) -> FakeTable:
        self.calls.append((arguments, options))
        if split not in self.labels:
            raise ValueError(f'Unknown split "{split}"')
        labels = self.labels[split]
        images = [Image.new("L", (9, 9), 10 * number) for number in range(len(labels))]
        return FakeTable({"image": images, "label": labels}, self.names)


HUB = {"kind": "huggingface", "path": "someone/birds", "revision": "0123abc", "classes": 3}


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        ([2, 0, 1, 0], ["crow", "owl", "tit"], ["crow", "owl", "tit"]),
        (["tit", "crow", "owl", "crow"], None, ["crow", "owl", "tit"]),
        ([2, 0, 1, 0], None, ["0", "1", "2"]),
    ],
)
def test_huggingface(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: list[Any],
    names: list[str] | None,
    expected: list[str],
) -> None:
    """Another revision or cache than the entry's, labels out of step, or pictures decoded for them."""
    hub = FakeHub({"train": labels, "validation": labels[::-1]}, names)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    entry = {**HUB, "test": "validation", "config_name": "small"}
    dataset = open_dataset("Birds", entry, tmp_path)
    assert dataset.class_names == expected
    assert labels_of(dataset) == {"train": [2, 0, 1, 0], "test": [0, 1, 0, 2]}
    assert dataset.pools["train"].image(2).getpixel((0, 0)) == 20
    options = {"revision": "0123abc", "cache_dir": str(tmp_path / "huggingface/0123abc")}
    assert hub.calls == [(("someone/birds", "small"), options)] * 2
    pool = open_dataset("Birds", {**HUB, "pool": "train"}, tmp_path)
    assert labels_of(pool) == {"pool": [2, 0, 1, 0]}


def test_huggingface_entry_needs_a_revision() -> None:
    """Results of a data set that its owner may change at any time."""
    for key in ("path", "revision"):
        entry = {name: value for name, value in HUB.items() if name != key}
        config = read_strictly(FILES[0]) | read_strictly(FILES[2]) | read_strictly(FILES[3])
        config |= {"datasets": {"Birds": entry}}
        with pytest.raises(UserError, match=f"datasets/Birds/{key}: is missing"):
            load_run(config, [])


def test_huggingface_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracebacks where the entry, the network or the environment is wrong."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        open_dataset("Birds", HUB, tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", FakeHub({"train": [0, 1, 2], "test": [None]}))
    with pytest.raises(UserError, match=r'split dev of someone/birds .* Unknown split "dev"'):
        open_dataset("Birds", {**HUB, "test": "dev"}, tmp_path)
    with pytest.raises(UserError, match="no column species, only image, label; correct label_col"):
        open_dataset("Birds", {**HUB, "label_column": "species"}, tmp_path)
    with pytest.raises(UserError, match="are not all numbers or words"):
        open_dataset("Birds", HUB, tmp_path)


def test_huggingface_package_reads_a_local_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake that has drifted from the real package."""
    hub = pytest.importorskip("datasets")
    monkeypatch.setattr(hub.config, "HF_HUB_OFFLINE", True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("test", 2)):
        for name in ("crow", "owl", "tit"):
            folder = tmp_path / "birds" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    entry = {**HUB, "path": str(tmp_path / "birds"), "images": {"train": 12, "test": 6}}
    dataset = open_dataset("Birds", entry, tmp_path / "data")
    assert dataset.class_names == ["crow", "owl", "tit"]
    assert sorted(dataset.pools["train"].labels.tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    known = {
        np.asarray(Image.open(file)).tobytes(): file.parent.name
        for file in (tmp_path / "birds/test").glob("*/*.png")
    }
    pool = dataset.pools["test"]
    for index, label in enumerate(pool.labels):
        assert known[np.asarray(pool.image(index)).tobytes()] == dataset.class_names[label]


def test_every_kind_has_a_reader() -> None:
    """A kind that is allowed and that no module reads."""
    folder = Path(readers.__file__).parent
    assert {*KINDS} - {"derived"} == {file.stem for file in folder.glob("*.py")} - {"__init__"}
