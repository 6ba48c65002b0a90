"""The files of data sets beside the thirty: how many there are, their facts, and the formats they are in."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkouts import ROOT
from entries import open_dataset
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.operations.doctor import examine
from PIL import Image
from standins.collections import (
    NORB,
    write_clevr_scenes,
    write_cmaterdb,
    write_dsprites,
    write_meta_album,
    write_smallnorb,
)
from standins.pictures import save
from test_config import SHIPPED, load

FILES = ("datasets-extended", "datasets-meta-album", "datasets-vtab", "datasets-more")
PATHS = [ROOT / "config" / f"{name}.yaml" for name in FILES]
EXTENDED, META_ALBUM, VTAB, MORE = map(read_strictly, PATHS)
THIRTY = read_strictly(ROOT / "config" / "datasets.yaml")
NEW = META_ALBUM["datasets"] | VTAB["datasets"] | MORE["datasets"]
NEW_SOURCES = META_ALBUM["sources"] | VTAB["sources"] | MORE["sources"]
ALL = THIRTY["datasets"] | EXTENDED["datasets"] | NEW
SOURCES = THIRTY["sources"] | EXTENDED["sources"] | NEW_SOURCES
FOR_PEOPLE = {"licence", "note", "family", "images", "source"}
TABLE = {"kind": "table", "classes": 2}


def task(name: str, **changes: Any) -> dict[str, Any]:
    """An entry without its counts, as the stand-ins have fewer images."""
    return {key: one for key, one in NEW[name].items() if key != "images"} | changes


def complaint(entry: dict[str, Any], data: Path, name: str = "Task") -> str:
    with pytest.raises(UserError) as error:
        open_dataset(name, entry, data)
    return str(error.value)


# The facts.


def test_a_hundred_and_seven_are_declared() -> None:
    """A count in the documentation that is not that of the files, or a task that takes another's place."""
    counts = [len(content["datasets"]) for content in (THIRTY, EXTENDED, META_ALBUM, VTAB, MORE)]
    assert counts == [30, 27, 30, 8, 12]
    assert len({name.lower() for name in ALL}) == sum(counts) == 107
    for page in ("docs/datasets.md", "config/README.md"):
        assert "107" in (ROOT / page).read_text(encoding="utf-8")


def test_the_thirty_stay_as_they_are() -> None:
    """A default run that changes, or an entry of the thirty changed by one of the files."""
    shipped = load(SHIPPED)
    run = load(SHIPPED, [str(path) for path in PATHS])
    assert len(shipped.datasets) == 30 and len(run.datasets) == 107
    assert all(run.datasets[name] == entry for name, entry in shipped.datasets.items())
    assert all(run.sources[name] == source for name, source in shipped.sources.items())


@pytest.mark.parametrize("path", PATHS, ids=FILES)
def test_each_file_stands_alone(path: Path) -> None:
    """A task whose source is in another file, so that the file alone is refused."""
    content = read_strictly(path)
    run = load(SHIPPED, [str(path)])
    assert len(run.datasets) == 30 + len(content["datasets"])
    used = {entry.get("source") for entry in content["datasets"].values()}
    assert set(content["sources"]) <= used


@pytest.mark.parametrize("name", NEW)
def test_facts_of_a_task(name: str) -> None:
    """A task without licence, note, counts or origin; images of one pool declared for two parts."""
    entry = NEW[name]
    assert entry["licence"] and entry["note"] and entry["source"] in NEW_SOURCES
    assert set(entry["images"]) == ({"pool"} if "split" in entry else {"train", "test"})
    assert entry["transform"] in ("grey", "colour")


@pytest.mark.parametrize("name", NEW_SOURCES)
def test_facts_of_a_source(name: str) -> None:
    """A file that nothing identifies, megabytes that are not its bytes, or no word of how to fetch it."""
    source = NEW_SOURCES[name]
    files = source.get("files", [])
    assert (
        source["provides"] and source["status"] and source["extracted_mb"] >= source["download_mb"]
    )
    assert files or (source["status"].startswith("by hand") and source["manual"])
    assert all("md5" in file or "sha256" in file for file in files)
    if files and all("bytes" in file for file in files):
        megabytes = sum(file["bytes"] for file in files) / 1e6
        assert source["download_mb"] == pytest.approx(megabytes, abs=0.06)


