"""The validation: silent on what can be right, and each planted fault named with its rows."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fragments import experiment, fragment, target_csv
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.errors import UserError
from metaprobe.tables.checks import CHECKS, accuracy_bounds
from metaprobe.tables.validation import examine, in_words
from metaprobe.tables.written_table import describe_subset, read_table
from metaprobe.training import metrics

CONFIGURATIONS = {
    "plain": {"learning_rate": 0.01},
    "slow": {"learning_rate": 0.001, "dropout_rate": 0.1},
    "sgd": {"optimizer": "SGD", "momentum": 0.9, "learning_rate": 1e-05},
}
TASKS = ("MNIST", "USPS", "Birds")
EXPERIMENTS = [(task_id, name) for task_id in TASKS for name in CONFIGURATIONS]
HYPERPARAMETERS = [
    *("architecture", "learning_rate", "optimizer", "batch_size", "weight_decay", "momentum"),
    *("dropout_rate", "alpha", "label_smoothing", "grad_clip", "epochs"),
]
FACTS = {"test_images": 1000, "class_count": 10, "test_majority_rate": 0.13}
Change = Callable[[list[list[str]]], None]


def cells() -> list[list[str]]:
    """A sound table, its header first."""
    fragments = [
        fragment(task_id, name, test_loss=0.2 + number / 100, **CONFIGURATIONS[name])
        for number, (task_id, name) in enumerate(EXPERIMENTS)
    ]
    return [line.split(",") for line in target_csv(fragments).splitlines()]


def found(
    folder: Path,
    change: Change = lambda table: None,
    facts: dict[str, Any] = FACTS,
    basic: Sequence[str] | None = None,
    replicates: int = 1,
) -> dict[str, Any]:
    """The report of a changed table."""
    table = cells()
    change(table)
    path = folder / "target_representations.csv"
    path.write_text("".join(",".join(row) + "\n" for row in table))
    configurations = {
        name: {key: fragment(**values)[key] for key in HYPERPARAMETERS}
        for name, values in CONFIGURATIONS.items()
    }
    basic_path = None
    if basic is not None:
        basic_path = folder / "basic_representations.csv"
        basic_path.write_text("".join(f"{line},0.5\n" for line in ["task_id", *basic]))
    subsets = dict.fromkeys(TASKS, facts)
    read = read_table(path, EXPERIMENTS, configurations, subsets, replicates, basic_path)
    return examine(read, path, {})


def findings(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Check → what it found, of those that found something."""
    return {one["name"]: one["findings"] for one in report["checks"] if one["findings"]}


def put(line: int, column: str, value: str) -> Change:
    """Set a cell; lines are counted from 1, as in an editor."""

    def change(table: list[list[str]]) -> None:
        table[line - 1][table[0].index(column)] = value

    return change


def test_sound_table_passes(tmp_path: Path) -> None:
    """A check that fails for what the workflow writes: empty cells, 1e-05, no basic table."""
    report = found(tmp_path, basic=["Birds", "MNIST", "USPS"])
    assert findings(report) == {}
    assert len(report["checks"]) == len(CHECKS)
    assert in_words(report) == "target_representations.csv: 9 rows, 10 checks, no error\n"
    skipped = [one["name"] for one in found(tmp_path)["checks"] if not one["checked"]]
    assert skipped == ["same_tasks", "unaltered"]


def test_an_edited_table_is_named(tmp_path: Path) -> None:
    """A number changed by hand that no other check can tell from a true one."""
    path = tmp_path / "basic_representations.csv"
    path.write_text("task_id,place\nMNIST,0.5\n")
    target = tmp_path / "target_representations.csv"
    target.write_text("task_id\nMNIST\n")
    written = {str(target): target.read_text(), str(path): path.read_text()}
    assert read_table(target, [], {}, {}, 1, path, written).altered == []
    path.write_text("task_id,place\nMNIST,0.6\n")
    table = read_table(target, [], {}, {}, 1, path, written)
    (found,) = findings(examine(table, target, {}))["unaltered"]
    assert found["message"] == (
        "basic_representations.csv is not as it was written: it was edited or damaged"
    )


