"""A data set as the pipeline sees it: opened, checked, its subset drawn, its images handed out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.metaprobe import readers, subsets
from workflow.metaprobe.errors import UserError
from workflow.metaprobe.files import digest_arrays, digest_json
from workflow.metaprobe.images import TRANSFORMS
from workflow.metaprobe.randomness import generator
from workflow.metaprobe.readers import Dataset, Entry, Pool

DEFAULT_SPLIT = {"rule": "stratified", "test_fraction": 0.2}


def open_dataset(task_id: str, entry: Entry, data: Path) -> Dataset:
    """Open a data set and check it against what its entry declares.

    Raises:
        UserError: it cannot be read, or its labels or counts are not the declared ones.
    """
    dataset = readers.read(task_id, entry, data)
    check(task_id, entry, dataset)
    return dataset


def check(task_id: str, entry: Entry, dataset: Dataset) -> None:
    """Compare class count, label range and image counts with the entry.

    Raises:
        UserError: naming the data set, what was found and what was declared.
    """
    declared = entry["classes"]
    labels = np.concatenate([pool.labels for pool in dataset.pools.values()])
    found = np.unique(labels)
    if len(found) and (found[0] < 0 or found[-1] >= declared):
        raise UserError(
            f"{task_id}: labels run from {found[0]} to {found[-1]}, but classes: {declared} allows "
            f"0 to {declared - 1}; correct classes or first_label in datasets.yaml"
        )
    if len(found) != declared or len(dataset.class_names) != declared:
        raise UserError(
            f"{task_id}: {len(found)} classes have images, but datasets.yaml declares "
            f"classes: {declared}; complete the files or correct the entry"
        )
    for part, pool in dataset.pools.items():
        expected = entry.get("images", {}).get(part, len(pool.labels))
        if len(pool.labels) != expected:
            raise UserError(
                f"{task_id}: the {part} images number {len(pool.labels)}, but datasets.yaml "
                f"declares {expected}; complete the files or correct images: {part}"
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
    chosen = {}
    for part, (pool_name, candidates) in split(task_id, entry, dataset, seed).items():
        pool = dataset.pools[pool_name]
        draws = generator(seed, task_id, f"{part} subset")
        indices = subsets.draw(candidates, pool.labels[candidates], sizes[part], sampling, draws)
        chosen[part] = subsets.part(pool_name, indices, pool.labels, dataset.class_names)
    if shared := subsets.overlap(chosen["train"], chosen["test"]):
        raise AssertionError(f"{task_id}: {len(shared)} images in both parts")
    return subsets.seal(
        {
            "task_id": task_id,
            "seed": seed,
            "sampling": sampling,
            "split": split_rule(entry, dataset),
            "pretext": entry.get("pretext"),
            "class_count": len(dataset.class_names),
            "class_names": dataset.class_names,
            "pools": {
                name: {"images": len(pool.labels), "sha256": pool_digest(pool)}
                for name, pool in dataset.pools.items()
            },
            **chosen,
        }
    )


def split_rule(entry: Entry, dataset: Dataset) -> dict[str, Any]:
    """How training and test candidates are told apart."""
    if "pool" not in dataset.pools:
        return {"rule": "official"}
    return {**DEFAULT_SPLIT, **entry.get("split", {})}


def split(
    task_id: str, entry: Entry, dataset: Dataset, seed: int
) -> dict[str, tuple[str, NDArray[np.int64]]]:
    """Part → (pool it is drawn from, sorted candidate indices)."""
    rule = split_rule(entry, dataset)
    if rule["rule"] == "official":
        return {
            part: (part, np.arange(len(dataset.pools[part].labels))) for part in ("train", "test")
        }
    draws = generator(seed, task_id, "split")
    labels = dataset.pools["pool"].labels
    train, test = subsets.split_pool(labels, rule["rule"], rule["test_fraction"], draws)
    return {"train": ("pool", train), "test": ("pool", test)}


def pool_digest(pool: Pool) -> str:
    """A digest of what can be known of a pool without decoding: labels, file names, their order."""
    return digest_json([digest_arrays({"labels": pool.labels}), list(pool.names)])


def check_fit(subset: dict[str, Any], dataset: Dataset, path: str | Path) -> None:
    """See that a subset was drawn from these files.

    Raises:
        UserError: the data have other images, labels or file names than when it was drawn.
    """
    found = {
        name: {"images": len(pool.labels), "sha256": pool_digest(pool)}
        for name, pool in dataset.pools.items()
    }
    if found != subset["pools"]:
        raise UserError(
            f"{path} no longer fits the data of {subset['task_id']}: their images or labels have "
            "changed since it was drawn; delete it and start the run again"
        )


def subset_images(
    subset: dict[str, Any], part: str, dataset: Dataset, transform: str
) -> Iterator[NDArray[np.uint8]]:
    """The images of one part of a subset as (3, 224, 224) uint8, in its order.

    Raises:
        UserError: a picture does not decode; it is named.
    """
    pool = dataset.pools[subset[part]["pool"]]
    for index in subset[part]["indices"]:
        try:
            yield TRANSFORMS[transform](pool.image(index))
        except (OSError, SyntaxError, ValueError) as error:
            name = pool.names[index] if pool.names else f"number {index}"
            raise UserError(
                f"{subset['task_id']}: {subset[part]['pool']} picture {name} does not decode "
                f"({error}); restore it, or remove it and delete the subset"
            ) from error
