"""Subsets: what is drawn of each data set, and how a subset that is not its data's is noticed."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import entries
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.core.errors import UserError
from metaprobe.core.files import with_checksum, write_json
from metaprobe.data import dataset as datasets
from metaprobe.data import subset as subsets
from metaprobe.data.readers import Dataset, Pool
from numpy.typing import NDArray
from PIL import Image

Integers = NDArray[np.int64]
SIZES = {"train": 60, "test": 20}
COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=12)
SEEDS = st.integers(0, 2**32)
METHODS = st.sampled_from(["random", "stratified"])


def shuffled(counts: list[int], seed: int = 0) -> Integers:
    """Labels of classes with these counts, in random order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def pool(labels: Integers, names: list[str] | None = None) -> Pool:
    return Pool(labels, lambda index: Image.new("L", (4, 4), index % 256), names or ())


def one_pool(counts: list[int], seed: int = 0) -> Dataset:
    names = [f"class {number}" for number in range(len(counts))]
    return Dataset(names, {"pool": pool(shuffled(counts, seed))})


def official(train: list[int], test: list[int]) -> Dataset:
    names = [f"class {number}" for number in range(len(train))]
    return Dataset(names, {"train": pool(shuffled(train)), "test": pool(shuffled(test, 1))})


def draw_subset(
    dataset: Dataset, task_id: str = "Birds", seed: int = 0, **changes: Any
) -> dict[str, Any]:
    arguments = {"sampling": "random", "sizes": SIZES} | changes
    entry = arguments.pop("entry", {})
    return entries.draw_subset(task_id, {"kind": "folder"} | entry, dataset, seed=seed, **arguments)


# Drawing


@given(COUNTS, st.integers(0, 500), METHODS, SEEDS)
def test_draw_takes_distinct_candidates(
    counts: list[int], size: int, method: str, seed: int
) -> None:
    """Replacement, an index outside the candidates, or more or fewer images than asked for."""
    rng = np.random.default_rng(seed)
    labels = shuffled(counts, seed)
    candidates = np.sort(rng.choice(10 * len(labels), len(labels), replace=False))
    drawn = subsets.draw(candidates, labels, size, method, rng)
    assert len(drawn) == min(size, len(candidates))
    assert (np.diff(drawn) > 0).all()
    assert np.isin(drawn, candidates).all()


@given(COUNTS, st.integers(1, 500), SEEDS)
def test_stratified_draw_shares_by_class(counts: list[int], size: int, seed: int) -> None:
    """Shares given to the wrong class, as labels are not sorted."""
    labels = shuffled(counts, seed)
    draws = np.random.default_rng(seed)
    drawn = subsets.draw(np.arange(len(labels)), labels, size, "stratified", draws)
    shares = np.bincount(labels[drawn], minlength=len(counts))
    np.testing.assert_array_equal(shares, subsets.allocate(np.array(counts), size))


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_every_image_can_be_drawn(method: str) -> None:
    """The first images of a pool or of a class preferred."""
    labels = shuffled([30, 10])
    times = np.zeros(40)
    for seed in range(300):
        draws = np.random.default_rng(seed)
        times[subsets.draw(np.arange(40), labels, 20, method, draws)] += 1
    assert (np.abs(times - 150) < 50).all()


# Sharing places among classes


@given(COUNTS, st.integers(0, 800))
def test_places_are_all_given_and_none_twice(counts: list[int], size: int) -> None:
    """A place lost to rounding, more places than images, or a class left out needlessly."""
    shares = subsets.allocate(np.array(counts), size)
    assert shares.sum() == min(size, sum(counts))
    assert (shares >= 0).all()
    assert (shares <= counts).all()
    if size >= len(counts):
        assert (shares >= 1).all()


