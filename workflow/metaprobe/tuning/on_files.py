"""Both steps of tuning, from files to files: caching what enters the trained blocks, and training them.

To be imported where it is used, as it imports torch.
"""

import copy
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from metaprobe.config.backbones import Backbone
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.config.datasets import Entry
from metaprobe.core.arrays import Arrays, read_facts
from metaprobe.core.files import digest_json, read_checked_json, with_checksum, write_json
from metaprobe.core.provenance import versions
from metaprobe.core.randomness import Draws
from metaprobe.data.dataset import check_fit, open_dataset
from metaprobe.data.subset import read_subset, read_validation
from metaprobe.data.transforms import Preprocessing, normalise
from metaprobe.features.backbones import Weights
from metaprobe.features.engines import choose_device, describe_device, keep_freed_memory
from metaprobe.features.extraction import Part, images_of, mapping
from metaprobe.training import metrics
from metaprobe.training.stopping import Stopping
from metaprobe.training.trained import Said, as_file
from metaprobe.tuning.activations import engine_below, read_activations, write_activations
from metaprobe.tuning.blocks import blocks_of, first_trainable
from metaprobe.tuning.loop import Images, Network, Progress, Split, State, logits_of, tune
from metaprobe.tuning.split import split


class Normalised(torch.nn.Module):
    """A whole backbone behind pictures as they are cached: uint8 (N, 3, S, S)."""

    def __init__(self, network: torch.nn.Module, to: Preprocessing) -> None:
        super().__init__()
        self.network, self.to_be = network, to

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return features (N, D)."""
        features: torch.Tensor = self.network(normalise(pixels, self.to_be))
        return features


def cache_activations(
    output: str,
    *,
    task_id: str,
    entry: Entry,
    data: Path,
    transform: str,
    subset_path: str,
    architecture: str,
    backbone: Backbone,
    weights: Weights,
    cut: str,
    part: Part,
    device: str,
    threads: int,
) -> None:
    """Write what enters the first trained block for each image of a part of a data set: an array, and
    the receipt `output` that says what it is and has cost.

    Raises:
        UserError: the data or the weights cannot be read, the backbone cannot be cut, or the disk is full.
    """
    subset = read_subset(subset_path)
    dataset = open_dataset(task_id, entry, data)
    check_fit(subset, dataset, subset_path)
    keep_freed_memory()
    chosen = choose_device(device)
    start, cpu_start = time.perf_counter(), time.process_time()
    ready = weights.ready(architecture, backbone)
    engine = engine_below(ready, cut, chosen, threads)
    with mapping(1 if chosen.type == "cpu" else threads) as mapped:
        drawn, images = images_of(part, subset, dataset, transform, ready.preprocessing, mapped)
        array = array_of(output)
        write_activations(array, images, len(drawn["labels"]), engine)
    cost = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
        "device": describe_device(chosen),
        "engine": engine.metadata,
    }
    shape = list(read_activations(array).shape)
    write_json(output, with_checksum({"part": part.name, "cut": cut, "shape": shape, **cost}))


def array_of(receipt: str | Path) -> Path:
    """Return the file of the array that a receipt is of."""
    return Path(receipt).with_suffix(".npy")


def see_to_arrays(receipts: Mapping[str, str], cache: Callable[[str, str], None]) -> None:
    """Compute the arrays that have been deleted, each once, whatever jobs miss it at the same time.

    Args:
        cache: writes receipt and array again, given the part and the receipt's file.
    """
    for part, receipt in receipts.items():
        if array_of(receipt).is_file():
            continue
        with FileLock(f"{array_of(receipt)}.lock"):
            if not array_of(receipt).is_file():
                print(f"computed again, as it was deleted after its use: {array_of(receipt)}")
                cache(part, receipt)


def forget_arrays(receipts: Mapping[str, str], needed: Collection[str]) -> None:
    """Delete the arrays of all parts but those that are still needed."""
    for part, receipt in receipts.items():
        if part not in needed:
            array_of(receipt).unlink(missing_ok=True)
            Path(f"{array_of(receipt)}.lock").unlink(missing_ok=True)


def tune_on_files(
    *,
    task_id: str,
    subset_path: str,
    features_path: str,
    validation_path: str | None,
    activations: Mapping[str, str],
    architecture: str,
    backbone: Backbone,
    weights: Weights,
    hyperparameters: dict[str, Any],
    seed: int,
    replicates: int,
    device: str,
    threads: int,
    checkpoints: Path,
    code: str,
) -> tuple[Arrays, dict[str, Any]]:
    """Train the upper blocks and the head of one experiment.

    Args:
        features_path: of the frozen backbone, for what is known of its pictures and weights.
        activations: part → receipt, whose array is there; parts that are neither `train`, `test` nor
            validation images are views, in their order.
        checkpoints: a folder; a training that is interrupted goes on after its last whole epoch.
        code: fingerprint; a checkpoint of other code, or of other settings, is not used.

    Returns:
        See `trained.as_file`; the trained weights are `tuned.<name in the backbone>`.

    Raises:
        UserError: a file is broken, or the training diverged.
    """
    torch.set_num_threads(threads)
    subset = read_subset(subset_path)
    extraction = _with_costs(read_facts(features_path), activations)
    recipe = RECIPE_DEFAULTS | hyperparameters
    cached = _cached(subset, validation_path, activations)
    ready = weights.ready(architecture, backbone)
    blocks = blocks_of(ready.network)
    chosen = choose_device(device)
    said = []
    for own_seed in range(seed, seed + replicates):
        network = copy.deepcopy(ready.network)
        upper: torch.nn.Module
        if (first := first_trainable(network, recipe["trainable"])) is None:
            upper = Normalised(network, ready.preprocessing)
        else:
            _, upper = split(network, blocks, first)
        draws = Draws(own_seed, task_id)
        names = blocks if first else [f"network.{block}" for block in blocks]
        whole = Network(upper, names, ready.width, subset["class_count"], draws)
        inputs = {
            "hyperparameters": hyperparameters,
            "seed": own_seed,
            "features": extraction["features_sha256"],
            "code": code,
        }
        checkpoint = Checkpoint(checkpoints / f"{own_seed}.pt", digest_json(inputs))
        progress = tune(
            whole, cached, hyperparameters, draws, chosen, checkpoint.read(), checkpoint.write
        )
        said.append(_said(whole, cached, progress, recipe, own_seed, chosen))
    return as_file(said, extraction, {}, hyperparameters, len(cached.train))


def _with_costs(extraction: dict[str, Any], receipts: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of an extraction with what has run, and cost, in place of the frozen backbone."""
    told = {part: read_checked_json(path) for part, path in receipts.items()}
    views = [one for part, one in told.items() if part not in ("train", "test")]
    views = [one for one in views if not one["part"].startswith("validation-")]
    trained_on = views or [told["train"]]
    seconds = {
        "train_features": sum(one["seconds"] for one in trained_on),
        "test_features": told["test"]["seconds"],
        "features_cpu": sum(one["cpu_seconds"] for one in told.values()),
        "waiting": 0.0,
    }
    engine = {"name": "torch", "version": versions("torch")["torch"]}
    ran = {"engine": engine, "precision": "float32", "device": told["test"]["device"]}
    return extraction | ran | {"seconds": seconds}