def swap(first: int, second: int) -> Change:
    def change(table: list[list[str]]) -> None:
        table[first - 1], table[second - 1] = table[second - 1], table[first - 1]

    return change


def copy_results(table: list[list[str]]) -> None:
    """Give USPS the metrics of MNIST, as when a folder was copied."""
    for number in range(1, 4):
        table[number + 3] = [table[number + 3][0], *table[number][1:]]


ERRORS: dict[str, tuple[Change, str, list[tuple[int | None, str, str | None]]]] = {
    "missing row": (
        lambda table: table.pop(4),
        "every_experiment_once",
        [(None, "it has no row", "plain")],
    ),
    "doubled row": (
        lambda table: table.insert(3, table[2]),
        "every_experiment_once",
        [(4, "it is there already", "slow")],
    ),
    "doubled for another": (
        lambda table: table.__setitem__(4, table[3]),
        "every_experiment_once",
        [(None, "it has no row", "plain"), (5, "it is there already", "sgd")],
    ),
    "undeclared task": (
        put(2, "task_id", "MNIST2"),
        "every_experiment_once",
        [(None, "it has no row", "plain"), (2, "no such experiment is declared", None)],
    ),
    "undeclared learning rate": (
        put(2, "learning_rate", "0.02"),
        "every_experiment_once",
        [(None, "it has no row", "plain"), (2, "no such experiment is declared", None)],
    ),
    "dropout dropped": (
        put(3, "dropout_rate", ""),
        "every_experiment_once",
        [(None, "it has no row", "slow"), (3, "no such experiment is declared", None)],
    ),
    "other order": (
        swap(2, 3),
        "every_experiment_once",
        [(2, "the order is not as declared: here belongs MNIST, plain", "slow")],
    ),
    "empty metric": (put(4, "test_loss", ""), "nothing_empty", [(4, "test_loss is empty", "sgd")]),
    "NaN": (
        put(4, "test_accuracy", "nan"),
        "nothing_empty",
        [(4, "test_accuracy is 'nan', not a finite number", "sgd")],
    ),
    "infinity": (
        put(4, "training_time_sec", "inf"),
        "nothing_empty",
        [(4, "training_time_sec is 'inf', not a finite number", "sgd")],
    ),
    "text": (
        put(4, "train_accuracy", "0?"),
        "nothing_empty",
        [(4, "train_accuracy is '0?', not a finite number", "sgd")],
    ),
    "percent": (
        put(10, "train_accuracy", "94.7"),
        "ranges",
        [(10, "train_accuracy is 94.7; possible: between 0 and 1", "sgd")],
    ),
    "negative accuracy": (
        put(10, "train_accuracy", "-0.1"),
        "ranges",
        [(10, "train_accuracy is -0.1; possible: between 0 and 1", "sgd")],
    ),
    "negative loss": (
        put(10, "test_loss", "-0.2"),
        "ranges",
        [(10, "test_loss is -0.2; possible: 0 or more", "sgd")],
    ),
    "negative time": (
        put(10, "training_time_sec", "-1.0"),
        "ranges",
        [(10, "training_time_sec is -1.0; possible: 0 or more", "sgd")],
    ),
    "accuracy lower than its loss allows": (
        put(5, "test_accuracy", "0.5"),
        "accuracy_and_loss",
        [(5, "test_accuracy 0.5 cannot be with test_loss 0.23 on 1000 images", "plain")],
    ),
    "accuracy higher than its loss allows": (
        lambda table: [put(5, *one)(table) for one in (("test_accuracy", "1.0"), LOSS)],
        "accuracy_and_loss",
        [(5, "test_accuracy 1.0 cannot be with test_loss 2.4 on 1000 images", "plain")],
    ),
    "two tasks with one result": (
        copy_results,
        "different_tasks",
        [(None, "all its results are those of MNIST", None)],
    ),
}
LOSS = ("test_loss", "2.4")


