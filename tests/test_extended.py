"""config/datasets-extended.yaml: its facts, and that its entries fit files of the true format."""

import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torchvision
from checkouts import ROOT, copy_workflow, planned
from entries import open_dataset
from metaprobe.config.reading import read_strictly
from metaprobe.data.readers import Dataset
from metaprobe.data.transforms import TRANSFORMS
from PIL import Image
from standins import WRITERS, picture, relax_digests
from standins.listed_pictures import write_lines
from standins.pictures import generator, save
from test_config import SHIPPED, load

EXTENDED = ROOT / "config" / "datasets-extended.yaml"
CONTENT = read_strictly(EXTENDED)
NEW, NEW_SOURCES = CONTENT["datasets"], CONTENT["sources"]
THIRTY = read_strictly(ROOT / "config" / "datasets.yaml")

# From INFO of the package medmnist 3.0.2: MD5, classes, channels, training and test images, licence.
MEDMNIST = {
    "PathMNIST": ("a8b06965200029087d5bd730944a56c1", 9, 3, 89996, 7180, "CC BY 4.0"),
    "DermaMNIST": ("0744692d530f8e62ec473284d019b0c7", 7, 3, 7007, 2005, "CC BY-NC 4.0"),
    "OCTMNIST": ("c68d92d5b585d8d81f7112f81e2d0842", 4, 1, 97477, 1000, "CC BY 4.0"),
    "PneumoniaMNIST": ("28209eda62fecd6e6a2d98b1501bb15f", 2, 1, 4708, 624, "CC BY 4.0"),
    "RetinaMNIST": ("bd4c0672f1bba3e3a89f0e4e876791e4", 5, 3, 1080, 400, "CC BY 4.0"),
    "BreastMNIST": ("750601b1f35ba3300ea97c75c52ff8f6", 2, 1, 546, 156, "CC BY 4.0"),
    "BloodMNIST": ("7053d0359d879ad8a5505303e11de1dc", 8, 3, 11959, 3421, "CC BY 4.0"),
    "TissueMNIST": ("ebe78ee8b05294063de985d821c1c34b", 8, 1, 165466, 47280, "CC BY 4.0"),
    "OrganAMNIST": ("68e3f8846a6bd62f0c9bf841c0d9eacc", 11, 1, 34561, 17778, "CC BY 4.0"),
    "OrganCMNIST": ("b9ceb9546e10131b32923c5bbeaea2b1", 11, 1, 12975, 8216, "CC BY 4.0"),
    "OrganSMNIST": ("9ab87b696fb54e2a387ebe992d6ed5f1", 11, 1, 13932, 8827, "CC BY 4.0"),
}
# From the package tensorflow_datasets 4.9.10: bytes and SHA-256 of what torchvision does not know.
TFDS = {
    "cub200": (1150585339, "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"),
    "uc-merced": (332468434, "06c539ef28703a58fb07bd2837991ac7c48b813b00bb12ac197efd813a18daeb"),
    "colorectal-histology": (
        258098431,
        "936d0b95ae0f04f1f7b18a2b7e8c55776c3e887d102f645bcee752d1a6626a32",
    ),
    "malaria": (353452851, "0a949556b2414159b5100192609805376654c4266d8d187be9b1922fad43c668"),
}
TORCHVISION = [task for task, entry in NEW.items() if entry["kind"] == "torchvision"]
TREES = [
    task for task, entry in NEW.items() if entry["kind"] == "folder" and task != "LFWPeople_70"
]