def test_no_two_are_the_same_data() -> None:
    """A data set declared twice under two names, or a file that stands under two sources."""
    read = {
        name: {key: one for key, one in entry.items() if key not in FOR_PEOPLE}
        for name, entry in ALL.items()
        if entry["kind"] not in ("medmnist", "omniglot", "pcam", "fer2013")  # told by their id
    }
    assert [pair for pair in combinations(read, 2) if read[pair[0]] == read[pair[1]]] == []
    digests = [
        file.get("sha256", file.get("md5"))
        for one in SOURCES.values()
        for file in one.get("files", ())
    ]
    assert len(set(digests)) == len(digests)


def test_shared_pictures_are_a_family() -> None:
    """Tasks of the same pictures that an evaluation would not hold out together."""
    families: dict[str, set[str]] = {}
    for name, entry in ALL.items():
        families.setdefault(entry.get("source") or name, set()).add(entry.get("family") or name)
    assert {source: found for source, found in families.items() if len(found) > 1} == {}
    parents = {"FLW": "Flowers102", "CRS": "StanfordCars", "TEX_DTD": "DTD", "RESISC": "RESISC45"}
    for part, parent in parents.items():
        assert ALL[f"MetaAlbum_{part}"]["family"] == ALL[parent].get("family", parent)


def test_repeated_source_is_the_same() -> None:
    """CLEVR fetched otherwise with one file than with the other."""
    assert VTAB["sources"]["clevr"] == EXTENDED["sources"]["clevr"]


def test_meta_album_counts_and_numbers() -> None:
    """A count that is mistyped, or the number of another data set or version in one of its places."""
    numbers = []
    for name, entry in META_ALBUM["datasets"].items():
        source = META_ALBUM["sources"][entry["source"]]
        number = entry["path"].rpartition("/")[2]
        published = 4110 if name == "MetaAlbum_INS" else 40 * entry["classes"]
        assert entry["images"] == {"pool": published}
        assert [*source["provides"]] == [f"{entry['path']}/*/labels.csv"]
        assert f"get_dataset({number}," in source["manual"] and f"({number})" in source["status"]
        numbers.append(int(number))
    assert sorted(numbers) == [*range(44281, 44311)]


def test_doctor_knows_them(tmp_path: Path) -> None:
    """A task that nothing brings and nobody is told how to bring."""
    run = load(SHIPPED, [str(path) for path in PATHS])
    findings = {one.task_id: one for one in examine(run.datasets, run.sources, tmp_path)}
    for name, entry in NEW.items():
        by_hand = not NEW_SOURCES[entry["source"]].get("files")
        assert findings[name].state == ("manual" if by_hand else "will download"), findings[name]
        assert findings[name].licence == entry["licence"]


# The formats.


def test_meta_album_as_openml_unpacks_it(tmp_path: Path) -> None:
    """Pictures looked for where the package of OpenML does not put them, or labels in another order."""
    entry = task("MetaAlbum_BRD", classes=3)
    write_meta_album(tmp_path / entry["path"] / "BRD_Mini", ("wren", "NA", "12"), 4)
    assert len([*tmp_path.glob(next(iter(NEW_SOURCES["meta-album-brd"]["provides"])))]) == 1
    dataset = open_dataset("MetaAlbum_BRD", entry, tmp_path)
    pool = dataset.pools["pool"]
    assert dataset.class_names == ["12", "NA", "wren"]
    assert pool.labels.tolist() == [2, 1, 0] * 4 and pool.names[1] == "001.jpg"
    assert pool.image(1).size == (128, 128)