@given(COUNTS, st.integers(1, 800))
def test_shares_are_as_proportional_as_can_be(counts: list[int], size: int) -> None:
    """Rounding that favours classes; or the places of the smallest all taken from one class.

    No move of one place from a class that can spare it brings the shares nearer to proportion.
    """
    size = min(size, sum(counts))
    shares = subsets.allocate(np.array(counts), size)
    quota = np.array(counts) * size / sum(counts)
    excess = shares - quota
    assert (shares <= np.ceil(quota - 1e-9)).all()
    if (quota >= 1).all():
        assert (np.abs(excess) < 1).all()
    spare = shares > (1 if size >= len(counts) else 0)
    if spare.any():
        assert excess[spare].max() - excess.min() <= 1 + 1e-9


@given(COUNTS, st.integers(1, 800), st.integers(2, 10_000))
def test_shares_do_not_depend_on_scale(counts: list[int], size: int, scale: int) -> None:
    """Remainders compared in rounded numbers."""
    if size < sum(counts):
        shares = subsets.allocate(np.array(counts) * scale, size)
        np.testing.assert_array_equal(shares, subsets.allocate(np.array(counts), size))


def test_shares_of_known_classes() -> None:
    """Largest remainders replaced by another rule; ties that go to another class than the first."""
    for counts, size, shares in (
        ([50, 30, 20], 10, [5, 3, 2]),
        ([1, 1, 1], 2, [1, 1, 0]),
        ([100, 1, 1], 10, [8, 1, 1]),
        ([67, 33], 5, [3, 2]),
        ([2, 2], 9, [2, 2]),
    ):
        assert subsets.allocate(np.array(counts), size).tolist() == shares


# Dividing one pool