def argument_sets(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in ("train", "test", "pool"):
        given = entry.get(part, [])
        yield from given if isinstance(given, list) else [given]


def part_of(task: str, data: Path, **changes: Any) -> Dataset:
    """Open a part of a data set by its own entry, whatever torchvision's digests say."""
    with relax_digests():
        return open_dataset(task, NEW[task] | {"partial": True} | changes, data)


# The facts.


def test_merged_onto_the_thirty() -> None:
    """A new task that takes the place of one of the thirty, or a file that does not validate."""
    run = load(SHIPPED, [str(EXTENDED)])
    assert len(NEW) >= 20
    assert len(run.datasets) == len(THIRTY["datasets"]) + len(NEW) >= 50
    folded = [task.lower() for task in run.datasets]
    assert len(set(folded)) == len(folded)
    assert not set(NEW_SOURCES) & set(THIRTY["sources"])
    assert set(run.sources) == set(THIRTY["sources"]) | set(NEW_SOURCES)


@pytest.mark.parametrize("task", NEW)
def test_facts_of_a_task(task: str) -> None:
    """A task without licence, note, counts or origin; images of one pool declared for two parts."""
    entry = NEW[task]
    assert entry["licence"] and entry["note"]
    assert {"classes", "images", "transform"} <= set(entry)
    official = "split" not in entry
    assert set(entry["images"]) == ({"train", "test"} if official else {"pool"})
    assert entry["classes"] <= sum(entry["images"].values())
    assert "source" in entry or entry["kind"] == "embedded"


@pytest.mark.parametrize("source", NEW_SOURCES)
def test_facts_of_a_source(source: str) -> None:
    """A file that nothing identifies, megabytes that are not its bytes, or no count of files."""
    entry = NEW_SOURCES[source]
    assert entry["provides"] and entry["status"]
    if all("bytes" in file for file in entry["files"]):
        megabytes = sum(file["bytes"] for file in entry["files"]) / 1e6
        assert entry["download_mb"] == pytest.approx(megabytes, abs=0.06)
    assert entry["extracted_mb"] >= entry["download_mb"]
    for file in entry["files"]:
        assert "md5" in file or "sha256" in file
        assert all(urlsplit(url).scheme in ("http", "https") for url in file["urls"])


def test_families_of_shared_pictures() -> None:
    """Tasks on the same pictures that an evaluation would not hold out together."""
    families: dict[str, set[str]] = {}
    for entry in (*NEW.values(), *THIRTY["datasets"].values()):
        if "family" in entry and "source" in entry:
            families.setdefault(entry["source"], set()).add(entry["family"])
    for entry in NEW.values():
        if entry.get("source") in THIRTY["sources"]:
            assert families[entry["source"]] == {entry["family"]}
    organs = {task for task, entry in NEW.items() if entry.get("family") == "medmnist-organ"}
    assert organs == {"OrganAMNIST", "OrganCMNIST", "OrganSMNIST"}


def test_torchvision_digests() -> None:
    """A digest that was mistyped or made up, or that stands with another file."""
    folder = Path(inspect.getfile(torchvision)).parent / "datasets"
    known = [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]
    medmnist = {facts[0] for facts in MEDMNIST.values()}
    for source in NEW_SOURCES.values():
        for file in source["files"]:
            if "md5" in file and file["md5"] not in medmnist:
                (text,) = (text for text in known if file["md5"] in text)
                before, _, after = text.partition(file["md5"])
                assert Path(file["name"]).name in before[-300:] + after[:50]
                assert urlsplit(file["urls"][0]).hostname in text


def test_medmnist_facts() -> None:
    """Counts with the validation part in them, one channel as colour, or another file's digest."""
    assert [task for task, entry in NEW.items() if entry["kind"] == "medmnist"] == list(MEDMNIST)
    for task, (md5, classes, channels, train, test, licence) in MEDMNIST.items():
        entry, flag = NEW[task], task.lower()
        assert (entry["classes"], entry["licence"]) == (classes, licence)
        assert entry["images"] == {"train": train, "test": test}
        assert entry["transform"] == ("colour" if channels == 3 else "grey")
        (file,) = NEW_SOURCES[entry["source"]]["files"]
        assert (file["name"], file["md5"]) == (f"medmnist/{flag}.npz", md5)
        assert file["urls"] == [f"https://zenodo.org/records/10519652/files/{flag}.npz?download=1"]


def test_tensorflow_datasets_facts() -> None:
    """Another length or digest than those of the file that was counted."""
    others = {name for name, s in NEW_SOURCES.items() if "sha256" in s["files"][0]}
    assert others == set(TFDS)
    for source, facts in TFDS.items():
        (file,) = NEW_SOURCES[source]["files"]
        assert (file["bytes"], file["sha256"]) == facts


@pytest.mark.parametrize("task", TORCHVISION)
def test_constructor_takes_the_arguments(task: str) -> None:
    """A class torchvision does not have, an argument it refuses, or a download behind our back."""
    signature = inspect.signature(getattr(torchvision.datasets, NEW[task]["class"]))
    for arguments in argument_sets(NEW[task]):
        bound = signature.bind("data", **arguments)
        bound.apply_defaults()
        assert bound.arguments["download"] is False


# The plan.


def test_plan(tmp_path: Path) -> None:
    """A task that the workflow does not take up, or a source that is fetched once per task."""
    folder = copy_workflow(tmp_path / "checkout")
    jobs = planned(folder, "--configfile", "config/datasets-extended.yaml")
    tasks = len(THIRTY["datasets"]) + len(NEW)
    assert jobs["train_head"] == jobs["metrics_json"] == 6 * tasks
    assert jobs["extract_features"] == 3 * tasks
    assert jobs["subset_index"] == tasks
    assert jobs["download"] == len(THIRTY["sources"]) + len(NEW_SOURCES)


# The entries against small files of the true format.


@pytest.mark.parametrize("task", MEDMNIST)
def test_medmnist_files(tmp_path: Path, task: str) -> None:
    """A path the reader does not look at; the validation part taken for test; a wrong transform."""
    _, classes, channels, *_ = MEDMNIST[task]
    rng = generator(task)
    counts = {"train": 2 * classes, "val": 3, "test": classes}
    arrays = {}
    for part, count in counts.items():
        shape = (count, 28, 28, 3)[: 4 if channels == 3 else 3]
        arrays[f"{part}_images"] = rng.integers(0, 256, shape, np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count, dtype=np.uint8) % classes)[:, None]
    source = NEW_SOURCES[NEW[task]["source"]]
    (file,) = source["provides"]
    (tmp_path / "medmnist").mkdir()
    np.savez_compressed(tmp_path / file, **arrays)
    images = {part: counts[part] for part in ("train", "test")}
    dataset = open_dataset(task, NEW[task] | {"images": images}, tmp_path)
    for part, pool in dataset.pools.items():
        assert pool.labels.tolist() == arrays[f"{part}_labels"][:, 0].tolist()
        assert np.array_equal(np.asarray(pool.image(1)), arrays[f"{part}_images"][1])
    pixels = TRANSFORMS[NEW[task]["transform"]](dataset.pools["train"].image(0))
    assert pixels.shape == (3, 224, 224)
    assert np.array_equal(pixels[0], pixels[1]) == (channels == 1)


