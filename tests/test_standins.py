"""The stand-in files are what torchvision's own classes read, and their pictures show their labels."""

import pickle
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from PIL import Image
from standins import (
    CLASSES,
    COUNTS,
    WRITERS,
    picture,
    relax_digests,
    write_fer2013_without_test_labels,
)
from standins.class_folders import CALTECH101_FOLDER_WITH_STRAY_FILE
from standins.names import CALTECH101
from standins.pictures import pattern
from torchvision import datasets as tv

Parts = dict[str, list[Callable[..., Any]]]
SIDE = 32


def official(dataset: Callable[..., Any], **arguments: Any) -> Parts:
    """The two parts of a class with the argument `train`."""
    return {
        part: [partial(dataset, train=part == "train", **arguments)] for part in ("train", "test")
    }


def splits(
    dataset: Callable[..., Any], train: tuple[str, ...] = ("train",), **arguments: Any
) -> Parts:
    """The two parts of a class with the argument `split`; the training part may join several."""
    names = {"train": train, "test": ("test",)}
    return {
        part: [partial(dataset, split=name, **arguments) for name in names[part]] for part in names
    }


# As the constructors of datasets.csv, and train + val joined where the protocol says so.
CONSTRUCTORS: dict[str, Parts] = {
    "MNIST": official(tv.MNIST),
    "FashionMNIST": official(tv.FashionMNIST),
    "KMNIST": official(tv.KMNIST),
    "EMNIST": official(tv.EMNIST, split="letters"),
    "EMNIST_Balanced": official(tv.EMNIST, split="balanced"),
    "EMNIST_Digits": official(tv.EMNIST, split="digits"),
    "EMNIST_MNIST": official(tv.EMNIST, split="mnist"),
    "EMNIST_ByClass": official(tv.EMNIST, split="byclass"),
    "EMNIST_ByMerge": official(tv.EMNIST, split="bymerge"),
    "USPS": official(tv.USPS),
    "QMNIST": {part: [partial(tv.QMNIST, what=part)] for part in ("train", "test")},
    "RenderedSST2": splits(tv.RenderedSST2),
    "FER2013": splits(tv.FER2013),
    "CIFAR10": official(tv.CIFAR10),
    "CIFAR100": official(tv.CIFAR100),
    "SVHN": splits(tv.SVHN),
    "STL10": splits(tv.STL10),
    "STL10_Unlabeled": {"pool": [partial(tv.STL10, split="unlabeled")]},
    "Flowers102": splits(tv.Flowers102, ("train", "val")),
    "OxfordIIITPet": splits(tv.OxfordIIITPet, ("trainval",)),
    "DTD": splits(tv.DTD, ("train", "val")),
    "GTSRB": splits(tv.GTSRB),
    "EuroSAT": {"pool": [tv.EuroSAT]},
    "PCAM": splits(tv.PCAM),
    "StanfordCars": splits(tv.StanfordCars),
    "FGVCAircraft": splits(tv.FGVCAircraft, ("trainval",), annotation_level="variant"),
    "Country211": splits(tv.Country211),
    "Caltech101": {"pool": [tv.Caltech101]},
}

# As the column `targets` of datasets.csv, but for letters, which keep their 1..26 here.
TARGETS: dict[str, Callable[[Any], list[int]]] = {
    **{task: lambda ds: ds.targets.tolist() for task in CONSTRUCTORS if "MNIST" in task},
    "USPS": lambda ds: list(ds.targets),
    "QMNIST": lambda ds: ds.targets[:, 0].tolist(),
    "RenderedSST2": lambda ds: [c for _, c in ds._samples],
    "FER2013": lambda ds: [c for _, c in ds._samples],
    "CIFAR10": lambda ds: list(ds.targets),
    "CIFAR100": lambda ds: list(ds.targets),
    "SVHN": lambda ds: ds.labels.tolist(),
    "STL10": lambda ds: ds.labels.astype(int).tolist(),
    "STL10_Unlabeled": lambda ds: ds.labels.astype(int).tolist(),
    "Flowers102": lambda ds: list(ds._labels),
    "OxfordIIITPet": lambda ds: list(ds._labels),
    "DTD": lambda ds: list(ds._labels),
    "GTSRB": lambda ds: [c for _, c in ds._samples],
    "EuroSAT": lambda ds: list(ds.targets),
    "PCAM": lambda ds: ds.h5py.File(ds._base_folder / ds._FILES[ds._split]["targets"][0])["y"][
        :, 0, 0, 0
    ].tolist(),
    "StanfordCars": lambda ds: [int(c) for _, c in ds._samples],
    "FGVCAircraft": lambda ds: list(ds._labels),
    "Country211": lambda ds: list(ds.targets),
    "Caltech101": lambda ds: list(ds.y),
}