def _cached(
    subset: dict[str, Any], validation_path: str | None, activations: Mapping[str, str]
) -> Split:
    """Return the images of an experiment."""
    labels = {part: np.array(subset[part]["labels"]) for part in ("train", "test")}
    kept = np.arange(len(labels["train"]))
    validation = None
    if validation_path is not None:
        drawn = read_validation(validation_path, subset)
        kept = np.setdiff1d(kept, np.array(drawn["from_training"], np.int64))
        (part,) = (part for part in activations if part.startswith("validation-"))
        own = np.array(drawn["labels"])
        validation = Images(read_activations(array_of(activations[part])), own, np.arange(len(own)))
    views = [
        Images(read_activations(array_of(path)), labels["train"], kept)
        for part, path in activations.items()
        if part not in labels and not part.startswith("validation-")
    ]
    return Split(
        Images(read_activations(array_of(activations["train"])), labels["train"], kept),
        Images(
            read_activations(array_of(activations["test"])),
            labels["test"],
            np.arange(len(labels["test"])),
        ),
        validation,
        views,
    )


def _said(
    network: Network,
    cached: Split,
    progress: Progress,
    recipe: dict[str, Any],
    seed: int,
    device: torch.device,
) -> Said:
    train = logits_of(network, cached.train, device)
    validation = None
    if cached.validation is not None:
        validation = logits_of(network, cached.validation, device)
    facts: dict[str, Any] = {}
    curve = progress.curve
    if recipe["patience"]:
        best = Stopping.of(recipe).kept(curve)
        facts = {"best_epoch": best, "stopped_epoch": len(curve)}
    return Said(
        seed=seed,
        parameters={
            "weight": network.head.weight.detach().cpu().double().numpy(),
            "bias": network.head.bias.detach().cpu().double().numpy(),
            **{f"tuned.{k}": one.cpu().numpy() for k, one in network.upper.state_dict().items()},
        },
        test_logits=logits_of(network, cached.test, device),
        validation_logits=validation,
        train_accuracy=metrics.accuracy(train, cached.train.labels[cached.train.chosen]),
        curve=curve,
        seconds=progress.seconds,
        cpu_seconds=progress.cpu_seconds,
        facts=facts,
    )


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after its last whole epoch, in a file; no pickled code is run.

    Attributes:
        inputs: digest of what the training depends on.
    """

    path: Path
    inputs: str

    def read(self) -> State | None:
        """Return what was written; None if there is nothing, or nothing of these inputs."""
        if not self.path.is_file():
            return None
        try:
            state: State = torch.load(self.path, map_location="cpu", weights_only=True)
            if state.pop("inputs") == self.inputs:
                print(f"goes on after epoch {len(state['progress']['curve'])}", flush=True)
                return state
        except Exception as error:  # a damaged file can make torch raise anything
            print(f"{self.path} is broken ({type(error).__name__}); training begins anew")
        return None

    def write(self, state: State) -> None:
        """Write a state; the one before is there until this one is whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        torch.save(state | {"inputs": self.inputs}, part)
        os.replace(part, self.path)