@pytest.mark.parametrize("task", TREES)
def test_trees(tmp_path: Path, task: str) -> None:
    """A path that is not where the source unpacks its pictures, or pictures that are passed over."""
    classes = ["001.first", "002.second_one"]
    patterns = NEW_SOURCES[NEW[task]["source"]]["provides"]
    for pattern in patterns:
        folder, _, name = pattern.partition("/*/")
        for number in range(6):
            tint = (40 * number, 90, 7)
            path = tmp_path / folder / classes[number % 2] / name.replace("[!.]*", str(number))
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 30), tint).save(path)
        (path.parent / f"._{path.name}").write_bytes(b"\0")
        assert len([*tmp_path.glob(pattern)]) == 6
    dataset = part_of(task, tmp_path)
    assert dataset.class_names == classes
    assert sorted(dataset.pools) == sorted(NEW[task]["images"])
    assert sum(patterns.values()) == sum(NEW[task]["images"].values())
    for pool in dataset.pools.values():
        assert pool.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert pool.image(3).size == (20, 30)


def test_people_with_seventy_pictures(tmp_path: Path) -> None:
    """A person with 69 pictures who makes an eighth class."""
    for person, count in {"Hugo_Chavez": 70, "Tony_Blair": 71, "Zico": 69}.items():
        for number in range(count):
            file = tmp_path / "lfw-py" / "lfw_funneled" / person / f"{person}_{number:04d}.jpg"
            save(np.zeros((8, 8, 3), np.uint8), file)
    dataset = part_of("LFWPeople_70", tmp_path)
    assert dataset.class_names == ["Hugo_Chavez", "Tony_Blair"]
    assert len(dataset.pools["pool"].labels) == 141


def write_food101(data: Path) -> None:
    """food-101/images/<class>/<n>.jpg and meta/{train,test}.json, whose order is not the classes'."""
    rng = generator("food101")
    for part, numbers in {"train": range(4), "test": range(4, 6)}.items():
        lists = {name: [f"{name}/{n}" for n in numbers] for name in ("waffles", "apple_pie")}
        for label, files in enumerate(lists.values()):
            for file in files:
                pixels = picture(label, 2, (40, 50), 3, rng)
                save(pixels, data / "food-101" / "images" / f"{file}.jpg")
        write_lines(data / "food-101" / "meta" / f"{part}.json", [json.dumps(lists)])


def write_places365(data: Path) -> None:
    """val_256/*.jpg, places365_val.txt (`<file> <class>`) and categories_places365.txt."""
    rng = generator("places365")
    write_lines(data / "categories_places365.txt", ["/a/airfield 0", "/b/bar 1", "/c/cliff 2"])
    lines = [f"Places365_val_{n + 1:08d}.jpg {(2, 0, 1)[n % 3]}" for n in range(9)]
    write_lines(data / "places365_val.txt", lines)
    for line in lines:
        name, label = line.split()
        save(picture(int(label), 3, (64, 64), 3, rng), data / "val_256" / name)


