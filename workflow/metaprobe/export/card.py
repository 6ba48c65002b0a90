"""The card of a model: what it was made from, how good it is, and what it was not tested for."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.conditions import OF_STEPS
from metaprobe.config.configurations import BLANK_WHEN_ZERO
from metaprobe.core.provenance import versions
from metaprobe.tables.statistics import wilson
from metaprobe.training.fragment import CHOICES, Fragment

Card = dict[str, Any]
CITATION = (
    "The metaprobe developers. metaprobe: image data sets as a meta-learning table. Version 0.2.0,"
    " 2026. https://github.com/metaprobe/metaprobe",
    "Rakotoarison et al. Learning meta-features for AutoML. International Conference on Learning"
    " Representations, 2022. https://openreview.net/forum?id=DTkEfj0Ygb8",
)
NOT_STATED = "not stated: ask who made them"
NONE = "none is needed, as they are random"
WHOLE_MATRIX = 20  # classes; of more, the commonest confusions
SHOWN = 20  # confusions, classes


@dataclass(frozen=True)
class Compared:
    """How far an exported model is from the run.

    Attributes:
        pictures: N, those that were predicted.
        different: how many of them it puts into another class.
        largest_difference: of two probabilities of one class of one picture.
    """

    pictures: int
    different: int
    largest_difference: float


def make_card(
    fragment: Fragment,
    subset: dict[str, Any],
    recipe: dict[str, Any],
    licence: str | None,
    network: dict[str, Any],
    preprocessing: dict[str, Any],
    compared: Compared,
    predicted: NDArray[np.int32],
) -> Card:
    """Return the content of `card.json` but for digests of files.

    Args:
        recipe: the hyperparameters that are in use.
        licence: of the backbone's weights.
        network, preprocessing: of `whole`.
        predicted: (N,) classes of the test images, by the exported model.
    """
    first, labels = fragment.replicates[0], np.array(subset["test"]["labels"])
    matrix = np.zeros((subset["class_count"], subset["class_count"]), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    right = int(matrix.trace())
    low, high = wilson(right / len(labels), len(labels))
    return {
        "task_id": fragment.task_id,
        "configuration": fragment.configuration,
        "data": {
            "subset_sha256": fragment.subset_sha256,
            "pixels_sha256": fragment.pixels_sha256,
            "train_images": fragment.train_images,
            "test_images": fragment.test_images,
            "broken_images": fragment.broken_images,
            "sampling": fragment.sampling,
            "split": fragment.split.model_dump(),
            "train_counts_per_class": subset["train"]["counts_per_class"],
        },
        "recipe": _in_use(recipe),
        "chosen": {k: getattr(first, k) for k in CHOICES if getattr(first, k) is not None},
        "seed": first.seed,
        "replicates": len(fragment.replicates),
        "test": {
            "images": len(labels),
            "right": right,
            "accuracy": right / len(labels),
            "accuracy_low": low,
            "accuracy_high": high,
            "majority_rate": fragment.test_majority_rate,
            "expected_calibration_error": first.test_expected_calibration_error,
            "confusion_matrix": matrix.tolist(),
        },
        "compared": asdict(compared),
        "weights": {**fragment.weights.model_dump(), "licence": _licence(fragment, licence)},
        "network": network,
        "preprocessing": preprocessing,
        "not_tested_for": [*_not_tested_for(fragment)],
        "citation": list(CITATION),
        "versions": fragment.versions | versions("onnx", "onnxruntime", "pillow", "torch"),
        "git_commit": fragment.git_commit,
    }


def _in_use(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that mean something to an experiment."""
    steps = recipe.get("head", "linear") == "linear"
    unused = {name for name in BLANK_WHEN_ZERO if not recipe.get(name)}
    unused |= set() if steps else OF_STEPS.keys() | {"epochs"}
    return {name: value for name, value in recipe.items() if name not in unused}


def _licence(fragment: Fragment, licence: str | None) -> str:
    return NONE if is_random(fragment.weights.id) else licence or NOT_STATED


def _not_tested_for(fragment: Fragment) -> Iterator[str]:
    error = fragment.replicates[0].test_expected_calibration_error
    yield "pictures of another origin than the test pictures: of another camera, light, place or time"
    yield "pictures that show none of its classes, or several: it always names one"
    yield (
        "its probabilities as probabilities: on the test pictures they are "
        f"{100 * error:.1f} points off on average (expected calibration error)"
    )
    if fragment.split.rule != "official":
        yield (
            "objects and scenes that it has not seen: training and test pictures are of one folder, and "
            "where several show the same thing, the accuracy is too high"
        )
    if is_random(fragment.weights.id):
        yield "any use: the backbone has random weights, as in a demo"