@given(COUNTS, st.sampled_from([0.1, 0.2, 0.5, 0.9]), METHODS, SEEDS)
def test_split_divides_the_pool(counts: list[int], fraction: float, rule: str, seed: int) -> None:
    """An image lost, an image on both sides, or a proportion that is not the declared one."""
    labels = shuffled(counts, seed)
    train, test = subsets.split_pool(labels, rule, fraction, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    if rule == "random":
        assert abs(len(test) - fraction * len(labels)) <= 0.5


@given(COUNTS, st.floats(0.01, 0.99), SEEDS)
def test_stratified_split_keeps_each_class(counts: list[int], fraction: float, seed: int) -> None:
    """A class that is only tested, never trained; or classes divided unevenly."""
    labels = shuffled(counts, seed)
    train, test = subsets.split_pool(labels, "stratified", fraction, np.random.default_rng(seed))
    trained = np.bincount(labels[train], minlength=len(counts))
    tested = np.bincount(labels[test], minlength=len(counts))
    assert (trained >= 1).all()
    uneven = np.abs(tested - fraction * np.array(counts)) > 0.5 + 1e-9
    assert (trained[uneven] == 1).all()


# The subset of a data set


@given(COUNTS.filter(lambda counts: sum(counts) >= 8), SEEDS, METHODS, METHODS)
def test_parts_share_no_image(counts: list[int], seed: int, sampling: str, rule: str) -> None:
    """A head tested on what it was trained on; labels or counts that are not the indices'."""
    dataset = one_pool(counts, seed)
    entry = {"split": {"rule": rule, "test_fraction": 0.5}}
    subset = draw_subset(dataset, seed=seed, sampling=sampling, entry=entry)
    assert not set(subset["train"]["indices"]) & set(subset["test"]["indices"])
    for part in (subset["train"], subset["test"]):
        labels = dataset.pools[part["pool"]].labels[part["indices"]]
        assert part["labels"] == labels.tolist()
        assert part["images"] == len(part["indices"]) == sum(part["counts_per_class"].values())
        assert part["indices"] == sorted(set(part["indices"]))
        counted = [part["counts_per_class"][name] for name in subset["class_names"]]
        assert counted == np.bincount(labels, minlength=len(counts)).tolist()
        without = [name for name, count in part["counts_per_class"].items() if not count]
        assert part["classes_without_images"] == without


def test_subset_depends_on_seed_and_name_only() -> None:
    """Global random state; a draw that moves when another data set is added before it."""
    dataset = one_pool([50, 80, 70])
    first = draw_subset(dataset)
    np.random.seed(5)
    draw_subset(one_pool([90, 90]), "Another")
    assert draw_subset(dataset) == first
    for other in (draw_subset(dataset, seed=1), draw_subset(dataset, "Trees")):
        assert other["train"]["indices"] != first["train"]["indices"]
        assert other["test"]["indices"] != first["test"]["indices"]
        assert other["sha256"] != first["sha256"]


def test_test_part_does_not_depend_on_the_training_size() -> None:
    """One stream of random numbers for both parts, so that more training images move the test."""
    dataset = one_pool([50, 80, 70])
    more = draw_subset(dataset, sizes=SIZES | {"train": 90})
    assert more["test"] == draw_subset(dataset)["test"]
    assert more["train"]["images"] == 90


def test_official_parts_are_drawn_from_their_own_pools() -> None:
    """The test part drawn from the training pool; an official split divided once more."""
    dataset = official([90, 40], [15, 30])
    subset = draw_subset(dataset, entry={"split": {"rule": "random"}})
    assert subset["split"] == {"rule": "official"}
    assert [subset[part]["pool"] for part in ("train", "test")] == ["train", "test"]
    assert [subset[part]["images"] for part in ("train", "test")] == [60, 20]
    assert max(subset["train"]["indices"]) >= 60
    assert max(subset["test"]["indices"]) < 45


def test_parts_are_drawn_independently() -> None:
    """One stream for both parts: equal indices in both, say frames of the same film."""
    subset = draw_subset(official([90, 40], [90, 40]), sizes={"train": 20, "test": 20})
    assert subset["train"]["indices"] != subset["test"]["indices"]


def test_smaller_pool_is_taken_whole() -> None:
    """An error, or images drawn twice, where there are fewer than asked for."""
    subset = draw_subset(official([20, 5], [4, 2]))
    assert subset["train"]["indices"] == list(range(25))
    assert subset["test"]["indices"] == list(range(6))


def test_subset_says_what_it_is() -> None:
    """A subset from which one cannot see how it was drawn."""
    subset = draw_subset(one_pool([90, 40, 1]), seed=3, sampling="stratified")
    assert subset["task_id"] == "Birds"
    assert subset["seed"] == 3
    assert subset["sampling"] == "stratified"
    assert subset["split"] == {"rule": "stratified", "test_fraction": 0.2}
    assert subset["pretext"] is None
    assert subset["class_count"] == 3
    assert subset["class_names"] == ["class 0", "class 1", "class 2"]
    assert subset["pools"]["pool"]["images"] == 131
    assert subset["test"]["classes_without_images"] == ["class 2"]


@pytest.mark.parametrize(
    ("counts", "split"),
    [
        ([2, 2, 1], {"rule": "stratified", "test_fraction": 0.2}),
        ([1, 1], {"rule": "random", "test_fraction": 0.2}),
        ([1, 1], {"rule": "random", "test_fraction": 0.8}),
    ],
    ids=["no class large enough", "no test image", "no training image"],
)
def test_part_without_images_is_refused(counts: list[int], split: dict[str, Any]) -> None:
    """A data set too small for its split, which fails much later or gives a mean of nothing."""
    with pytest.raises(UserError, match="Birds"):
        draw_subset(one_pool(counts), entry={"split": split})


# Reading a subset back


@pytest.fixture(scope="module")
def subset() -> dict[str, Any]:
    return draw_subset(one_pool([50, 40, 30]))


def written(folder: Path, content: Any) -> Path:
    path = folder / "Birds.json"
    write_json(path, content)
    return path


def test_subset_reads_back(tmp_path: Path, subset: dict[str, Any]) -> None:
    """A digest that the file itself does not match."""
    assert subsets.read_subset(written(tmp_path, subset)) == subset


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, (dict, list)):
            found += places(value, (*path, key))
    return found


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "removed": lambda holder, key: holder.pop(key),
    "nulled": lambda holder, key: holder.__setitem__(key, {} if holder[key] is None else None),
    "as text": lambda holder, key: holder.__setitem__(key, f"{holder[key]} "),
    "one more": lambda holder, key: holder.__setitem__(
        key, holder[key] + 1 if isinstance(holder[key], int) else [holder[key]]
    ),
}