def test_tables_of_other_columns(tmp_path: Path) -> None:
    """Columns or endings of another data set's table."""
    for name in ("b_left", "a_left", "a_right"):
        file = tmp_path / "diabetic-retinopathy" / "train" / f"{name}.jpeg"
        save(np.zeros((8, 8, 3), np.uint8), file)
    table = "image,level\nb_left,4\na_left,0\na_right,0\n"
    (tmp_path / "diabetic-retinopathy" / "trainLabels.csv").write_text(table)
    dataset = open_dataset("Eyes", task("DiabeticRetinopathy", classes=2), tmp_path)
    assert dataset.class_names == ["0", "4"]
    assert dataset.pools["pool"].labels.tolist() == [1, 0, 0]
    save(np.zeros((8, 8, 3), np.uint8), tmp_path / "deepweeds" / "images" / "1.jpg")
    table = "Filename,Label,Species\n1.jpg,8,Negative\n1.jpg,8,Negative\n2.jpg,1,Lantana\n"
    (tmp_path / "deepweeds" / "labels.csv").write_text(table)
    entry = task("DeepWeeds", classes=2, partial=True)
    with pytest.raises(UserError, match="1 classes have images"):
        open_dataset("Weeds", entry, tmp_path)
    message = complaint(entry | {"partial": False}, tmp_path)
    assert "1 of 2 pictures are missing, the first is" in message and "images/2.jpg" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FILE_NAME,CATEGORY\na.png,ant\na.png,bee\n", "it has a.png in two classes"),
        ("FILE_NAME,CATEGORY\n../a.png,ant\n", "'../a.png' leads out of the folder"),
        ("name,label\na.png,ant\n", "CATEGORY"),
        (None, "labels.csv is missing; put it there"),
    ],
)
def test_damaged_table(tmp_path: Path, text: str | None, expected: str) -> None:
    """A table whose rows contradict each other, or that names files anywhere on the disk."""
    (tmp_path / "Task").mkdir()
    if text is not None:
        (tmp_path / "Task" / "labels.csv").write_text(text)
    assert expected in complaint(TABLE, tmp_path)


def test_two_tables_are_not_guessed_between(tmp_path: Path) -> None:
    """The first of two versions of a data set read for the one that was meant."""
    for version in ("BRD_Micro", "BRD_Mini"):
        write_meta_album(tmp_path / "Task" / version, ("ant", "bee"), 1)
    assert "2 folders in" in complaint(TABLE, tmp_path)
    assert open_dataset("Task", TABLE | {"path": "Task/BRD_Mini"}, tmp_path).class_names


def test_cmaterdb_files(tmp_path: Path) -> None:
    """The parts exchanged, or a file without one of its arrays."""
    write_cmaterdb(tmp_path, "telugu")
    dataset = open_dataset("CMATERdb_Telugu", task("CMATERdb_Telugu"), tmp_path)
    assert {part: len(pool.labels) for part, pool in dataset.pools.items()} == {
        "train": 30,
        "test": 20,
    }
    assert dataset.pools["train"].labels[:11].tolist() == [*range(10), 0]
    assert dataset.pools["test"].image(1).size == (32, 32)
    file = tmp_path / "cmaterdb/telugu-numerals/testing-images.npz"
    np.savez(file, images=np.zeros((2, 4, 4), np.uint8), labels=np.zeros((2, 3)))
    assert "only data sets with one label per picture" in complaint(
        task("CMATERdb_Telugu"), tmp_path
    )
    np.savez(file, images=np.zeros((2, 4, 4), np.uint8))
    assert f"{file} is damaged" in complaint(task("CMATERdb_Telugu"), tmp_path)


