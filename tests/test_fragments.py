"""Fragments: put together from files that belong together, and refused if they cannot be true."""

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fragments import HYPERPARAMETERS, IMAGES, Experiment, experiment
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.config.configurations import TARGET_COLUMNS
from metaprobe.core.arrays import read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import with_checksum, write_json
from metaprobe.training import metrics
from metaprobe.training.fragment import Fragment, read_fragment

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return experiment(tmp_path_factory.mktemp("birds"))


# Metrics


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(2, 12), st.floats(0, 500), st.integers(0, 2**32))
def test_metrics_are_torchs(count: int, classes: int, scale: float, seed: int) -> None:
    """Overflow at large logits, another base of the logarithm, a sum instead of a mean."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, scale, (count, 5)).astype(np.float32)
    weight = rng.normal(0, 1, (classes, 5)).astype(np.float32)
    bias = rng.normal(0, 1, classes).astype(np.float32)
    labels = rng.integers(classes, size=count)
    ours = metrics.logits(features, weight, bias)
    double = (torch.from_numpy(array.astype(np.float64)) for array in (features, weight, bias))
    theirs = torch.nn.functional.linear(*double)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-9)
    target = torch.from_numpy(labels)
    loss = torch.nn.functional.cross_entropy(theirs, target).item()
    assert metrics.cross_entropy(ours, labels) == pytest.approx(loss, rel=1e-9, abs=1e-9)
    accuracy = (theirs.argmax(1) == target).double().mean().item()
    assert metrics.accuracy(ours, labels) == pytest.approx(accuracy)


# Building


def test_fragment_holds_what_was_measured(tmp_path: Path) -> None:
    """Training and test part exchanged, or a smoothed loss."""
    for seed in range(5):
        made = experiment(tmp_path, seed)
        fragment = made.fragment()
        test_loss, test_accuracy = made.loss_and_accuracy("test")
        _, train_accuracy = made.loss_and_accuracy("train")
        assert test_accuracy != train_accuracy
        assert fragment["test_loss"] == pytest.approx(test_loss)
        assert fragment["test_accuracy"] == pytest.approx(test_accuracy)
        assert fragment["train_accuracy"] == pytest.approx(train_accuracy)


def test_training_time_is_that_of_training(birds: Experiment) -> None:
    """The features of the test images counted as training."""
    fragment = birds.fragment()
    assert fragment["training_time_sec"] == 12.5 + 0.75
    assert fragment["seconds"] == {
        "train_features": 12.5,
        "test_features": 3.25,
        "waiting": 0.5,
        "head": 0.75,
        "head_cpu": 0.5,
    }


def test_fragment_says_where_it_comes_from(birds: Experiment, tmp_path: Path) -> None:
    """A number of which nobody can see why it is what it is; or keys in another order."""
    fragment = birds.fragment(family="corvids")
    assert tuple(fragment)[:16] == TARGET_COLUMNS
    expected = HYPERPARAMETERS | {
        "task_id": "Birds",
        "configuration": "plain",
        "family": "corvids",
        "class_count": 3,
        "split": {"rule": "official"},
        "partial": False,
        "read_as": "folder",
        "pixels_sha256": "1" * 64,
        "train_images": 30,
        "test_images": 20,
        "sampling": "random",
        "subset_sha256": json.loads(birds.subset.read_text())["sha256"],
        "seed": 0,
        "engine": {"name": "torch", "version": "2.14.1"},
        "precision": "float32",
        "device": "cpu",
        "git_commit": "0" * 40,
        "versions": {"python": "3.11.7", "torch": "2.14.1", "pillow": "13.0.0"},
    }
    assert {key: fragment[key] for key in expected} == expected
    assert [point["epoch"] for point in fragment["learning_curve"]] == [1, 2]
    path = tmp_path / "plain.json"
    write_json(path, fragment)
    assert read_fragment(path, "Birds", "plain") == Fragment.model_validate(fragment)


def test_replicates_are_kept_and_their_mean_is_the_fragment(tmp_path: Path) -> None:
    """The last replicate taken for all, a loss of their mean weights, the time of all as of one."""
    made = experiment(tmp_path, replicates=3)
    fragment = made.fragment()
    write_json(tmp_path / "plain.json", fragment)
    expected = {"replicates": 3, "seed": 0}
    assert read_fragment(
        tmp_path / "plain.json", "Birds", "plain", expected
    ) == Fragment.model_validate(fragment)
    losses, accuracies = zip(*(made.loss_and_accuracy("test", r) for r in range(3)), strict=True)
    assert [one["test_loss"] for one in fragment["replicates"]] == pytest.approx(losses)
    assert [one["test_accuracy"] for one in fragment["replicates"]] == pytest.approx(accuracies)
    assert [one["seed"] for one in fragment["replicates"]] == [0, 1, 2]
    assert len(set(accuracies)) > 1
    assert fragment["test_loss"] == pytest.approx(np.mean(losses))
    assert fragment["test_accuracy"] == pytest.approx(np.mean(accuracies))
    assert fragment["learning_curve"][0]["test_loss"] == pytest.approx(2 * np.mean(losses))
    assert fragment["seconds"]["head"] == np.mean([0.75, 1.75, 2.75])
    assert fragment["training_time_sec"] == 12.5 + 1.75


def test_shares_of_the_commonest_class_are_of_their_parts(birds: Experiment) -> None:
    """Training and test part exchanged, or the share of another class."""
    fragment = birds.fragment()
    for part, count in IMAGES.items():
        largest = max(np.bincount(birds.arrays[f"{part}_labels"]))
        assert fragment[f"{part}_majority_rate"] == largest / count


def test_head_of_another_subset_is_refused(birds: Experiment, tmp_path: Path) -> None:
    """A head that was not trained anew after the subset changed."""
    other = experiment(tmp_path, seed=1)
    for paths in ({"subset_path": str(other.subset)}, {"head_path": str(other.head)}):
        with pytest.raises(
            UserError, match=r"head\.safetensors is broken .*another subset.*delete it"
        ):
            birds.fragment(**paths)


def test_head_on_another_architecture_is_refused(birds: Experiment) -> None:
    """The accuracy of one backbone in the row of another: a file copied to the wrong place."""
    with pytest.raises(UserError, match=r"head.safetensors is broken .*are of ResNet18"):
        birds.fragment(hyperparameters=HYPERPARAMETERS | {"architecture": "MobileNetV2"})


def test_head_of_another_configuration_is_refused(birds: Experiment) -> None:
    """The accuracy of one learning rate in the row of another, as after a lost record of the run."""
    with pytest.raises(UserError, match=r"head.safetensors is broken .*other hyperparameters"):
        birds.fragment(hyperparameters=HYPERPARAMETERS | {"learning_rate": 0.5})


def test_head_that_is_not_the_one_of_its_curve_is_refused(tmp_path: Path) -> None:
    """A curve of one head and the weights of another."""
    made = experiment(tmp_path)
    said, training = read_arrays(made.head)
    write_arrays(made.head, said | {"test_logits": said["test_logits"] * 1.01}, training)
    with pytest.raises(UserError, match=r"head\.safetensors is broken .*delete it"):
        made.fragment()


def test_single_precision_of_training_is_no_difference(tmp_path: Path) -> None:
    """A sound head refused because it was evaluated in float32."""
    for seed in range(10):
        made = experiment(tmp_path, seed, scale=30)
        parameters, training = read_arrays(made.head)
        test, weight, bias = (
            torch.from_numpy(array.astype(np.float32))
            for array in (
                made.arrays["test_features"],
                parameters["weight"][0],
                parameters["bias"][0],
            )
        )
        labels = torch.from_numpy(made.arrays["test_labels"])
        logits = torch.nn.functional.linear(test, weight, bias)
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        training["replicates"][0]["learning_curve"][-1]["test_loss"] = loss
        write_arrays(made.head, parameters, training)
        assert made.fragment()["test_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("name", ["subset", "head"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """A traceback where a file was deleted."""
    made = experiment(tmp_path)
    path = getattr(made, name)
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name} does not exist"):
        made.fragment()


def damaged(path: Path, content: bytes, made: Experiment, name: str) -> None:
    """Build with a damaged copy of one file: it must be refused by its name."""
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{path.name} is broken .*delete it"):
        made.fragment(**{f"{name}_path": str(path)})


@pytest.mark.parametrize("name", ["subset", "head"])
@settings(deadline=None)
@given(share=st.floats(0, 0.999))
def test_truncated_file_is_named(tmp_path_factory, birds: Experiment, name: str, share: float):
    """A full disk or a killed copy that leaves part of a file."""
    content = getattr(birds, name).read_bytes()
    path = tmp_path_factory.getbasetemp() / f"truncated-{name}"
    damaged(path, content[: int(share * (len(content) - 1))], birds, name)


@pytest.mark.parametrize("name", ["head"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_flipped_bit_of_an_array_is_noticed(tmp_path_factory, birds: Experiment, name: str, data):
    """A damaged disk or copy that changes a feature, a label or a weight."""
    content = bytearray(getattr(birds, name).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[data.draw(st.integers(start, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged(tmp_path_factory.getbasetemp() / f"flipped-{name}", bytes(content), birds, name)


@pytest.mark.parametrize("name", ["head"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_flipped_bit_of_a_fact_is_noticed(tmp_path_factory, birds: Experiment, name: str, data):
    """The same for seconds, learning curve and provenance, which stand in the file's header."""
    content = bytearray(getattr(birds, name).read_bytes())
    length = int.from_bytes(content[:8], "little")
    end = 8 + len(content[8 : 8 + length].rstrip())
    content[data.draw(st.integers(0, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged(tmp_path_factory.getbasetemp() / f"flipped-{name}", bytes(content), birds, name)


# Reading


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(fragment: dict[str, Any]) -> None:
        for key in path[:-1]:
            fragment = fragment[key]
        fragment[path[-1]] = to

    return apply


IMPOSSIBLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "missing key": lambda fragment: fragment.pop("test_loss"),
    "missing provenance": lambda fragment: fragment.pop("git_commit"),
    "extra key": change("comment", to="by hand"),
    "accuracy 1.2": change("test_accuracy", to=1.2),
    "accuracy in percent": change("train_accuracy", to=94.7),
    "negative loss": change("test_loss", to=-0.1),
    "loss as text": change("test_loss", to="0.2"),
    "no loss": change("test_loss", to=None),
    "negative time": change("training_time_sec", to=-1.0),
    "no epochs": change("epochs", to=0),
    "other alpha": change("alpha", to=0.5),
    "empty learning curve": change("learning_curve", to=[]),
    "impossible learning curve": change("learning_curve", 0, "test_accuracy", to=2),
    "seconds of another phase": change("seconds", "lunch", to=3600),
    "digest cut off": change("weights", "sha256", to="00"),
    "other task": change("task_id", to="Trees"),
    "other configuration": change("configuration", to="fancy"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_fragment_is_refused(tmp_path: Path, birds: Experiment, name: str) -> None:
    """A row of the table that nobody measured."""
    fragment = copy.deepcopy(birds.fragment())
    IMPOSSIBLE[name](fragment)
    write_json(tmp_path / "plain.json", fragment)
    with pytest.raises(UserError, match=r"plain\.json is broken .*delete it") as caught:
        read_fragment(tmp_path / "plain.json", "Birds", "plain")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "null",
        lambda text: "[]",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"test_loss": ', '"test_loss": NaN, "x": ', 1),
        lambda text: text.replace('"training_time_sec": 13.25', '"training_time_sec": NaN'),
        lambda text: text.replace('"training_time_sec": 13.25', '"training_time_sec": Infinity'),
    ],
    ids=["empty", "null", "a list", "truncated", "NaN and extra", "NaN", "Infinity"],
)
def test_damaged_fragment_is_refused(tmp_path: Path, birds: Experiment, damage) -> None:
    """A traceback that does not name the file; or nan in the table."""
    path = tmp_path / "plain.json"
    write_json(path, birds.fragment())
    sound = path.read_text()
    path.write_text(damage(sound))
    assert path.read_text() != sound
    with pytest.raises(UserError, match=r"plain\.json is broken .*delete it"):
        read_fragment(path, "Birds", "plain")


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_flipped_bit_of_a_fragment_is_noticed(tmp_path_factory, birds: Experiment, data) -> None:
    """An accuracy that is another one by a digit, and plausible."""
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    write_json(path, birds.fragment())
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read = read_fragment(path, "Birds", "plain")
    except UserError as error:
        assert "flipped.json is broken" in str(error)
    else:
        assert read == Fragment.model_validate(
            birds.fragment()
        )  # white space, or the case of an exponent


def test_plausible_accuracy_that_nobody_measured_is_refused(tmp_path: Path, birds: Experiment):
    """The same by hand: one digit of the training accuracy, which nothing else in it contradicts."""
    fragment = birds.fragment()
    other = 0.5 if fragment["train_accuracy"] != 0.5 else 0.6
    for part in (fragment, fragment["replicates"][0]):
        part["train_accuracy"] = other
    write_json(tmp_path / "plain.json", fragment)
    with pytest.raises(UserError, match=r"plain\.json is broken .*digest"):
        read_fragment(tmp_path / "plain.json", "Birds", "plain")


def test_fragment_without_git_or_epochs_is_sound(tmp_path: Path, birds: Experiment) -> None:
    """A sound fragment refused: no git, no family, everything classified correctly."""
    fragment = birds.fragment(git_commit=None)
    last = {"test_accuracy": 1.0, "test_loss": 0.0}
    (replicate,) = fragment["replicates"]
    for part in (fragment, replicate):
        part |= {"train_accuracy": 0.0} | last
        part["learning_curve"][-1] |= last
    fragment = with_checksum(fragment)
    write_json(tmp_path / "plain.json", fragment)
    assert read_fragment(tmp_path / "plain.json", "Birds", "plain") == Fragment.model_validate(
        fragment
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epochs": 7}, "7 epochs"),
        ({"test_accuracy": 0.123}, "test_accuracy is not the mean"),
        ({"train_accuracy": 0.123}, "train_accuracy is not the mean"),
        ({"test_macro_f1": 0.123}, "test_macro_f1 is not the mean"),
        ({"test_loss": 9.0}, "test_loss is not the mean"),
        ({"training_time_sec": 1e6}, "sum of its parts"),
        ({"seed": 5}, "its seed is not 5"),
    ],
)
def test_contradictions_are_named(
    tmp_path: Path, birds: Experiment, change: dict[str, Any], reason: str
) -> None:
    """A fragment edited by hand, or of two runs, that becomes a row."""
    path = tmp_path / "plain.json"
    write_json(path, birds.fragment() | change)
    with pytest.raises(UserError, match=reason):
        read_fragment(path, "Birds", "plain")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test_accuracy": 0.05}, "replicate 1: its test_accuracy is not the last"),
        ({"train_accuracy": 0.123}, "replicate 1: its train_accuracy is no fraction of 30 images"),
        ({"test_loss": 9.0}, "replicate 1: its test_loss is not the last"),
        ({"seed": 0}, "replicate 1: its seed is not 1"),
        ({"seconds": 60.0}, "seconds/head is not the mean"),
        ({"learning_curve": []}, "at least 1 item"),
    ],
)
def test_contradictions_of_a_replicate_are_named(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    """A replicate of another run or seed in the mean."""
    fragment = experiment(tmp_path, replicates=2).fragment()
    fragment["replicates"][1] |= change
    write_json(tmp_path / "plain.json", fragment)
    with pytest.raises(UserError, match=reason):
        read_fragment(tmp_path / "plain.json", "Birds", "plain")


def test_learning_curve_of_another_head_is_refused(tmp_path: Path, birds: Experiment) -> None:
    """A mean curve that is not of the replicates it stands above."""
    fragment = copy.deepcopy(birds.fragment())
    fragment["learning_curve"][0]["train_loss"] += 0.1
    write_json(tmp_path / "plain.json", fragment)
    with pytest.raises(UserError, match="its learning_curve is not the mean of its replicates"):
        read_fragment(tmp_path / "plain.json", "Birds", "plain")


def test_fragment_of_another_run_is_refused(tmp_path: Path, birds: Experiment) -> None:
    """The row of an earlier learning rate, seed or of other weights."""
    path = tmp_path / "plain.json"
    write_json(path, birds.fragment())
    others = {"learning_rate": 0.123, "seed": 1, "weights": "another", "epochs": 2.0}
    others |= {"replicates": 2}
    for key, other in others.items():
        with pytest.raises(UserError, match=f"its {key} is"):
            read_fragment(path, "Birds", "plain", {key: other})


def test_reading_experiments_needs_no_torch(birds: Experiment) -> None:
    """A table that cannot be made on a machine without torch, or that takes seconds to begin."""
    code = (
        "import sys\n"
        "from metaprobe.core.arrays import read_arrays\n"
        "from metaprobe.tables.collect import read_fragments\n"
        f"read_arrays({str(birds.features)!r})\n"
        "assert len(read_fragments('nowhere', [('Birds', 'plain')])[1]) == 1\n"
        "print([name for name in ('torch', 'sklearn', 'scipy') if name in sys.modules])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_mistakes_are_readable(tmp_path: Path, birds: Experiment) -> None:
    """A page of a library's text, or a refusal that does not say where and what."""
    for change, told in (
        ({"test_accuracy": 1.2}, "test_accuracy: .* less than or equal to 1, found 1.2"),
        ({"epochs": "3"}, "epochs: .* valid integer, found '3'"),
        ({"engine": {"name": "torch"}}, "engine/version: Field required"),
    ):
        write_json(tmp_path / "plain.json", birds.fragment() | change)
        with pytest.raises(UserError, match=rf"plain\.json is broken \({told}\): delete it"):
            read_fragment(tmp_path / "plain.json", "Birds", "plain")


def test_reading_is_quick(tmp_path: Path, birds: Experiment) -> None:
    """Seconds for the 180 fragments of a run, paid by every question."""
    write_json(tmp_path / "plain.json", birds.fragment())
    read_fragment(tmp_path / "plain.json", "Birds", "plain")
    start = time.process_time()
    for _ in range(180):
        read_fragment(tmp_path / "plain.json", "Birds", "plain")
    assert time.process_time() - start < 0.5
