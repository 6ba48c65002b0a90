"""What steps are expected to cost where none like them was taken yet; rather too much than too little."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.recommend.advice.bench import Bench
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.prices import Floats, Prices
from metaprobe.recommend.advice.probes import rungs_of

# Seconds per picture and GFLOP on one core, as an old or busy one has them.
SECONDS_PER_GFLOP = 0.05
SECONDS_TO_START = 2.0  # to load a backbone
WIDTH = 1280  # of features, until some are there
# Seconds of a head per image, class and number of a feature vector: of an epoch by steps, and of all of
# a logistic regression; and of a ridge regression per image and pair of numbers, as they are decomposed.
PER_EPOCH, LOGISTIC, RIDGE = 5e-9, 2e-6, 1e-9
PENALTIES = 14  # that a ridge regression tries
OF_EACH = 0.05  # of any head
PER_STEP = 1e-4
WORKFLOW = 15.0  # seconds that the workflow itself takes, whatever it trains
# Of a pass: forward, and twice as much back.
PASSES = 3


def seconds_per_image(
    gflop: Mapping[str, float], measured: Mapping[str, float]
) -> dict[str, float]:
    """Return seconds per image of each backbone: measured, or by its GFLOP at the others' usual rate."""
    rates = [seconds / gflop[name] for name, seconds in measured.items() if gflop.get(name)]
    rate = float(np.median(rates)) if rates else SECONDS_PER_GFLOP
    return {name: measured.get(name, rate * own) for name, own in gflop.items()}


def seconds_to_start(names: list[str], measured: Mapping[str, float]) -> dict[str, float]:
    """Return seconds to load each backbone: measured, or as the others usually take."""
    usual = float(np.median([*measured.values()])) if measured else SECONDS_TO_START
    return {name: measured.get(name, usual) for name in names}


def seconds_of_head(
    hyperparameters: Mapping[str, Any], images: int, width: int, classes: int
) -> float:
    """Return the seconds of the training of a head on N features of D numbers and C classes."""
    recipe = RECIPE_DEFAULTS | dict(hyperparameters)
    size = images * width * classes
    if recipe["head"] == "logistic":
        return OF_EACH + LOGISTIC * size
    if recipe["head"] == "ridge":
        return OF_EACH + RIDGE * images * min(images, width) * (width + PENALTIES * classes)
    steps = -(-images // int(recipe.get("batch_size", 64)))
    return OF_EACH + float(recipe.get("epochs", 3)) * (PER_EPOCH * size + PER_STEP * steps)


def seconds_by_workflow(hyperparameters: Mapping[str, Any], images: int, per_image: float) -> float:
    """Return the seconds of a training below the head, or on augmented views: passes in each epoch."""
    epochs = float(hyperparameters.get("epochs", 3))
    return WORKFLOW + PASSES * epochs * images * per_image


def prices_of(
    bench: Bench,
    candidates: Candidates,
    steps: Sequence[Mapping[str, Any]],
    table: Mapping[str, float],
) -> Prices:
    """Return what steps cost, by what was measured here or in the table, else by their size.

    Args:
        steps: that were taken.
        table: configuration -> seconds beside plain features.
    """
    names = candidates.backbones
    start, image = bench.seconds_to_start, bench.seconds_per_image
    rungs = rungs_of(bench.train_images)
    return Prices(
        np.array([start[name] for name in names]),
        np.array([image[name] for name in names]),
        _seconds_to_train(bench, candidates, steps, table),
        bench.images,
        np.array([[_of_probe(bench, name, one) for one in rungs] for name in names]),
    )


def _of_probe(bench: Bench, backbone: str, images: int) -> float:
    """Return the seconds of a probe beside its features; it is a ridge regression."""
    return seconds_of_head({"head": "ridge"}, images, bench.width_of(backbone), bench.class_count)


def _seconds_to_train(
    bench: Bench,
    candidates: Candidates,
    steps: Sequence[Mapping[str, Any]],
    table: Mapping[str, float],
) -> Floats:
    """Return the seconds of each configuration beside plain features: (C,).

    Heads that were trained here tell how much slower or faster than guessed the others will be.
    """
    ids, heads = candidates.configurations, candidates.only_head
    guessed = np.array([_guess(bench, candidates, number) for number in range(len(ids))])
    spent = {one["configuration"]: one["training_seconds"] for one in steps if one["configuration"]}
    seen = [number for number, name in enumerate(ids) if name in spent and heads[number]]
    slowness = np.median([spent[ids[number]] / guessed[number] for number in seen]) if seen else 1.0
    likely = np.where(heads, slowness, 1.0) * guessed
    known = dict(table) | spent
    return np.array([known.get(name, one) for name, one in zip(ids, likely, strict=True)])


def _guess(bench: Bench, candidates: Candidates, number: int) -> float:
    recipe = candidates.hyperparameters[candidates.configurations[number]]
    backbone = candidates.backbones[int(candidates.backbone_of[number])]
    if candidates.only_head[number]:
        width = bench.width_of(backbone)
        return seconds_of_head(recipe, bench.train_images, width, bench.class_count)
    return seconds_by_workflow(recipe, bench.images, bench.seconds_per_image[backbone])
