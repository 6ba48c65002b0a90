"""A data set as the pipeline sees it: opened, checked, its subset drawn, its images handed out."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.data import readers
from metaprobe.data import subset as subsets
from metaprobe.config.datasets import (Divided, Entry, Split, parse_entry)
from metaprobe.core.errors import UserError
from metaprobe.core.arrays import (digest_arrays)
from metaprobe.core.files import (digest_json, with_checksum)
from metaprobe.data.transforms import PROTOCOL, TRANSFORMS, Preprocessing
from metaprobe.data.trees import as_tree, tree_of
from metaprobe.data.undecodable import broken_images, count_left_out, named
from metaprobe.core.randomness import generator
from metaprobe.data.readers import Dataset

Mapped = Callable[..., Iterator[Any]]

DEFAULT_SPLIT = Split(rule="stratified")
CHECKED = ("images", "source")


def entry_here(reading: dict[str, Any], own: dict[str, Any]) -> Entry:
    """Return what a job has to read of a data set, as it lies on this machine.

    Args:
        reading: of the entry what decides a result; of a folder outside the data folder only the
            last part of its `path`.
        own: all of the entry of this machine's configuration. Taken from it are the place of
            that folder, and what decides no result: the declared counts, and where to fetch from.
    """
    added = {key: own[key] for key in CHECKED if key in own}
    if "path" in own and Path(own["path"]).name == reading["path"]:
        added["path"] = own["path"]
    return parse_entry(reading | added)


def open_dataset(
    task_id: str, entry: Entry, data: Path, manifest: str | Path | None = None
) -> Dataset:
    """Open a data set and check it against what its entry declares.

    A tree of class folders may be read instead of what the entry describes; see `tree_of`.

    Args:
        manifest: of files that a download has brought, the note that they are complete; for messages.

    Raises:
        UserError: it cannot be read, or its labels or counts are not the declared ones.
    """
    tree = tree_of(task_id, entry, data)
    described = as_tree(entry, tree) if tree else entry
    try:
        dataset = readers.read(task_id, described, data)
        if tree:
            layout = ", ".join(filter(None, [tree.note, dataset.layout]))
            dataset = replace(dataset, layout=layout)
        check(task_id, entry, dataset, f" in the folder tree {tree.folder}" if tree else "")
    except OSError as error:
        raise UserError(f"{task_id}: its files below {data} cannot be read: {error}") from error
    except UserError as error:
        if not manifest:
            raise
        raise UserError(
            f"{error}. To fetch files again, move the damaged ones out of {data}, delete {manifest} "
            "and start the run again"
        ) from error
    return dataset


def check(task_id: str, entry: Entry, dataset: Dataset, tree: str = "") -> None:
    """Compare class count, label range and image counts with the entry.

    With `partial: true` there may be fewer classes, but two, and any number of images.

    Args:
        tree: for messages: the folder tree that was read in place of the entry's own files.

    Raises:
        UserError: naming the data set, what was found and what was declared.
    """
    for name, count in Counter(dataset.class_names).items():
        if count > 1:
            raise UserError(f"{task_id}: {count} classes are called {name!r}; rename all but one")
    for split, pool in dataset.pools.items():
        if not len(pool.labels):
            raise UserError(f"{task_id}: there are no {split} images{tree}; complete the files")
        lowest, highest = pool.labels.min(), pool.labels.max()
        if lowest < 0 or highest >= entry.classes:
            advice = "correct classes or first_label in datasets.yaml"
            if pool.labels_in:
                advice = f"replace {pool.labels_in} by a whole copy, or {advice}"
            raise UserError(
                f"{task_id}: labels run from {lowest} to {highest}, but classes: {entry.classes} allows "
                f"0 to {entry.classes - 1}; {advice}"
            )
    _check_classes(task_id, entry.classes, dataset, tree, entry.partial)
    if not entry.partial and entry.images:
        _check_counts(task_id, entry.images.parameters(), dataset, tree)


def _check_classes(task_id: str, declared: int, dataset: Dataset, tree: str, partial: bool) -> None:
    """See that every declared class, and no other, has images to train on."""
    training = dataset.pools["train" if "train" in dataset.pools else "pool"]
    found = set(training.labels.tolist())
    names = dataset.class_names
    whole = len(found) == len(names) == declared
    if whole or (partial and len(found) > 1 and len(names) <= declared):
        return
    without = [name for number, name in enumerate(names) if number not in found]
    without += dataset.empty_folders
    listed = f" (without images: {', '.join(without[:5])})" if without else ""
    named = f", of {len(names)} that are named" if len(names) != len(found) else ""
    raise UserError(
        f"{task_id}: {len(found)} classes have images{tree}{named}, but datasets.yaml declares "
        f"classes: {declared}{listed}; complete the files or correct the entry"
    )


def _check_counts(task_id: str, declared: dict[str, int], dataset: Dataset, tree: str) -> None:
    """Compare the images of each part, or, where the entry has other parts, of all together."""
    found = {split: len(pool.labels) for split, pool in dataset.pools.items()}
    expected = {split: declared[split] for split in found if split in declared}
    if not expected:
        together = " and ".join(found)
        found, expected = {together: sum(found.values())}, {together: sum(declared.values())}
    for split, count in expected.items():
        if found[split] != count:
            raise UserError(
                f"{task_id}: the {split} images number {found[split]}{tree}, but datasets.yaml "
                f"declares {count}; complete the files, or correct images, or write "
                "partial: true to work with what is there"
            )


def draw_subset(
    task_id: str, entry: Entry, dataset: Dataset, *, seed: int, sampling: str, sizes: dict[str, int]
) -> dict[str, Any]:
    """Draw the subset of a data set that all its experiments share.

    Args:
        sampling: `random` or `stratified`.
        sizes: images wanted, `train` and `test`; a smaller pool is taken whole.

    Returns:
        The content of `subsets/<task_id>.json`.
    """
    chosen, broken = {}, {}
    for split, (pool_name, indices) in candidates(task_id, entry, dataset, seed).items():
        pool = dataset.pools[pool_name]
        draws = generator(seed, task_id, f"{split} subset")
        drawn = subsets.draw(indices, pool.labels[indices], sizes[split], sampling, draws)
        if entry.skip_broken_images:
            broken[split] = broken_images(drawn, pool)
            drawn = drawn[~np.isin(drawn, [*broken[split]])]
        chosen[split] = subsets.describe_split(pool_name, drawn, pool.labels, dataset.class_names)
    left_out = count_left_out(task_id, entry, chosen, broken)
    for split, part in chosen.items():
        if not part["images"]:
            raise UserError(f"{task_id}: no image is left for the {split} part; add images to it")
    if shared := subsets.overlap(chosen["train"], chosen["test"]):
        raise AssertionError(f"{task_id}: {len(shared)} images in both parts")
    return with_checksum(
        {
            "task_id": task_id,
            "seed": seed,
            "sampling": sampling,
            "read_as": ", ".join(filter(None, [dataset.read_as, dataset.layout])),
            "partial": entry.partial,
            "split": split_rule(entry, dataset),
            "pretext": dataset.pretext,
            "class_count": len(dataset.class_names),
            "class_names": dataset.class_names,
            "pools": pool_metadata(dataset),
            **chosen,
            **({"broken_images": left_out} if left_out else {}),
        }
    )


def split_rule(entry: Entry, dataset: Dataset) -> dict[str, Any]:
    """Return how training and test candidates are told apart."""
    if "pool" not in dataset.pools:
        return {"rule": "official"}
    declared = entry.split if isinstance(entry, Divided) else None
    return (declared or DEFAULT_SPLIT).model_dump()


def candidates(
    task_id: str, entry: Entry, dataset: Dataset, seed: int
) -> dict[str, tuple[str, NDArray[np.int64]]]:
    """Return split → (pool it is drawn from, sorted indices of the candidates)."""
    rule = split_rule(entry, dataset)
    if rule["rule"] == "official":
        return {
            split: (split, np.arange(len(dataset.pools[split].labels)))
            for split in ("train", "test")
        }
    draws = generator(seed, task_id, "split")
    labels = dataset.pools["pool"].labels
    train, test = subsets.split_pool(labels, rule["rule"], rule["test_fraction"], draws)
    return {"train": ("pool", train), "test": ("pool", test)}


def pool_metadata(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return of each pool its size, and a digest of what is known without decoding: labels, names."""
    return {
        name: {
            "images": len(pool.labels),
            "sha256": digest_json([digest_arrays({"labels": pool.labels}), list(pool.names)]),
        }
        for name, pool in dataset.pools.items()
    }


def check_fit(subset: dict[str, Any], dataset: Dataset, path: str | Path) -> None:
    """See that a subset was drawn from these files.

    Raises:
        UserError: the data have other images, labels or file names than when it was drawn.
    """
    if pool_metadata(dataset) != subset["pools"]:
        raise UserError(
            f"{path} no longer fits the data of {subset['task_id']}: their images or labels have "
            "changed since it was drawn; delete it and start the run again"
        )


def subset_images(
    subset: dict[str, Any],
    split: str,
    dataset: Dataset,
    transform: str,
    to: Preprocessing = PROTOCOL,
    mapped: Mapped = map,
) -> Iterator[NDArray[np.uint8]]:
    """Return the images of one part of a subset as (3, size, size) uint8, in its order.

    Args:
        mapped: what applies a function to each of many things, in order, as `map` does.

    Raises:
        UserError: a picture does not decode; it is named.
    """
    pool = dataset.pools[subset[split]["pool"]]

    def prepared(index: int) -> NDArray[np.uint8]:
        with named(subset["task_id"], subset[split]["pool"], pool, index):
            return TRANSFORMS[transform](pool.image(index), to)

    yield from mapped(prepared, subset[split]["indices"])