def write_semeion(data: Path) -> None:
    """semeion.data: 256 pixels of 0 or 1 and ten columns of which one is 1, a digit a line."""
    rng = generator("semeion")
    lines = []
    for number in range(30):
        pixels = rng.integers(0, 2, 256)
        marks = " ".join(str(int(digit == number % 10)) for digit in range(10))
        lines.append(" ".join(f"{pixel:.4f}" for pixel in pixels) + f" {marks} ")
    write_lines(data / "semeion.data", lines)


def write_clevr(data: Path) -> None:
    """clevr/CLEVR_v1.0: images/<part>/*.png, scenes/CLEVR_<part>_scenes.json with 3 to 10 objects."""
    root = data / "clevr" / "CLEVR_v1.0"
    for part in ("train", "val"):
        scenes = []
        for number in range(16):
            name = f"CLEVR_{part}_{number:06d}.png"
            scenes.append({"image_filename": name, "objects": [{}] * (10 - number % 8)})
            save(np.zeros((32, 48, 3), np.uint8), root / "images" / part / name)
        text = json.dumps({"info": {}, "scenes": scenes})
        write_lines(root / "scenes" / f"CLEVR_{part}_scenes.json", [text])


def write_dtd_twice(data: Path) -> None:
    """The stand-in for partition 1, its lists again as those of partition 2, parts exchanged."""
    WRITERS["dtd"](data)
    labels = data / "dtd" / "dtd" / "labels"
    for part, other in {"train": "test", "val": "val", "test": "train"}.items():
        shutil.copy(labels / f"{part}1.txt", labels / f"{other}2.txt")


WRITTEN = {
    "food101": write_food101,
    "places365-val": write_places365,
    "semeion": write_semeion,
    "clevr": write_clevr,
    "dtd": write_dtd_twice,
    "fgvc-aircraft": WRITERS["fgvc-aircraft"],
    "oxford-iiit-pet": WRITERS["oxford-iiit-pet"],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sources of the torchvision tasks, small, in one data folder."""
    data = tmp_path_factory.mktemp("written")
    for write in WRITTEN.values():
        write(data)
    return data


@pytest.mark.parametrize("task", TORCHVISION)
def test_torchvision_files(written: Path, task: str) -> None:
    """The attribute of another target, or labels that differ from those of the items."""
    quick = part_of(task, written)
    with relax_digests():
        entry = {key: value for key, value in NEW[task].items() if key != "labels"}
        slow = open_dataset(task, entry | {"partial": True}, written)
    assert sorted(quick.pools) == sorted(NEW[task]["images"])
    for part, pool in quick.pools.items():
        assert pool.labels.tolist() == slow.pools[part].labels.tolist()
        assert TRANSFORMS[NEW[task]["transform"]](pool.image(0)).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("task", "classes"),
    [
        ("CLEVRCount", 8),
        ("SEMEION", 10),
        ("FGVCAircraft_Family", 70),
        ("FGVCAircraft_Manufacturer", 30),
        ("OxfordIIITPet_Species", 2),
        ("DTD_Partition2", 47),
    ],
)
def test_classes_of_the_other_labels(written: Path, task: str, classes: int) -> None:
    """Counts that do not start from 3, or the sibling's labels and classes in place of its own."""
    dataset = part_of(task, written)
    assert NEW[task]["classes"] == len(dataset.class_names) == classes
    assert {int(label) for pool in dataset.pools.values() for label in pool.labels} == {
        *range(classes)
    }


def test_provided_files_are_those_that_are_read(written: Path) -> None:
    """A source that counts as whole without a file that its reader needs, or never does."""
    for source, entry in NEW_SOURCES.items():
        if source in WRITTEN:
            assert all(any(written.glob(pattern)) for pattern in entry["provides"])


def test_second_partition_is_another_split(written: Path) -> None:
    """The second partition read from the lists of the first."""
    first = open_dataset("DTD", THIRTY["datasets"]["DTD"] | {"partial": True}, written)
    second = part_of("DTD_Partition2", written)
    assert set(second.pools["test"].names) < set(first.pools["train"].names)


def test_optical_digits(tmp_path: Path) -> None:
    """Other counts than those of the installed scikit-learn."""
    dataset = open_dataset("OpticalDigits", NEW["OpticalDigits"], tmp_path)
    assert len(dataset.pools["pool"].labels) == NEW["OpticalDigits"]["images"]["pool"]
