"""`card.md` of a model, and what is printed of it: the content of its card in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.export.card import Card, is_random

WHOLE_MATRIX = 20  # classes; of more, the commonest confusions
SHOWN = 20  # confusions, classes


def to_markdown(card: Card, class_names: Sequence[str]) -> str:
    """Return the content of `card.md`."""
    matrix = np.array(card["test"]["confusion_matrix"])
    sections = [
        _what_it_is(card, class_names),
        ["## Not tested for", "", *(f"- {one}" for one in card["not_tested_for"])],
        ["## What it was made from", "", *_made_from(card)],
        _confusions(matrix, class_names),
        ["## How to cite", "", *(f"- {one}" for one in card["citation"])],
    ]
    last = "- and who made the weights that it began with.\n"
    return "\n\n".join("\n".join(lines) for lines in sections) + f"\n{last}"


def _what_it_is(card: Card, class_names: Sequence[str]) -> Iterator[str]:
    heads, compared = card["replicates"], card["compared"]
    of_many = f" It is the first of {heads} heads that differ by their seed." if heads > 1 else ""
    more = ", ..." if len(class_names) > SHOWN else ""
    yield f"# {card['task_id']}, {card['configuration']}"
    yield ""
    yield (
        f"It tells {len(class_names)} classes apart: {', '.join(class_names[:SHOWN])}{more}.{of_many}"
    )
    yield ""
    yield (
        f"**{accuracy(card)}** Always naming the commonest class would reach"
        f" {card['test']['majority_rate']:.3f}."
    )
    yield (
        f"`model.onnx`, run by `predict.py`, puts each of the {compared['pictures']} test pictures into"
        " the class that the run put it into; no probability differs by more than"
        f" {compared['largest_difference']:.1e}."
    )


def _made_from(card: Card) -> Iterator[str]:
    """Yield the lines of a table."""
    data, weights = card["data"], card["weights"]
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
    yield from ("| | |", "|---|---|")
    yield from (f"| {name} | {_cell(value)} |" for name, value in rows.items())


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
