"""Pictures as people have them: from telephones, from Kaggle, with a broken one among them."""

from pathlib import Path
from typing import Any

import fragments
import numpy as np
import pytest
from entries import draw_subset, has_tree, open_dataset
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.data.dataset import subset_images
from metaprobe.data.readers import Dataset, folder
from metaprobe.training.fragment import Fragment
from PIL import Image, features

ROOT = Path(__file__).parent.parent
FOLDER = {"kind": "folder", "classes": 2}
ORIENTATION = 0x0112


def write(root: Path, count: int = 5, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            colour = (60 * number, 90, len(name))
            Image.new("RGB", (12, 9), colour).save(root / name / f"{name}_{number:04}.png")
    return root


def shipped(task: str) -> dict[str, Any]:
    files = [
        ROOT / "config" / f"{name}.yaml"
        for name in ("config", "datasets", "backbones", "configurations")
    ]
    config = {key: value for file in files for key, value in read_strictly(file).items()}
    return load_run(config, [str(file) for file in files]).datasets[task].parameters()


def sizes(dataset: Dataset) -> dict[str, int]:
    return {part: len(pool.labels) for part, pool in dataset.pools.items()}


# Orientation.


def lying(file: Path) -> None:
    """A picture as a telephone writes it: red at the left, and the note that this is the top."""
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[:, :50, 0] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(pixels).save(file, exif=exif)


@pytest.mark.parametrize("name", ["0.png", "0.jpg", "0.webp", "0.tif"])
def test_own_pictures_are_turned_upright(tmp_path: Path, name: str) -> None:
    """Pictures of a telephone that lie on their side, as no viewer shows them."""
    lying(write(tmp_path / "Task") / "cat" / name)
    dataset = open_dataset("Task", FOLDER, tmp_path)
    pool = dataset.pools["pool"]
    picture = pool.image(list(pool.names).index(f"cat/{name}"))
    assert picture.size == (80, 100)
    red = np.asarray(picture.convert("RGB"))[..., 0].mean(axis=1)
    assert red[:30].min() > 200 and red[-30:].max() < 50


@pytest.mark.parametrize(
    ("task", "place"), [("EuroSAT", "eurosat/2750"), ("Caltech101", "Caltech101"), ("USPS", "USPS")]
)
def test_published_pictures_are_read_as_they_are_stored(
    tmp_path: Path, task: str, place: str
) -> None:
    """Numbers that differ from everybody's because some of a data set's pictures were turned."""
    lying(write(tmp_path / place) / "cat/0.jpg")
    entry = shipped(task) | {"classes": 2, "images": None}
    pool = next(iter(open_dataset(task, entry, tmp_path).pools.values()))
    assert pool.image(list(pool.names).index("cat/0.jpg")).size == (100, 80)


# Formats.


@pytest.mark.parametrize(
    ("suffix", "feature"), [(".jfif", "jpg"), (".avif", "avif"), (".jp2", "jpg_2000")]
)
def test_formats_that_pillow_reads_are_read(tmp_path: Path, suffix: str, feature: str) -> None:
    """Pictures left out because of their suffix alone."""
    if not features.check(feature):
        pytest.skip(f"Pillow was built without {feature}")
    kind = {".jfif": "jpeg", ".avif": "avif", ".jp2": "jpeg2000"}[suffix]
    root = write(tmp_path / "Task")
    Image.new("RGB", (32, 32), (9, 8, 7)).save(root / f"cat/new{suffix}", kind)
    dataset = open_dataset("Task", FOLDER, tmp_path)
    assert f"cat/new{suffix}" in dataset.pools["pool"].names
    assert dataset.passed_over == [] and dataset.notes == ""


def test_files_that_are_passed_over_are_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 46 pictures that is not read, without a word."""
    monkeypatch.setattr(folder, "_openers", lambda: {".jfif"})
    root = write(tmp_path / "Task")
    (root / "cat/IMG_0001.heic").write_bytes(b"x")
    (root / "cat/._IMG_0001.heic").write_bytes(b"x")
    assert open_dataset("Task", FOLDER, tmp_path).notes == (
        "1 file is passed over, as Pillow does not read it here: cat/IMG_0001.heic"
    )
    for number in range(5):
        (root / f"dog/{number}.avif").write_bytes(b"x")
    notes = open_dataset("Task", FOLDER, tmp_path).notes
    assert notes.startswith("6 files are passed over") and notes.endswith("dog/1.avif, ...")


# Layouts.


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_train_and_val(tmp_path: Path, name: str, unlabelled: bool) -> None:
    """The commonest layout of all, refused; or used without a note of it."""
    write(tmp_path / "Task/train", 4)
    write(tmp_path / "Task" / name, 2)
    if unlabelled:  # a competition's test pictures, without classes
        (tmp_path / "Task/test").mkdir()
        Image.new("L", (5, 5)).save(tmp_path / "Task/test/0.png")
    dataset = open_dataset("Task", FOLDER, tmp_path)
    assert sizes(dataset) == {"train": 8, "test": 4}
    assert dataset.notes == f"test: {name}"
    subset = draw_subset(
        "Task", FOLDER, dataset, seed=0, sampling="random", sizes={"train": 9, "test": 9}
    )
    assert subset["read_as"] == f"folder, test: {name}"


def test_a_real_test_part_goes_before_val(tmp_path: Path) -> None:
    """Accuracies on the validation part where there are test pictures."""
    write(tmp_path / "Task/train", 4)
    write(tmp_path / "Task/val", 2)
    write(tmp_path / "Task/test", 3)
    dataset = open_dataset("Task", FOLDER, tmp_path)
    assert (sizes(dataset)["test"], dataset.notes) == (6, "")


def test_part_that_the_entry_names_is_never_replaced(tmp_path: Path) -> None:
    """Another part than the one that was asked for."""
    write(tmp_path / "Task/train", 4)
    write(tmp_path / "Task/val", 2)
    with pytest.raises(UserError, match=f"there is no folder {tmp_path}/Task/exam"):
        open_dataset("Task", FOLDER | {"test": "exam"}, tmp_path)


def test_parts_and_split_contradict_each_other(tmp_path: Path) -> None:
    """The advice to move the test pictures to where the classes belong."""
    for part in ("train", "val", "test"):
        write(tmp_path / "tvt" / part)
    entry = FOLDER | {"path": "tvt", "split": {"rule": "random"}}
    with pytest.raises(UserError) as error:
        open_dataset("Task", entry, tmp_path)
    assert "divided already (test, train, val): leave out split" in str(error.value)
    assert "move" not in str(error.value)


def test_parts_under_other_names(tmp_path: Path) -> None:
    """The advice to move one part's classes up, which would lose the other part."""
    write(tmp_path / "Task/Training")
    write(tmp_path / "Task/Testing")
    with pytest.raises(UserError, match="in Testing, Training: if those are its parts, name two"):
        open_dataset("Task", FOLDER, tmp_path)
    entry = FOLDER | {"train": "Training", "test": "Testing"}
    assert sizes(open_dataset("Task", entry, tmp_path)) == {"train": 10, "test": 10}


LFW = {
    "lfw-deepfunneled/lfw-deepfunneled": "deepfunneled",
    "lfw-py/lfw-deepfunneled/lfw-deepfunneled": "deepfunneled",
    "lfw-py/lfw-deepfunneled": "deepfunneled",
    "lfw-deepfunneled": "deepfunneled",
    "lfw_home/lfw_funneled": "funneled",
}


@pytest.mark.parametrize("place", LFW)
def test_lfw_as_kaggle_and_scikit_learn_leave_it(tmp_path: Path, place: str) -> None:
    """13,233 pictures that are there, refused; or an alignment that no fragment tells of."""
    write(tmp_path / place, 20, ("Ada_B", "Carl_D"))
    write(tmp_path / place, 3, ("Eve_F",))
    entry = shipped("LFWPeople") | {"classes": 2, "images": {"pool": 40}}
    dataset = open_dataset("LFWPeople", entry, tmp_path)
    assert dataset.class_names == ["Ada_B", "Carl_D"] and sizes(dataset) == {"pool": 40}
    subset = draw_subset(
        "LFWPeople", entry, dataset, seed=0, sampling="random", sizes={"train": 9, "test": 9}
    )
    assert subset["read_as"] == f"folder, {LFW[place]}"
    assert subset["split"]["rule"] == "stratified"


def test_lfw_of_its_source_goes_first(tmp_path: Path) -> None:
    """Numbers that change because another copy lies beside the one that was used."""
    write(tmp_path / "lfw-py/lfw_funneled", 20)
    write(tmp_path / "lfw-deepfunneled/lfw-deepfunneled", 20, ("Ada_B", "Carl_D"))
    entry = shipped("LFWPeople") | {"classes": 2, "images": None}
    assert not has_tree("LFWPeople", entry, tmp_path)
    assert open_dataset("LFWPeople", entry, tmp_path).class_names == ["cat", "dog"]


@pytest.mark.parametrize("place", ["FER2013", "fer2013", "FER-2013", "fer-2013"])
def test_fer2013_as_kaggle_leaves_it(tmp_path: Path, place: str) -> None:
    """The commonest copy of all, called missing in all folders but one."""
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    write(tmp_path / place / "train", 3, names)
    write(tmp_path / place / "test", 1, names)
    entry = shipped("FER2013") | {"images": {"train": 21, "test": 7}}
    dataset = open_dataset("FER2013", entry, tmp_path)
    assert sizes(dataset) == {"train": 21, "test": 7} and dataset.read_as == "folder"
    assert dataset.layout == ("" if place == "FER2013" else "Kaggle's folders")


# Pictures that do not decode.


def draw(root: Path, **more: Any) -> dict[str, Any]:
    entry = FOLDER | more
    sizes = {"train": 100, "test": 100}
    dataset = open_dataset(root.name, entry, root.parent)
    subset = draw_subset(root.name, entry, dataset, seed=0, sampling="random", sizes=sizes)
    for split in ("train", "test"):
        assert len(list(subset_images(subset, split, dataset, "colour"))) == subset[split]["images"]
    return subset


def test_broken_pictures_are_left_out_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bad picture that costs all experiments of a data set; or one left out in silence."""
    root = write(tmp_path / "Task", 50)
    whole = draw(root)
    assert "broken_images" not in whole
    (root / "dog/dog_0030.png").write_bytes(b"not a picture")
    with pytest.raises(
        UserError, match=r"dog_0030.png does not decode .*skip_broken_images: 0.001"
    ):
        draw(root)
    subset = draw(root, skip_broken_images=0.01)
    assert subset["broken_images"] == 1
    assert subset["train"]["images"] + subset["test"]["images"] == 99
    said = capsys.readouterr().out
    assert "left out, as it does not decode: dog/dog_0030.png" in said
    assert "warning: Task: 1 pictures do not decode" in said
    others = {
        split: [index for index in whole[split]["indices"] if index != 80]
        for split in ("train", "test")
    }
    assert {split: subset[split]["indices"] for split in others} == others


def test_more_broken_pictures_than_allowed(tmp_path: Path) -> None:
    """Half a data set left out, where a few pictures were meant."""
    root = write(tmp_path / "Task", 50)
    for number in range(2):
        (root / f"dog/dog_000{number}.png").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"^Task: 2 of 100 .*: 0.01 allows; the first: dog/dog_0000"
    ):
        draw(root, skip_broken_images=0.01)
    for file in root.glob("dog/*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match=r"^Task: 50 of 100 pictures do not decode"):
        draw(root, skip_broken_images=0.01)


def test_fragment_and_table_count_what_was_left_out(tmp_path: Path) -> None:
    """A number on fewer pictures than its neighbours, and no trace of it."""
    assert fragments.experiment(tmp_path).fragment()["broken_images"] == 0
    content = fragments.experiment(tmp_path, broken_images=3).fragment()
    assert Fragment.model_validate(content).broken_images == 3
    assert fragments.tables([content]).experiments["broken_images"].tolist() == [3]