# What Image.mode a data set's pictures have; RGB if not said here.
GREY = {task for task in CONSTRUCTORS if "MNIST" in task} | {"USPS", "FER2013"}
TRANSPOSED = {task for task in CONSTRUCTORS if task.startswith("EMNIST")}
PARTS = [(task, part) for task, parts in CONSTRUCTORS.items() for part in parts]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 24 sources in one data folder; they must be quick and small."""
    folder = tmp_path_factory.mktemp("data")
    start = time.process_time()
    for write in WRITERS.values():
        write(folder)
    seconds = time.process_time() - start
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    assert seconds < 20 and megabytes < 60, f"{seconds:.1f} s, {megabytes:.1f} MB"
    return folder


@pytest.fixture
def relaxed() -> Iterator[None]:
    with relax_digests():
        yield


def vector(image: Image.Image) -> NDArray[np.float64]:
    """The centre square as a small RGB vector of mean 0 and length 1."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
    values = np.asarray(square, float).ravel()
    centred: NDArray[np.float64] = values - values.mean()
    return centred / float(np.linalg.norm(centred))


def recognised(
    vectors: list[NDArray[np.float64]], labels: list[int], classes: int, channels: int
) -> float:
    """Share of pictures whose nearest noiseless pattern is that of their label."""
    patterns = (pattern(k, classes, (64, 64), channels).astype(np.uint8) for k in range(classes))
    templates = np.stack([vector(Image.fromarray(pixels)) for pixels in patterns])
    return float(np.mean((np.stack(vectors) @ templates.T).argmax(axis=1) == labels))


def is_stray(task: str, number: int, labels: list[int]) -> bool:
    """Whether torchvision counted this item for the stray file of Caltech101."""
    stray = CALTECH101.index(CALTECH101_FOLDER_WITH_STRAY_FILE)
    return task == "Caltech101" and labels[number] == stray and labels[number + 1] != stray


def test_every_source_and_task_has_its_entry() -> None:
    """Catches a source without writer, or a task forgotten in one of the two tables."""
    assert len(WRITERS) == 24 and len(COUNTS) == 30 and list(COUNTS) == list(CLASSES)
    assert set(COUNTS) == set(CONSTRUCTORS) | {"Omniglot", "LFWPeople"}


@pytest.mark.parametrize("source", WRITERS)
def test_writer_needs_no_other(source: str, tmp_path: Path) -> None:
    """Catches a writer that relies on folders made by another one, or cannot be called twice."""
    for _ in range(2):
        WRITERS[source](tmp_path / "data")
    assert len(list((tmp_path / "data").iterdir())) in (1, 2)


@pytest.mark.parametrize(("task", "part"), PARTS)
def test_torchvision_reads_it(data: Path, relaxed: None, task: str, part: str) -> None:
    """Catches a wrong file name or layout, a wrong count, labels off by one or out of step with the
    pictures, channels or axes in the wrong order, and a picture that cannot be decoded."""
    count, classes = COUNTS[task][part], CLASSES[task]
    labels: list[int] = []
    vectors = []
    for construct in CONSTRUCTORS[task][part]:
        dataset = construct(str(data))
        targets = TARGETS[task](dataset)
        assert len(targets) == len(dataset)
        for number, label in enumerate(targets):
            if is_stray(task, number, targets):
                continue
            image, item_label = dataset[number]
            assert item_label == label
            assert image.mode == ("L" if task in GREY else "RGB") or task == "Caltech101"
            if task in TRANSPOSED:
                image = image.transpose(Image.Transpose.TRANSPOSE)
            if task == "FGVCAircraft":
                image = image.crop((0, 0, image.width, image.height - 20))
            labels.append(int(label))
            vectors.append(vector(image))
    assert len(labels) == count
    if task == "STL10_Unlabeled":
        assert set(labels) == {-1}
        labels, classes = [0] * count, CLASSES["STL10"]
    else:
        first = 1 if task == "EMNIST" else 0
        labels = [label - first for label in labels]
        assert set(labels) == set(range(classes))
    assert recognised(vectors, labels, classes, 1 if task in GREY | {"RenderedSST2"} else 3) > 0.95


@pytest.mark.parametrize("task", [task for task, parts in CONSTRUCTORS.items() if "test" in parts])
def test_a_simple_model_learns_it(data: Path, relaxed: None, task: str) -> None:
    """Catches noise that drowns the signal, and test pictures that do not look like the training ones."""
    vectors, labels = {}, {}
    for part, constructs in CONSTRUCTORS[task].items():
        items = [
            dataset[n]
            for c in constructs
            for dataset in [c(str(data))]
            for n in range(len(dataset))
        ]
        vectors[part] = np.stack([vector(image) for image, _ in items])
        labels[part] = np.array([label for _, label in items])
    known = np.unique(labels["train"])
    means = np.stack([vectors["train"][labels["train"] == k].mean(axis=0) for k in known])
    guesses = known[(vectors["test"] @ means.T).argmax(axis=1)]
    assert (guesses == labels["test"]).mean() > 0.9


