"""CPU milliseconds per head: one at a time with torch.optim, one at a time ours, many at once.

Each figure is the median of interleaved rounds over STEPS steps, given for the 3 × 79 steps of 5,000
images in batches of 64; evaluation is left out. Heads are trained in blocks of 1,000 columns, so
that from four blocks on the cost per head no longer changes: more are not run.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from metaprobe.core.randomness import Draws
from metaprobe.training import many_heads
from metaprobe.training.heads import LabelledFeatures, train_head
from threadpoolctl import threadpool_limits
from torch.nn.functional import cross_entropy

WIDTH, BATCH, STEPS = 1280, 64, 16
FULL_STEPS = 3 * 79
CLASS_COUNTS = (10, 102, 964)
HEAD_COUNTS = (1, 6, 48, 512)
ROUNDS = 2


def configuration(number: int) -> dict[str, Any]:
    """Adam with options that differ from head to head, as in a grid."""
    return {
        "optimizer": "Adam",
        "learning_rate": 0.0001 * (1 + number),
        "batch_size": BATCH,
        "weight_decay": 0.0001 * (number % 4),
        "momentum": 0.0,
        "dropout_rate": 0.0,
        "label_smoothing": 0.1 * (number % 2),
        "grad_clip": 1.0 * (number % 3 == 0),
        "epochs": 1,
    }


def train_in_a_loop(train: LabelledFeatures, class_count: int, chosen: dict[str, Any]) -> None:
    """One head as a user of torch writes it: torch.nn.Linear and torch.optim.Adam."""
    features, labels = torch.from_numpy(train.features), torch.from_numpy(train.labels)
    head = torch.nn.Linear(WIDTH, class_count)
    optimizer = torch.optim.Adam(
        head.parameters(), lr=chosen["learning_rate"], weight_decay=chosen["weight_decay"]
    )
    for batch in torch.randperm(len(labels)).split(BATCH):
        loss = cross_entropy(
            head(features[batch]), labels[batch], label_smoothing=chosen["label_smoothing"]
        )
        optimizer.zero_grad()
        loss.backward()
        if chosen["grad_clip"]:
            torch.nn.utils.clip_grad_norm_(head.parameters(), chosen["grad_clip"])
        optimizer.step()


def cpu_milliseconds(train_all: Callable[[], object], count: int) -> float:
    """CPU milliseconds per head for FULL_STEPS steps."""
    start = time.process_time()
    train_all()
    return (time.process_time() - start) * 1000 / count * FULL_STEPS / STEPS


@threadpool_limits.wrap(limits=1)
def measure(class_count: int) -> dict[str, float]:
    """Milliseconds per head of every way to train heads of `class_count` classes."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((STEPS * BATCH, WIDTH), np.float32).clip(0)
    train = LabelledFeatures(features, rng.integers(0, class_count, len(features)))
    exact = LabelledFeatures(features.astype(np.float64), train.labels)
    test = train.select(np.arange(1))
    block = max(1, many_heads.BLOCK_ROWS // class_count)

    def together(count: int) -> Callable[[], object]:
        chosen = [configuration(number) for number in range(count)]
        return lambda: many_heads.train_heads(train, test, class_count, chosen, 0, "bench")

    ways: dict[str, tuple[Callable[[], object], int]] = {
        "loop over torch.optim": (
            lambda: train_in_a_loop(train, class_count, configuration(1)),
            1,
        ),
        "train_head": (
            lambda: train_head(exact, test, class_count, configuration(1), Draws(0, "bench")),
            1,
        ),
    }
    for count in HEAD_COUNTS:
        trained = min(count, 4 * block)
        ways[f"many at once, K = {count}"] = together(trained), trained
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, (way, count) in ways.items():
            milliseconds = cpu_milliseconds(way, count)
            if round_number:  # in the first, memory is allocated
                times[name].append(milliseconds)
    return {name: statistics.median(values) for name, values in times.items()}
