"""Which of the images of a subset a derived data set has, and under which labels: pure functions."""

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.datasets import LEAST_IMAGES, Derived
from metaprobe.core.errors import UserError
from metaprobe.core.files import with_checksum
from metaprobe.core.randomness import generator
from metaprobe.data.subset import allocate, describe_split

Integers = NDArray[np.int64]
Content = dict[str, Any]


def derive(task_id: str, entry: Derived, parent: Content) -> Content:
    """Return the subset of a derived data set, in the form of any other.

    Its test images are all of the parent's in the classes that are kept, under their true labels. Of
    each class that is kept some training images are drawn, and some of these are given wrong labels.
    What is drawn comes from (the parent's seed, `task_id`, purpose).

    Args:
        parent: the subset of the data set that it is derived from.

    Returns:
        The content of `subsets/<task_id>.json`; beside what every subset has, `derivation`: the
        entry's own keys; `parent_sha256`: the digest of the parent's subset; `rows`: the places of its
        images among the parent's, by part; and `relabelled`: the places, among its own training images, of
        those under a wrong label. Its pools have its own images alone (one pool that both parts are
        of: the training images). Indices are those of the parent's pools.

    Raises:
        UserError: the parent has no such classes, or too few images in them.
    """
    labels = {part: np.array(parent[part]["labels"], np.int64) for part in ("train", "test")}
    kept = kept_classes(task_id, entry, parent["class_names"], labels, parent["seed"])
    names = [parent["class_names"][number] for number in kept]
    test = np.flatnonzero(np.isin(labels["test"], kept))
    if not len(test):
        raise UserError(
            f"{task_id}: {entry.of} has no test image in these classes: {listed(names)}"
        )
    train = drawn_rows(task_id, entry, names, labels["train"], kept, parent["seed"])
    noise = generator(parent["seed"], task_id, "label noise")
    true = np.searchsorted(kept, labels["train"][train])
    own, relabelled = with_noise(true, len(kept), entry.label_noise or 0.0, noise)
    parts = {
        "train": described(parent["train"], train, own, names),
        "test": described(parent["test"], test, np.searchsorted(kept, labels["test"][test]), names),
    }
    return with_checksum(
        {key: one for key, one in parent.items() if key != "broken_images"}
        | {
            "task_id": task_id,
            "read_as": f"{parent['read_as']}, derived from {entry.of}",
            "class_count": len(kept),
            "class_names": names,
            "pools": {
                parts[one]["pool"]: {"images": parts[one]["images"]} for one in ("test", "train")
            },
            **parts,
            "derivation": entry.derivation,
            "parent_sha256": parent["sha256"],
            "rows": {"train": train.tolist(), "test": test.tolist()},
            "relabelled": relabelled.tolist(),
        }
    )


def drawn_rows(
    task_id: str,
    entry: Derived,
    names: Sequence[str],
    labels: Integers,
    kept: Integers,
    seed: int,
) -> Integers:
    """Return the places of the training images that are drawn, sorted.

    Args:
        names: of the classes that are kept.
        labels: of the parent's training images.
        kept: the numbers of these classes.
    """
    members = [np.flatnonzero(labels == number) for number in kept]
    sizes = class_sizes(task_id, entry, names, [len(one) for one in members], seed)
    draws = generator(seed, task_id, "train subset")
    chosen = zip(members, sizes, strict=True)
    return np.sort(np.concatenate([draws.choice(one, size, replace=False) for one, size in chosen]))


def derive_validation(subset: Content, parent: Content, drawn: Content) -> Content:
    """Return the validation images of a derived subset, under their true labels.

    Those of them that are among its training images are not trained on, as of any data set.

    Args:
        parent: the subset that it is derived from.
        drawn: the validation images of the parent.

    Returns:
        The content of `validation/<task_id>/<images>.json`; beside what every draw has, `rows`: their
        places among the parent's; and `parent_sha256`.

    Raises:
        UserError: the parent has none in these classes, or no training image is left.
    """
    task_id, names = subset["task_id"], subset["class_names"]
    kept = np.array([parent["class_names"].index(name) for name in names])
    labels = np.array(drawn["labels"], np.int64)
    rows = np.flatnonzero(np.isin(labels, kept))
    of = subset["derivation"]["from"]
    if not len(rows):
        raise UserError(f"{task_id}: no validation image of {of} is in its classes")
    found = described(drawn, rows, np.searchsorted(kept, labels[rows]), names)
    taken = np.flatnonzero(np.isin(subset["train"]["indices"], found["indices"]))
    if len(taken) == subset["train"]["images"]:
        raise UserError(f"{task_id}: all its training images are validation images of {of}")
    return with_checksum(
        {
            "task_id": task_id,
            "seed": subset["seed"],
            "subset_sha256": subset["sha256"],
            "wanted": drawn["wanted"],
            **found,
            "from_training": taken.tolist(),
            "parent_sha256": drawn["sha256"],
            "rows": rows.tolist(),
        }
    )