@pytest.mark.parametrize("fault", ERRORS)
def test_planted_fault_is_an_error_that_names_its_row(tmp_path: Path, fault: str) -> None:
    """A table that cannot be right and passes, or an error that does not say where."""
    change, check, expected = ERRORS[fault]
    report = found(tmp_path, change)
    named = findings(report)[check]
    assert len(named) == len(expected)
    for one, (line, message, configuration) in zip(named, expected, strict=True):
        assert (one["line"], one["configuration"]) == (line, configuration)
        assert message in one["message"]
        assert one["task_id"]
    with pytest.raises(UserError, match="cannot be right") as caught:
        in_words(report)
    for one in named:
        assert f"{check}: " in str(caught.value)
        assert one["message"] in str(caught.value)


def test_row_count_and_shape_are_checked(tmp_path: Path) -> None:
    """A header without rows; a line cut off; a column renamed; a file of nothing."""
    short = findings(found(tmp_path, lambda table: table.pop()))
    assert short["row_count"][0]["message"] == "8 rows, but 9 experiments"
    cut = findings(found(tmp_path, lambda table: table[3].pop()))
    assert cut["columns"][0] | {"message": ""} == {
        **dict.fromkeys(("task_id", "configuration")),
        "line": 4,
        "message": "",
    }
    renamed = findings(found(tmp_path, put(1, "test_loss", "loss")))
    assert "the header is task_id,architecture" in renamed["columns"][0]["message"]
    empty = findings(found(tmp_path, lambda table: table.clear()))
    assert {"columns", "row_count", "every_experiment_once"} <= empty.keys()


def test_configurations_that_only_their_ids_tell_apart_stay_two(tmp_path: Path) -> None:
    """Two that differ in nothing the table shows taken for one, or a row under the other's name."""
    fragments = [fragment("MNIST", name, test_loss=loss) for name, loss in (("a", 0.2), ("b", 0.3))]
    path = tmp_path / "target_representations.csv"
    same = {name: fragment() for name in ("a", "b")}
    experiments = [("MNIST", "a"), ("MNIST", "b")]
    path.write_text(target_csv(fragments))
    table = read_table(path, experiments, same, {"MNIST": FACTS})
    assert [row.configuration for row in table.rows] == ["a", "b"]
    assert findings(examine(table, path, {})) == {}
    path.write_text(target_csv(fragments[:1]))
    table = read_table(path, experiments, same, {"MNIST": FACTS})
    (lost,) = findings(examine(table, path, {}))["every_experiment_once"]
    assert (lost["configuration"], lost["message"]) == ("b", "it has no row")


def test_task_ids_are_those_of_the_basic_table(tmp_path: Path) -> None:
    """Two tables that Metabu refuses to put together."""
    report = found(tmp_path, basic=["MNIST", "MNIST", "Birds", "Trees"])
    found_there = {(one["task_id"], one["message"]) for one in findings(report)["same_tasks"]}
    assert found_there == {
        ("USPS", "it is not in basic_representations.csv"),
        ("Trees", "it is in basic_representations.csv only"),
        ("MNIST", "it is 2 times in basic_representations.csv"),
    }


def test_equal_results_without_any_loss_are_no_error(tmp_path: Path) -> None:
    """Two easy tasks refused."""

    def solve(table: list[list[str]]) -> None:
        for line in range(2, 11):
            for column, value in (("accuracy", "1.0"), ("loss", "0.0")):
                put(line, f"test_{column}", value)(table)

    assert findings(found(tmp_path, solve)) == {}


