"""Six configurations of one data set: the document's literal protocol against metaprobe's.

Both run on the same pictures with the same seeded random weights and the same draws, one thread,
each way in a process of its own (the literal one keeps the C library's default memory settings).
CPU seconds leave out the start of Python and the building of the networks.

Usage: python benchmarks/experiments.py literal | torch | openvino [float32 | bfloat16]
"""

import copy
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from metaprobe.config.load import read_strictly
from metaprobe.core.randomness import Draws
from metaprobe.data.readers.embedded import handwritten_digits
from metaprobe.data.transforms import SIDE, grey
from metaprobe.features.engines import ENGINES, keep_freed_memory
from metaprobe.features.extraction import extract
from metaprobe.features.random_weights import random_network
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.training.metrics import accuracy, cross_entropy, logits

from benchmarks.backbones import BACKBONES, ready
from benchmarks.literal import run_literally

TASK, SEED, CLASSES = "Digits", 0, 10
SIZES = {"train": 100, "test": 20}
NOT_IN_USE = {"momentum": 0.0, "dropout_rate": 0.0, "label_smoothing": 0.0, "grad_clip": 0.0}
Outcome = dict[str, Any]


def configurations() -> dict[str, dict[str, Any]]:
    """The shipped six, complete."""
    declared = read_strictly("config/configurations.yaml")["configurations"]
    return {name: NOT_IN_USE | {"epochs": 3} | chosen for name, chosen in declared.items()}


def run_all_literally() -> Outcome:
    """Every image through the network in every epoch of every configuration."""
    pool = handwritten_digits().pools["pool"]
    indices = np.split(np.arange(sum(SIZES.values())), [SIZES["train"]])
    parts = dict(zip(SIZES, indices, strict=True))
    images = {part: [pool.image(i) for i in chosen] for part, chosen in parts.items()}
    labels = {part: pool.labels[chosen] for part, chosen in parts.items()}
    networks = {
        name: random_network(one, SEED, SIDE).requires_grad_(False)
        for name, one in BACKBONES.items()
    }
    metrics = {}
    start = time.process_time()
    for name, chosen in configurations().items():
        network = copy.deepcopy(networks[chosen["architecture"]])
        metrics[name] = run_literally(TASK, images, labels, CLASSES, network, chosen, SEED)
    return {"seconds": time.process_time() - start, "metrics": metrics}


def run_all_on_features(engine: str, precision: str = "float32") -> Outcome:
    """Features once per architecture, then a head per configuration."""
    keep_freed_memory()
    pool = handwritten_digits().pools["pool"]
    runners = {
        name: ENGINES[engine](ready(one, SEED), torch.device("cpu"), precision, 1)
        for name, one in BACKBONES.items()
    }
    metrics = {}
    start = time.process_time()
    count = sum(SIZES.values())
    labels = pool.labels[:count]
    features = {
        name: extract(runner, (grey(pool.image(i)) for i in range(count))).features
        for name, runner in runners.items()
    }
    extracted = time.process_time()
    for name, chosen in configurations().items():
        whole = LabelledFeatures(features[chosen["architecture"]].astype(np.float64), labels)
        train = whole.select(np.arange(SIZES["train"]))
        test = whole.select(np.arange(SIZES["train"], count))
        head, *_ = train_head(train, test, CLASSES, chosen, Draws(SEED, TASK))
        scores = {
            "train": logits(train.features, head.weight, head.bias),
            "test": logits(test.features, head.weight, head.bias),
        }
        metrics[name] = {
            "train_accuracy": accuracy(scores["train"], train.labels),
            "test_accuracy": accuracy(scores["test"], test.labels),
            "test_loss": cross_entropy(scores["test"], test.labels),
        }
    end = time.process_time()
    return {"seconds": end - start, "heads": end - extracted, "metrics": metrics}


if __name__ == "__main__":
    torch.set_num_threads(1)
    way, *precision = sys.argv[1:]
    literally = way == "literal"
    outcome = run_all_literally() if literally else run_all_on_features(way, *precision)
    print(json.dumps(outcome))
