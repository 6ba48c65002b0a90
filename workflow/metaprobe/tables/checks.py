"""The checks of `target_representations.csv` as it was written: each yields what it finds wrong."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

from metaprobe.config.configurations import BLANK_WHEN_ZERO, MEASURED, TARGET_COLUMNS
from metaprobe.tables.written_table import TEXTS, Finding, Row, Table, finding

RESULTS = MEASURED[:3]  # all but the time
ROUNDING = 0.5e-4  # the table has four decimals


def columns(table: Table) -> Iterator[Finding]:
    """The header is the 16 columns, in order, and every line has as many cells."""
    if table.header != list(TARGET_COLUMNS):
        yield finding(f"the header is {','.join(table.header)}, not {','.join(TARGET_COLUMNS)}")
    for line in table.misshapen:
        yield finding(f"it has not {len(TARGET_COLUMNS)} cells", line=line)


def row_count(table: Table) -> Iterator[Finding]:
    """There are as many rows as experiments."""
    if len(table.rows) != len(table.experiments):
        yield finding(f"{len(table.rows)} rows, but {len(table.experiments)} experiments")


def every_experiment_once(table: Table) -> Iterator[Finding]:
    """Every declared (task, configuration) has one row, in the declared order, and there is no other."""
    places = [row.place for row in table.rows]
    every = range(len(table.experiments))
    for place in (one for one in every if one not in places):
        yield finding("it has no row", *table.experiments[place])
    for row in (one for one in table.rows if one.place is None):
        known = row.configuration is not None
        yield row.finding(
            "it is there already, in an earlier line" if known else "no such experiment is declared"
        )
    if set(places) == set(every):
        for row, place in zip(table.rows, every, strict=True):
            if row.place != place:
                task_id, name = table.experiments[place]
                yield row.finding(f"the order is not as declared: here belongs {task_id}, {name}")
                return


def nothing_empty(table: Table) -> Iterator[Finding]:
    """No cell is empty, or not a finite number, but hyperparameters that are not in use."""
    for row in table.rows:
        for column in TARGET_COLUMNS:
            cell = row.cells[column]
            if not cell and column not in BLANK_WHEN_ZERO:
                yield row.finding(f"{column} is empty")
            elif cell and column not in TEXTS and not math.isfinite(row.number(column)):
                yield row.finding(f"{column} is {cell!r}, not a finite number")


def ranges(table: Table) -> Iterator[Finding]:
    """Accuracies are in [0, 1], losses and times are not negative."""
    for row in table.rows:
        for column in MEASURED:
            highest = 1 if column.endswith("accuracy") else math.inf
            if row.number(column) < 0 or row.number(column) > highest:
                allowed = "between 0 and 1" if highest == 1 else "0 or more"
                yield row.finding(f"{column} is {row.cells[column]}; possible: {allowed}")


def same_tasks(table: Table) -> Iterator[Finding]:
    """The task ids are those of basic_representations.csv."""
    there = dict.fromkeys(row.task_id for row in table.rows)
    for task_id in there:
        if task_id not in (table.basic or ()):
            yield finding("it is not in basic_representations.csv", task_id)
    for task_id, times in Counter(table.basic).items():
        if task_id not in there:
            yield finding("it is in basic_representations.csv only", task_id)
        if times > 1:
            yield finding(f"it is {times} times in basic_representations.csv", task_id)


def accuracy_and_loss(table: Table) -> Iterator[Finding]:
    """The test accuracy is possible beside the test loss."""
    for row in known(table):
        subset = table.subsets[row.task_id]
        images = subset["test_images"] * table.replicates
        accuracy, loss = row.number("test_accuracy"), row.number("test_loss")
        lowest, _ = accuracy_bounds(loss + ROUNDING, images, subset["class_count"])
        _, highest = accuracy_bounds(loss - ROUNDING, images, subset["class_count"])
        if accuracy < lowest - ROUNDING or accuracy > highest + ROUNDING:
            yield row.finding(
                f"test_accuracy {accuracy} cannot be with test_loss {loss} on "
                f"{subset['test_images']} images of {subset['class_count']} classes; "
                f"possible: {lowest:.4f} to {highest:.4f}"
            )


def accuracy_bounds(loss: float, images: int, class_count: int) -> tuple[float, float]:
    """Return the lowest and the highest accuracy that `images` predictions of this mean loss can have.

    The loss of an image is -log p, p the probability of its true class, and the predicted class is
    one of the largest probability.

    - A wrong image: the predicted class has at least p, so 2 p <= 1 and its loss is log 2 or more,
      also if both are tied. Of a share e of wrong images the mean loss is e log 2 or more, so
      e <= loss / log 2: accuracy >= 1 - loss / log 2. (Two classes with p just below 1/2 in the
      wrong images and just below 1 in the others come as near as one likes.)
    - A right image: p is the largest of C probabilities that sum to 1, so p >= 1/C and its loss is
      log C or less, also if tied. If all images are right the mean loss is log C or less; so with
      more, at least one is wrong: accuracy <= 1 - 1 / images.
    - Nothing else follows from above: one wrong image can have any loss beyond log 2, and the right
      ones any from 0 to log C, so 1 - 1 / images is possible with every loss from log 2 / images.

    Over replicates on the same images these hold of the means, with `images` counted per replicate:
    the first is linear, and the second needs one wrong prediction in any of them.
    """
    lowest = max(0.0, 1 - loss / math.log(2))
    highest = 1.0 if loss <= math.log(class_count) + 1e-9 else 1 - 1 / images
    return lowest, highest


def different_tasks(table: Table) -> Iterator[Finding]:
    """No two tasks have the same metrics in all configurations; solved without any loss they may."""
    results: dict[tuple[tuple[str, ...], ...], str] = {}
    for task_id in dict.fromkeys(row.task_id for row in table.rows):
        rows = [row for row in table.rows if row.task_id == task_id]
        result = tuple(tuple(row.cells[name] for name in RESULTS) for row in rows)
        first = results.setdefault(result, task_id)
        if first != task_id and any(row.number("test_loss") != 0 for row in rows):
            yield finding(f"all its results are those of {first}", task_id)


def unaltered(table: Table) -> Iterator[Finding]:
    """Both tables are, byte for byte, what was made of `experiments.parquet` and of
    `basic_representations.parquet`.
    """
    for name in table.altered or ():
        yield finding(f"{name} is not as it was written: it was edited or damaged")


def above_majority(table: Table) -> Iterator[Finding]:
    """The test accuracy is above that of always guessing the test images' commonest class."""
    for row in known(table):
        rate = table.subsets[row.task_id]["test_majority_rate"]
        if row.number("test_accuracy") <= rate + ROUNDING:
            yield row.finding(f"test_accuracy {row.cells['test_accuracy']}, majority {rate:.4f}")


def above_chance(table: Table) -> Iterator[Finding]:
    """The test accuracy is above that of guessing among the classes."""
    for row in known(table):
        rate = 1 / table.subsets[row.task_id]["class_count"]
        if row.number("test_accuracy") <= rate + ROUNDING:
            yield row.finding(f"test_accuracy {row.cells['test_accuracy']}, chance {rate:.4f}")


def known(table: Table) -> Iterator[Row]:
    """Return the rows of declared tasks."""
    return (row for row in table.rows if row.task_id in table.subsets)


CHECKS: dict[Callable[[Table], Iterator[Finding]], str] = {
    columns: "error",
    row_count: "error",
    every_experiment_once: "error",
    nothing_empty: "error",
    ranges: "error",
    same_tasks: "error",
    accuracy_and_loss: "error",
    different_tasks: "error",
    unaltered: "error",
    above_majority: "warning",
    above_chance: "warning",
}