def test_below_majority_and_chance_are_warnings(tmp_path: Path) -> None:
    """A run that fails because a task is hard, or that does not say so."""

    def worsen(table: list[list[str]]) -> None:
        for line, accuracy in ((2, "0.3"), (3, "0.1"), (4, "0.3001")):
            put(line, "test_accuracy", accuracy)(table)
            put(line, "test_loss", f"2.{line}")(table)

    report = found(tmp_path, worsen, facts=FACTS | {"test_majority_rate": 0.3})
    lines = {name: [one["line"] for one in those] for name, those in findings(report).items()}
    assert lines == {"above_majority": [2, 3], "above_chance": [3]}
    words = in_words(report).splitlines()
    assert words[0] == "target_representations.csv: 9 rows, 9 checks, no error"
    expected = "warning: above_chance: line 3, MNIST, slow: test_accuracy 0.1, chance 0.1000"
    assert words[-1] == expected
    assert "and 1 more, in validation.json" in in_words(report, most=1)


def test_rounding_is_no_error(tmp_path: Path) -> None:
    """A sound row refused at the very bound: 4 decimals, a mean of replicates."""

    def at_the_bound(table: list[list[str]]) -> None:
        put(2, "test_accuracy", "0.75")(table)
        put(2, "test_loss", f"{math.log(2) / 4:.4f}")(table)
        put(3, "test_accuracy", "1.0")(table)
        put(3, "test_loss", f"{math.log(10):.4f}")(table)

    assert findings(found(tmp_path, at_the_bound)) == {}

    def mean_of_replicates(table: list[list[str]]) -> None:
        put(2, "test_accuracy", "0.9998")(table)
        put(2, "test_loss", "5.0")(table)

    assert "accuracy_and_loss" in findings(found(tmp_path, mean_of_replicates))
    assert findings(found(tmp_path, mean_of_replicates, replicates=5)) == {}


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 8),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.01, 1.0, 50.0]),
    st.integers(0, 2**32),
)
def test_every_head_is_within_the_bounds(images: int, classes: int, scale: float, seed: int):
    """A bound that is wrong, and fails a run for a result that is right; ties among them."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, scale, (images, classes)), rng.integers(3))
    labels = rng.integers(classes, size=images)
    loss = metrics.cross_entropy(logits, labels)
    lowest, highest = accuracy_bounds(loss, images, classes)
    assert lowest - 1e-9 <= metrics.accuracy(logits, labels) <= highest + 1e-9


def test_the_bounds_are_reached() -> None:
    """Bounds so wide that they find nothing."""
    tied, sure = [0.0, 0.0], [0.0, 100.0]
    logits, labels = np.array([tied, sure, sure, sure]), np.ones(4, int)
    loss = metrics.cross_entropy(logits, labels)
    assert accuracy_bounds(loss, 4, 2)[0] == pytest.approx(metrics.accuracy(logits, labels))
    logits, labels = np.zeros((4, 3)), np.zeros(4, int)
    loss = metrics.cross_entropy(logits, labels)
    assert accuracy_bounds(loss, 4, 3) == (0.0, metrics.accuracy(logits, labels))
    assert accuracy_bounds(loss + 1e-6, 4, 3) == (0.0, 0.75)


def test_facts_of_a_subset_are_its_test_parts(tmp_path: Path) -> None:
    """The training part's majority, or the classes that happen to occur."""
    made = experiment(tmp_path)
    largest = max(np.bincount(made.arrays["test_labels"]))
    expected = {"test_images": 20, "class_count": 3, "test_majority_rate": largest / 20}
    assert describe_subset(made.subset) == expected


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'task_id,"a\n'])
def test_table_that_is_no_csv_is_named(tmp_path: Path, content: bytes) -> None:
    """A traceback for a damaged file."""
    path = tmp_path / "target_representations.csv"
    with pytest.raises(UserError, match="does not exist"):
        read_table(path, [], {}, {})
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"target_representations\.csv is broken"):
        read_table(path, [], {}, {})