@given(st.data())
def test_every_change_is_noticed(subset: dict[str, Any], tmp_path_factory, data) -> None:
    """A value edited by hand, or changed by another program, that the digest does not cover."""
    place = data.draw(st.sampled_from(places(subset)))
    changed = copy.deepcopy(subset)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    CHANGES[data.draw(st.sampled_from(list(CHANGES)))](holder, place[-1])
    path = written(tmp_path_factory.mktemp("subset"), changed)
    with pytest.raises(UserError, match=r"Birds\.json.*delete it"):
        subsets.read_subset(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"seed": 0', '"seed": NaN'),
        lambda text: text.replace('"seed": 0', '"seed": 0, "by": "hand"'),
    ],
    ids=["truncated", "empty", "a list", "no subset", "NaN", "added key"],
)
def test_broken_text_is_named(tmp_path: Path, subset: dict[str, Any], change) -> None:
    """A traceback instead of the file's name."""
    path = written(tmp_path, subset)
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=r"Birds\.json.*delete it"):
        subsets.read_subset(path)


def test_missing_subset_is_named(tmp_path: Path) -> None:
    """A traceback where a file was deleted."""
    with pytest.raises(UserError, match=r"Birds\.json does not exist"):
        subsets.read_subset(tmp_path / "Birds.json")


def test_overlapping_parts_are_refused_even_if_sealed(tmp_path: Path) -> None:
    """A bug in drawing that a correct digest would hide."""
    subset = draw_subset(one_pool([50, 40, 30]))
    subset["test"]["indices"][0] = subset["train"]["indices"][0]
    with pytest.raises(UserError, match="both training and test"):
        subsets.read_subset(written(tmp_path, with_checksum(subset)))


def test_equal_indices_of_two_pools_are_two_images(tmp_path: Path) -> None:
    """An official split refused because both parts number their images from 0."""
    subset = draw_subset(official([20, 20], [20, 20]), sizes={"train": 40, "test": 40})
    assert subsets.read_subset(written(tmp_path, subset)) == subset


# A subset and the data it was drawn from


def named(labels: list[int], names: list[str]) -> Dataset:
    return Dataset(["a", "b"], {"pool": pool(np.array(labels), names)})


def test_subset_of_changed_data_is_refused() -> None:
    """Features of other images than those that the subset was drawn from."""
    labels = [0, 1] * 10
    names = [f"{number}.png" for number in range(20)]
    subset = json.loads(json.dumps(draw_subset(named(labels, names))))
    datasets.check_fit(subset, named(labels, names), "Birds.json")
    for changed in (
        named([1, 0, *labels[2:]], names),
        named(labels[:-2], names[:-2]),
        named(labels, ["other.png", *names[1:]]),
        named(labels, [names[2], names[1], names[0], *names[3:]]),
        Dataset(["a", "b"], {"train": pool(np.array(labels), names)}),
    ):
        with pytest.raises(UserError, match=r"Birds\.json no longer fits .*Birds.*delete it"):
            datasets.check_fit(subset, changed, "Birds.json")


def test_undecodable_picture_is_named() -> None:
    """A traceback of Pillow that does not say which of 5,000 pictures is broken."""

    def broken(index: int) -> Image.Image:
        raise OSError("image file is truncated")

    names = [f"{number}.png" for number in range(20)]
    dataset = Dataset(["a", "b"], {"pool": Pool(np.array([0, 1] * 10), broken, names)})
    subset = draw_subset(dataset)
    name = names[subset["test"]["indices"][0]]
    with pytest.raises(UserError, match=rf"Birds: pool picture {name} does not decode .*truncated"):
        list(datasets.subset_images(subset, "test", dataset, "grey"))