def test_omniglot_is_a_tree_of_drawers(data: Path) -> None:
    """Catches missing drawers, pictures that are not 1-bit, and characters that cannot be told apart."""
    root = data / "omniglot-py" / "images_background"
    characters = sorted(root.glob("*/character*"))
    assert len(characters) == CLASSES["Omniglot"] and len({c.parent for c in characters}) == 4
    vectors, labels, drawers = [], [], []
    for label, character in enumerate(characters):
        for path in sorted(character.glob("*.png")):
            with Image.open(path) as image:
                assert image.mode == "1" and image.size == (105, 105)
                vectors.append(vector(image.convert("L")))
            labels.append(label)
            drawers.append(int(path.stem[-2:]))
    assert sum(d <= 16 for d in drawers) == COUNTS["Omniglot"]["train"]
    assert sum(d > 16 for d in drawers) == COUNTS["Omniglot"]["test"]
    assert recognised(vectors, labels, CLASSES["Omniglot"], 1) > 0.95


def test_lfw_is_a_tree_of_people(data: Path) -> None:
    """Catches a pool that is not the people with 20 pictures or more, and the lack of others."""
    root = data / "lfw-py" / "lfw_funneled"
    people = {
        folder.name: sorted(folder.glob("*.jpg"))
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }
    frequent = {name: paths for name, paths in people.items() if len(paths) >= 20}
    assert len(frequent) == CLASSES["LFWPeople"] < len(people)
    assert {19, 20} < {len(paths) for paths in people.values()}
    assert sum(map(len, frequent.values())) == COUNTS["LFWPeople"]["pool"]
    vectors, labels = [], []
    for label, (name, paths) in enumerate(people.items()):
        for number, path in enumerate(paths, 1):
            assert path.name == f"{name}_{number:04d}.jpg"
            with Image.open(path) as image:
                assert image.size == (250, 250)
                vectors.append(vector(image))
            labels.append(label)
    assert recognised(vectors, labels, len(people), 3) > 0.95


def test_digests_are_relaxed_only_inside(data: Path, tmp_path: Path) -> None:
    """Catches a patch that stays, or one that also takes missing files for good."""
    with pytest.raises(RuntimeError, match="corrupted"):
        tv.CIFAR10(str(data))
    with relax_digests():
        tv.CIFAR10(str(data))
        with pytest.raises(RuntimeError, match="not found"):
            tv.CIFAR10(str(tmp_path))
    with pytest.raises(RuntimeError, match="corrupted"):
        tv.CIFAR10(str(data))


def test_fer2013_without_test_labels(tmp_path: Path, relaxed: None) -> None:
    """Catches test labels that slip into test.csv, or a fer2013.csv that takes precedence."""
    write_fer2013_without_test_labels(tmp_path)
    train, test = (tv.FER2013(str(tmp_path), split=part) for part in ("train", "test"))
    assert len(train) == COUNTS["FER2013"]["train"] and {
        train[i][1] for i in range(len(train))
    } == set(range(7))
    assert len(test) == COUNTS["FER2013"]["test"] and {test[i][1] for i in range(len(test))} == {
        None
    }


def test_labels_as_stored(data: Path) -> None:
    """Catches stand-ins tidier than the originals: letters from 0, SVHN's digit 0 as 0, STL10 from 0."""
    letters = (data / "EMNIST/raw/emnist-letters-train-labels-idx1-ubyte").read_bytes()[8:]
    assert set(letters) == set(range(1, 27))
    assert set(scipy.io.loadmat(data / "train_32x32.mat")["y"].ravel().tolist()) == set(
        range(1, 11)
    )
    assert set((data / "stl10_binary/train_y.bin").read_bytes()) == set(range(1, 11))
    with h5py.File(data / "pcam/camelyonpatch_level_2_split_train_y.h5") as file:
        assert file["y"].shape == (COUNTS["PCAM"]["train"], 1, 1, 1)


def test_cifar_texts_are_python_2_strings(data: Path) -> None:
    """Catches a Python 3 pickle, whose keys a reader with encoding="bytes" would not find."""
    path = data / "cifar-10-batches-py" / "data_batch_1"
    with path.open("rb") as file:
        assert set(pickle.load(file, encoding="bytes")) == {
            b"batch_label",
            b"labels",
            b"data",
            b"filenames",
        }
    assert b"numpy.core.multiarray" in path.read_bytes() and path.read_bytes()[:2] == b"\x80\x02"