def kept_classes(
    task_id: str, entry: Derived, names: Sequence[str], labels: dict[str, Integers], seed: int
) -> Integers:
    """Return the numbers of the parent's classes that are kept, sorted.

    A number of classes is drawn from those that have at least 2 training images and 1 test image.

    Args:
        names: of the parent's classes.
        labels: of its training and test images.
    """
    everything = np.arange(len(names))
    if entry.classes is None:
        return everything
    if isinstance(entry.classes, list):
        for name in entry.classes:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                told = f"{task_id}: {entry.of} has no class {name!r}; {hint}its classes: "
                raise UserError(told + listed(names))
        return np.flatnonzero(np.isin(names, entry.classes))
    train, test = (np.bincount(labels[part], minlength=len(names)) for part in ("train", "test"))
    enough = everything[(train >= LEAST_IMAGES) & (test > 0)]
    if len(enough) < entry.classes:
        raise UserError(
            f"{task_id}: {len(enough)} classes of {entry.of} have at least {LEAST_IMAGES} training images"
            f" and a test image, and {entry.classes} are asked for"
        )
    draws = generator(seed, task_id, "kept classes")
    return np.sort(draws.choice(enough, entry.classes, replace=False))


def class_sizes(
    task_id: str, entry: Derived, names: Sequence[str], available: Sequence[int], seed: int
) -> Integers:
    """Return how many training images each class has, at least 2.

    Args:
        names: of the classes that are kept.
        available: images of each.

    Raises:
        UserError: there are too few.
    """
    sizes, size = np.array(available, np.int64), entry.train_images or sum(available)
    if entry.imbalance is not None and sizes.all():
        order = generator(seed, task_id, "order of imbalance").permutation(len(sizes))
        sizes[order] = long_tail(sizes[order], entry.imbalance)
    if LEAST_IMAGES * len(sizes) <= size < sizes.sum():
        sizes = shares(sizes, size) if entry.imbalance is None else allocate(sizes, size)
    if size < LEAST_IMAGES * len(sizes):
        raise UserError(
            f"{task_id}: {size} training images of {entry.of} are too few for {len(sizes)} classes; at least "
            f"{LEAST_IMAGES} of each are needed: keep more images, or fewer classes"
        )
    if sizes.min() < LEAST_IMAGES:
        raise UserError(
            f"{task_id}: {sizes.min()} training images of {entry.of} are left of "
            f"{names[int(sizes.argmin())]!r}; at least {LEAST_IMAGES} of each class are needed: keep more "
            "images, or other classes"
        )
    return sizes


def long_tail(available: Integers, imbalance: float) -> Integers:
    """Return how many images of each class make an exponential profile, as many as there can be.

    Class i of C, from 0, has n * imbalance^(-i / (C - 1)) images (Cui et al., *Class-Balanced Loss Based on
    Effective Number of Samples*, CVPR 2019, section 5.1), rounded.

    Args:
        available: (C,) images of each class, the one that is to be the largest first.
    """
    falling = imbalance ** -(np.arange(len(available)) / (len(available) - 1))
    most = np.floor((available / falling).min() + 1e-9)
    sizes: Integers = np.rint(most * falling).astype(np.int64)
    return sizes


def shares(counts: Integers, size: int) -> Integers:
    """Share `size` places among classes in proportion to their images, at least 2 each if they have as many.

    Args:
        counts: (C,) images of each; together more than `size`, which is at least 2 C.
    """
    sizes = allocate(counts, size)
    for number in np.flatnonzero(sizes < np.minimum(counts, LEAST_IMAGES)):
        while sizes[number] < min(counts[number], LEAST_IMAGES):
            sizes[sizes.argmax()] -= 1
            sizes[number] += 1
    return sizes


def with_noise(
    labels: Integers, classes: int, share: float, draws: np.random.Generator
) -> tuple[Integers, Integers]:
    """Return labels of which a share is replaced by another class, each as likely; and which are, sorted."""
    count = round(share * len(labels))
    chosen = np.sort(draws.choice(len(labels), count, replace=False))
    noisy = labels.copy()
    noisy[chosen] = (labels[chosen] + draws.integers(1, classes, count)) % classes
    return noisy, chosen


def described(part: Content, rows: Integers, labels: Integers, names: Sequence[str]) -> Content:
    """Return a part of a subset: some rows of a part of the parent's, under these labels."""
    indices = np.array(part["indices"], np.int64)[rows]
    by_index = np.zeros(indices.max() + 1, np.int64)
    by_index[indices] = labels
    return describe_split(part["pool"], indices, by_index, names)


def listed(names: Sequence[str]) -> str:
    """Return names in a line, of many some."""
    more = ", ..." if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