def is_random(weights_id: str) -> bool:
    """Return whether the weights of a backbone are random, by their id."""
    return weights_id.startswith("random ")


def to_markdown(card: Card, class_names: Sequence[str]) -> str:
    """Return the content of `card.md`."""
    data, test, weights, compared = (card[k] for k in ("data", "test", "weights", "compared"))
    heads = card["replicates"]
    of_many = f" It is the first of {heads} heads that differ by their seed." if heads > 1 else ""
    rows = {
        "network": f"{card['network']['library']} {card['network']['model']}, seed {card['seed']}",
        "weights before training": weights["id"],
        "licence of these weights": weights["licence"],
        **{k.replace("_", " "): v for k, v in (card["recipe"] | card["chosen"]).items()},
        "training pictures": data["train_images"],
        "test pictures": data["test_images"],
        "digest of the choice of pictures": f"`{data['subset_sha256']}`",
        "digest of the prepared pictures": f"`{data['pixels_sha256']}`",
        "prepared": ", ".join(f"{k} {_short(v)}" for k, v in card["preprocessing"].items()),
        "made with": ", ".join(f"{name} {one}" for name, one in card["versions"].items()),
        "commit of metaprobe": card["git_commit"] or "unknown",
    }
    return "\n".join(
        [
            f"# {card['task_id']}, {card['configuration']}",
            "",
            f"It tells {len(class_names)} classes apart: {', '.join(class_names[:SHOWN])}"
            f"{', ...' if len(class_names) > SHOWN else ''}.{of_many}",
            "",
            f"**{accuracy(card)}** Always naming the commonest class would reach"
            f" {test['majority_rate']:.3f}.",
            f"`model.onnx`, run by `predict.py`, puts each of the {compared['pictures']} test pictures into"
            " the class that the run put it into; no probability differs by more than"
            f" {compared['largest_difference']:.1e}.",
            "",
            "## Not tested for",
            "",
            *(f"- {one}" for one in card["not_tested_for"]),
            "",
            "## What it was made from",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
            "",
            *_confusions(np.array(test["confusion_matrix"]), class_names),
            "",
            "## How to cite",
            "",
            *(f"- {one}" for one in card["citation"]),
            "- and who made the weights that it began with.",
            "",
        ]
    )


def accuracy(card: Card) -> str:
    """Return a sentence."""
    test = card["test"]
    return (
        f"{test['right']} of {test['images']} test pictures are put into the right class: accuracy"
        f" {test['accuracy']:.3f}, 95 % interval {test['accuracy_low']:.3f} to"
        f" {test['accuracy_high']:.3f} (Wilson)."
    )


def _confusions(matrix: NDArray[np.int64], names: Sequence[str]) -> Iterator[str]:
    yield "## Confusion matrix of the test pictures"
    yield ""
    if len(names) <= WHOLE_MATRIX:
        yield f"| true class | {' | '.join(f'as {_cell(name)}' for name in names)} |"
        yield "|---" * (len(names) + 1) + "|"
        for name, row in zip(names, matrix, strict=True):
            yield f"| {_cell(name)} | {' | '.join(map(str, row))} |"
        return
    wrong = matrix - np.diag(matrix.diagonal())
    commonest = np.argsort(-wrong, axis=None, kind="stable")[:SHOWN]
    yield "The commonest confusions; `card.json` has all of it."
    yield ""
    yield "| true class | taken for | pictures |"
    yield "|---|---|---|"
    for true, found in zip(*np.unravel_index(commonest, wrong.shape), strict=True):
        if wrong[true, found]:
            yield f"| {_cell(names[true])} | {_cell(names[found])} | {wrong[true, found]} |"


def _short(value: Any) -> str:
    return " ".join(f"{one:g}" for one in value) if isinstance(value, list) else str(value)


def _cell(value: Any) -> str:
    return str(value).replace("|", r"\|").replace("\n", " ")


def summary(card: Card, folder: Path) -> str:
    """Return what is printed when a model is made."""
    lines = [f"{card['task_id']}: {accuracy(card)}", f"The model: {folder}"]
    lines += [f"To use it: python {quote(str(folder / 'predict.py'))} picture.jpg folder/"]
    if is_random(card["weights"]["id"]):
        lines.append(
            "warning: its backbone has random weights: it shows how a model is made; do not use it"
        )
    return "\n".join(lines)