def test_stl10_folds_are_training_indices(data: Path, relaxed: None) -> None:
    """Catches a fold list that the class cannot read or that points beyond the training pictures."""
    for fold in range(10):
        assert len(tv.STL10(str(data), split="train", folds=fold)) == COUNTS["STL10"]["train"] // 5


def test_pets_have_files_that_lie_about_their_format(data: Path) -> None:
    """Catches the loss of the PNG and GIF files named .jpg, the rogue .mat and the `._` trimaps."""
    formats = set()
    for path in (data / "oxford-iiit-pet" / "images").glob("*.jpg"):
        with Image.open(path) as image:
            formats.add((image.format, image.mode))
    assert formats == {("JPEG", "RGB"), ("PNG", "RGBA"), ("GIF", "P")}
    assert list((data / "oxford-iiit-pet" / "images").glob("*.mat"))
    assert list((data / "oxford-iiit-pet" / "annotations" / "trimaps").glob("._*.png"))


def test_caltech101_stray_file_misleads_torchvision(data: Path) -> None:
    """Catches a tidied Caltech101: grey pictures and the stray file must stay, and torchvision counts the latter."""
    dataset = tv.Caltech101(str(data), target_type=["category", "annotation"])
    assert len(dataset) == COUNTS["Caltech101"]["pool"] + 1
    stray = next(n for n in range(len(dataset)) if is_stray("Caltech101", n, dataset.y))
    with pytest.raises(FileNotFoundError):
        dataset[stray]
    items = [dataset[n] for n in range(0, len(dataset), 5) if n != stray]
    assert {image.mode for image, _ in items} == {"L", "RGB"}
    assert any(image.width != image.height for image, _ in items)


def test_gtsrb_numbers_agree(data: Path) -> None:
    """Catches class folders that are not numbered as ClassId, or labels in the list that should have none."""
    training = data / "gtsrb" / "GTSRB" / "Training"
    assert [folder.name for folder in sorted(training.iterdir())] == [f"{k:05d}" for k in range(43)]
    for folder in training.iterdir():
        rows = (folder / f"GT-{folder.name}.csv").read_text().splitlines()[1:]
        assert {int(row.rsplit(";", 1)[1]) for row in rows} == {int(folder.name)}
    unlabelled = data / "gtsrb" / "GTSRB" / "Final_Test" / "Images" / "GT-final_test.test.csv"
    assert "ClassId" not in unlabelled.read_text()


@pytest.mark.parametrize(
    ("level", "classes"), [("variant", 100), ("family", 70), ("manufacturer", 30)]
)
def test_aircraft_levels(data: Path, level: str, classes: int) -> None:
    """Catches a level whose lists and names disagree, or a val part that trainval does not contain."""
    train, val, both = (
        tv.FGVCAircraft(str(data), split=part, annotation_level=level)
        for part in ("train", "val", "trainval")
    )
    assert len(both.classes) == classes
    assert sorted(train._image_files + val._image_files) == sorted(both._image_files)
    assert any("/" in name for name in both.classes) or level == "manufacturer"
    assert any(" " in name for name in both.classes)


@pytest.mark.parametrize("task", ["RenderedSST2", "Country211"])
def test_validation_folder_is_there(data: Path, task: str) -> None:
    """Catches the loss of the third folder, which a reader of all folders would have to leave out."""
    split = {"RenderedSST2": "val", "Country211": "valid"}[task]
    dataset = getattr(tv, task)(str(data), split=split)
    assert len(dataset) > 0 and dataset[0][0].mode == "RGB"


def test_unlabeled_stl10_shows_its_rotation(data: Path, relaxed: None) -> None:
    """Catches unlabeled pictures from which a rotation by 90, 180 or 270 degrees could not be told."""
    images = tv.STL10(str(data), split="unlabeled").data.transpose(0, 2, 3, 1)
    means = np.stack([vector(Image.fromarray(np.rot90(images[0], k).copy())) for k in range(4)])
    for number, pixels in enumerate(images[1:]):
        turned = vector(Image.fromarray(np.rot90(pixels, number % 4).copy()))
        assert (means @ turned).argmax() == number % 4


def test_pictures_repeat(tmp_path: Path) -> None:
    """Catches random numbers that differ between two runs."""
    for name in ("one", "two"):
        WRITERS["usps"](tmp_path / name)
        WRITERS["eurosat"](tmp_path / name)
    for path in (tmp_path / "one").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )
    assert picture(3, 10, (20, 30), 3, np.random.default_rng(0)).shape == (20, 30, 3)