def test_dsprites_factors(tmp_path: Path) -> None:
    """Classes by another column, or neighbours joined otherwise than VTAB joins them."""
    latents = np.zeros((80, 6), np.int64)
    latents[:, 3], latents[:, 4] = np.arange(80) % 40, np.arange(80) % 32
    write_dsprites(tmp_path, latents)
    places = open_dataset("Place", task("DSprites_Location"), tmp_path).pools["pool"]
    turns = open_dataset("Turn", task("DSprites_Orientation"), tmp_path).pools["pool"]
    assert places.labels[:32].tolist() == [place // 2 for place in range(32)]
    assert turns.labels[:40].tolist() == [int(turn // 2.5) for turn in range(40)]
    assert set(np.unique(np.asarray(places.image(7)))) == {0, 255}
    message = complaint(task("DSprites_Location", classes=33), tmp_path)
    assert "x_position has 32 values, but datasets.yaml declares classes: 33" in message


@pytest.mark.parametrize(("name", "step"), [("SmallNORB_Azimuth", 18), ("SmallNORB_Elevation", 9)])
def test_smallnorb_factors(tmp_path: Path, name: str, step: int) -> None:
    """A column of another factor, azimuths in steps of two, or the right picture of the pair."""
    write_smallnorb(tmp_path)
    dataset = open_dataset(name, task(name), tmp_path)
    for part, stem in zip(("train", "test"), NORB.values(), strict=True):
        pool = dataset.pools[part]
        assert pool.labels.tolist() == [number % step for number in range(36)]
        raw = (tmp_path / "smallnorb" / f"{stem}-dat.mat").read_bytes()[24 + 2 * 96 * 96 :]
        assert np.asarray(pool.image(1)).tobytes() == raw[: 96 * 96]
    assert len(dataset.class_names) == NEW[name]["classes"] == step


def test_truncated_norb_matrix(tmp_path: Path) -> None:
    """A download that broke off, read as far as it goes."""
    write_smallnorb(tmp_path)
    file = tmp_path / "smallnorb" / f"{NORB['training']}-info.mat"
    whole = file.read_bytes()
    for content in (whole[:-4], whole[:6], b"no matrix" * 9):
        file.write_bytes(content)
        assert f"{file} is damaged" in complaint(task("SmallNORB_Azimuth"), tmp_path)


def test_clevr_distances(tmp_path: Path) -> None:
    """The farthest object, edges that fall into the wrong class, or the order of the scenes for that of the names."""
    distances = [7.9, 8.0, 8.2, 8.7, 9.5, 9.6, 10.5]
    write_clevr_scenes(tmp_path, distances)
    dataset = open_dataset("CLEVRDistance", task("CLEVRDistance"), tmp_path)
    assert dataset.pools["train"].labels.tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert dataset.pools["test"].labels.tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert len(dataset.class_names) == 6
    (tmp_path / "clevr/CLEVR_v1.0/images/val/CLEVR_val_000001.png").unlink()
    assert "1 of 7 pictures are missing" in complaint(task("CLEVRDistance"), tmp_path)
    part = open_dataset("CLEVRDistance", task("CLEVRDistance", partial=True), tmp_path)
    assert part.pools["test"].labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_sun397_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """Pictures in the order of the disk, so that the same draw is other pictures elsewhere."""
    for path in ("z/zoo/sun_b.jpg", "a/abbey/sun_c.jpg", "a/apse/indoor/sun_a.jpg"):
        save(np.zeros((8, 8, 3), np.uint8), tmp_path / "SUN397" / path)
    (tmp_path / "SUN397" / "ClassName.txt").write_text("/a/abbey\n/a/apse/indoor\n/z/zoo\n")
    dataset = open_dataset("SUN397", task("SUN397", classes=3), tmp_path)
    pool = dataset.pools["pool"]
    assert pool.labels.tolist() == [0, 1, 2] and [*pool.names] == sorted(pool.names)
    assert dataset.class_names == ["abbey", "apse/indoor", "zoo"]


TREES = [name for name, entry in NEW.items() if entry["kind"] == "folder"]


@pytest.mark.parametrize("name", TREES)
def test_trees(tmp_path: Path, name: str) -> None:
    """A path that is not where the source unpacks its pictures, or a count of others than those declared."""
    patterns = NEW_SOURCES[NEW[name]["source"]]["provides"]
    assert sum(patterns.values()) == sum(NEW[name]["images"].values())
    for pattern in patterns:
        folder, _, file = pattern.replace("[!Mm]*", "*").partition("/*/")
        for number, label in enumerate(("first", "second")):
            path = tmp_path / folder / label / file.replace("[!.]*", str(number))
            path = path.with_suffix(".jpg") if path.suffix == ".*" else path
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 30)).save(path)
        assert len([*tmp_path.glob(pattern)]) == 2
    dataset = open_dataset(name, task(name, classes=2), tmp_path)
    assert sorted(dataset.pools) == sorted(NEW[name]["images"])
    assert all(pool.labels.tolist() == [0, 1] for pool in dataset.pools.values())