def test_images_come_in_the_order_of_the_labels() -> None:
    """Features and labels that belong to different images."""
    dataset = one_pool([50, 40, 30])
    subset = draw_subset(dataset)
    images = list(datasets.subset_images(subset, "train", dataset, "grey"))
    assert {image.shape for image in images} == {(3, 224, 224)}
    assert [image[0, 0, 0] for image in images] == subset["train"]["indices"]


# A data set and its entry


def check(dataset: Dataset, **entry: Any) -> None:
    kind = {"kind": "folder"}
    entries.check("Birds", kind | entry, replace(dataset, read_as="folder"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"classes": 2}, "Birds: labels run from 0 to 2, but classes: 2 allows 0 to 1"),
        ({"classes": 4}, "Birds: 3 classes have images, but datasets.yaml declares classes: 4"),
        (
            {"classes": 3, "images": {"pool": 121}},
            "Birds: the pool images number 120, but datasets.yaml declares 121",
        ),
    ],
    ids=["label range", "classes", "images"],
)
def test_data_set_is_not_what_its_entry_declares(entry: dict[str, Any], message: str) -> None:
    """Half a download, or labels that begin at 1, trained on as if nothing were wrong."""
    check(one_pool([50, 40, 30]), classes=3, images={"pool": 120})
    with pytest.raises(UserError) as caught:
        check(one_pool([50, 40, 30]), **entry)
    assert str(caught.value).startswith(message)


def test_labels_from_one_are_told() -> None:
    """EMNIST letters without first_label, or a reader that subtracts too much."""
    for shift, numbers in ((1, "1 to 3"), (-1, "-1 to 1")):
        dataset = Dataset(["a", "b", "c"], {"pool": pool(shuffled([5, 5, 5]) + shift)})
        with pytest.raises(UserError, match=f"labels run from {numbers}.*first_label"):
            check(dataset, classes=3)


def test_counts_are_checked_part_by_part() -> None:
    """A missing test image made up for by a training image too many."""
    entry = {"classes": 2, "images": {"train": 40, "test": 20}}
    check(official([20, 20], [10, 10]), **entry)
    with pytest.raises(UserError, match=r"the test images number 19, .* declares 20"):
        check(official([20, 20], [10, 9]), **entry)


def test_classes_without_training_images_are_named() -> None:
    """A class that is only tested; a user who has to search which of 200 folders is empty."""
    dataset = Dataset(["a", "b", "c", "d"], {"pool": pool(shuffled([5, 5, 5]))})
    for declared in (3, 4):
        with pytest.raises(UserError, match=r"Birds: 3 classes have images.*without.* d\)"):
            check(dataset, classes=declared)
    with pytest.raises(UserError, match=r"Birds: 1 classes have images.*without.* class 1\)"):
        check(official([20, 0], [10, 10]), classes=2)


def test_class_names_that_are_equal_are_refused() -> None:
    """Two classes of one name, whose counts would overwrite each other."""
    dataset = Dataset(["a", "a"], {"pool": pool(shuffled([50, 40]))})
    with pytest.raises(UserError, match="Birds"):
        check(dataset, classes=2)


def test_part_of_a_data_set_is_used_only_if_asked_for() -> None:
    """Half a download taken for the whole, or refused although `partial: true` stands there."""
    half = one_pool([20, 20, 0])
    with pytest.raises(UserError, match="Birds"):
        check(half, classes=3, images={"pool": 120})
    check(half, classes=3, images={"pool": 120}, partial=True)
    with pytest.raises(UserError, match="labels run from 0 to 2"):
        check(one_pool([20, 20, 20]), classes=2, partial=True)
