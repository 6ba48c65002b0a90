"""Heads: trained on cached features, they are the heads trained inside the frozen network."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from entries import BACKBONES, WIDTHS, ready
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.arrays import write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.data.transforms import SIDE, normalise
from metaprobe.features.engines import TorchEngine
from metaprobe.features.extraction import extract
from metaprobe.features.networks import last_linear
from metaprobe.features.random_weights import random_network
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.training.optimizers import OPTIMIZERS
from metaprobe.training.trained import train_on_file
from torch_heads import linear, train_with_torch

PLAIN = {
    "optimizer": "Adam",
    "learning_rate": 0.01,
    "batch_size": 16,
    "weight_decay": 0.0001,
    "momentum": 0.0,
    "dropout_rate": 0.0,
    "label_smoothing": 0.0,
    "grad_clip": 0.0,
    "epochs": 2,
}
REGULARIZED = PLAIN | {
    "learning_rate": 0.001,
    "dropout_rate": 0.2,
    "label_smoothing": 0.1,
    "grad_clip": 1.0,
}
CLASSES = 5


def pictures(count: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Noise whose mean colour tells its class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=count)
    tints = rng.integers(0, 200, size=(CLASSES, 3, 1, 1))
    return (tints[labels] + rng.integers(0, 56, (count, 3, side, side))).astype(np.uint8), labels


class SharedDropout(torch.nn.Module):
    """Dropout whose masks are those of `Draws`."""

    def __init__(self, draws: Draws, rate: float) -> None:
        super().__init__()
        self.draws, self.rate = draws, rate

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.draws.dropout(features.numpy(), self.rate))


def train_inside_network(
    architecture: str, images: np.ndarray, labels: np.ndarray, hyperparameters: dict[str, Any]
) -> torch.nn.Linear:
    """The document's protocol: the whole network in every step, all but the last layer frozen."""
    draws = Draws(0, "data")
    network = random_network(BACKBONES[architecture], 0, SIDE)
    head = linear(draws, WIDTHS[architecture], CLASSES, torch.float32)
    last = torch.nn.Sequential(SharedDropout(draws, hyperparameters["dropout_rate"]), head)
    network.set_submodule(last_linear(network)[0], last)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=hyperparameters["label_smoothing"])
    trainable = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(
        trainable,
        lr=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
    )
    for _ in range(hyperparameters["epochs"]):
        for batch in draws.batches(len(labels), hyperparameters["batch_size"]):
            loss = criterion(
                network(normalise(torch.from_numpy(images[batch]))), torch.tensor(labels[batch])
            )
            optimizer.zero_grad()
            loss.backward()
            if hyperparameters["grad_clip"]:
                torch.nn.utils.clip_grad_norm_(trainable, hyperparameters["grad_clip"])
            optimizer.step()
    return head


def cached(architecture: str, images: np.ndarray, labels: np.ndarray) -> LabelledFeatures:
    features = extract(torch_engine(architecture), images).features
    return LabelledFeatures(features.astype(np.float64), labels)


def torch_engine(architecture: str) -> TorchEngine:
    return TorchEngine(ready(architecture), torch.device("cpu"), "float32", threads=1)


@pytest.mark.parametrize("hyperparameters", [PLAIN, REGULARIZED], ids=["plain", "regularized"])
@pytest.mark.parametrize("architecture", BACKBONES)
def test_cached_features_give_the_head_of_the_whole_network(
    architecture: str, hyperparameters: dict[str, Any]
) -> None:
    """A wrong layer cut off, a backbone not in evaluation mode, dropout or clipping misplaced."""
    images, labels = pictures(72)
    train = cached(architecture, images, labels)
    head, *_ = train_head(train, train, CLASSES, hyperparameters, Draws(0, "data"))
    literal = train_inside_network(architecture, images, labels, hyperparameters)
    weight, bias = (parameter.detach().numpy() for parameter in literal.parameters())
    start, _ = Draws(0, "data").initial_head(weight.shape[1], CLASSES)
    moved = np.linalg.norm(weight - start)
    assert moved > 0.1 * np.linalg.norm(start) * hyperparameters["learning_rate"] / 0.01
    assert np.linalg.norm(head.weight - weight) < 1e-3 * moved
    np.testing.assert_allclose(head.bias, bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", BACKBONES)
def test_features_are_what_enters_the_last_layer(architecture: str) -> None:
    """A feature vector of another layer, or in an order that depends on the batch."""
    images, _ = pictures(5)
    network = random_network(BACKBONES[architecture], 0, SIDE)
    seen: list[torch.Tensor] = []
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
    linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(normalise(torch.from_numpy(images)))
    features = extract(torch_engine(architecture), images).features
    assert features.shape == (5, WIDTHS[architecture])
    np.testing.assert_allclose(features, seen[0].numpy(), rtol=1e-3, atol=1e-4)


def features_of(count: int, width: int = 8, seed: int = 0) -> LabelledFeatures:
    features = np.random.default_rng(seed).standard_normal((count, width))
    return LabelledFeatures(features, features[:, :CLASSES].argmax(1))


hyperparameters_of_all_kinds = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "learning_rate": st.sampled_from([0.0001, 0.003, 0.1]),
        "batch_size": st.sampled_from([5, 16, 64]),
        "weight_decay": st.sampled_from([0.0, 0.0001, 0.1]),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "dropout_rate": st.sampled_from([0.0, 0.3]),
        "label_smoothing": st.sampled_from([0.0, 0.1, 0.5]),
        "grad_clip": st.sampled_from([0.0, 0.05, 1.0]),
        "epochs": st.integers(1, 4),
    }
)


@settings(max_examples=200, deadline=None)
@given(hyperparameters_of_all_kinds, st.integers(1, 60), st.integers(5, 20), st.integers(0, 9))
def test_every_head_is_torchs_own(
    hyperparameters: dict[str, Any], count: int, width: int, seed: int
) -> None:
    """A formula or default that is not torch.optim's, an option that is forgotten, an epoch less."""
    train = features_of(count, width, seed)
    head, curve, *_ = train_head(train, train, CLASSES, hyperparameters, Draws(seed, "data"))
    expected = train_with_torch(train, CLASSES, hyperparameters, Draws(seed, "data"), torch.float64)
    ours = np.concatenate([head.weight, head.bias[:, None]], 1)
    assert np.linalg.norm(ours - expected) <= 1e-9 * np.linalg.norm(expected)
    assert [point["epoch"] for point in curve] == list(range(1, hyperparameters["epochs"] + 1))


def test_the_training_loss_falls() -> None:
    """A curve of another loss than the one that is minimised."""
    train = features_of(100)
    _, curve, *_ = train_head(train, train, CLASSES, PLAIN, Draws(1, "data"))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


def test_the_features_are_left_as_they_are() -> None:
    """Dropout or a shift of the logits that works on the cached features in place."""
    train = features_of(40)
    before = train.features.copy()
    train_head(train, train, CLASSES, REGULARIZED, Draws(0, "data"))
    np.testing.assert_array_equal(train.features, before)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 64))
def test_batches_cover_each_image_once(count: int, batch_size: int) -> None:
    """The last partial batch dropped, or an image seen twice in an epoch."""
    batches = Draws(0, "data").batches(count, batch_size)
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert len(batches) == math.ceil(count / batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_epochs_shuffle_anew_and_data_sets_differ() -> None:
    """One permutation for all epochs, or the same one for every data set."""
    draws = Draws(0, "data")
    first, second = (np.concatenate(draws.batches(50, 50)) for _ in range(2))
    other = np.concatenate(Draws(0, "other").batches(50, 50))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_initial_head_is_distributed_as_torch_linear() -> None:
    """Another initialisation than `torch.nn.Linear`'s, which the protocol means."""
    drawn = Draws(0, "data").initial_head(400, 50)
    for ours, theirs in zip(drawn, torch.nn.Linear(400, 50).parameters(), strict=True):
        assert np.abs(ours).max() <= 1 / math.sqrt(400)
        assert abs(ours.std() - theirs.std().item()) < 0.15 / math.sqrt(400)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_the_rate(rate: float) -> None:
    """Dropping the complement, or forgetting to rescale what is kept."""
    dropped = Draws(0, "data").dropout(np.ones((400, 400)), rate)
    assert (dropped == 0).mean() == pytest.approx(rate, abs=0.01)
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert dropped.max() == pytest.approx(1 / (1 - rate))


def test_same_seed_same_bytes() -> None:
    """Global random state leaking into a result."""
    train = features_of(100)
    np.random.seed(1)
    first, *_ = train_head(train, train, CLASSES, REGULARIZED, Draws(0, "data"))
    np.random.seed(2)
    second, *_ = train_head(train, train, CLASSES, REGULARIZED, Draws(0, "data"))
    assert np.array_equal(first.weight, second.weight)


def test_divergence_is_named() -> None:
    """A head of NaNs that would become a row of the table."""
    train = LabelledFeatures(np.full((20, 3), 1e38), np.arange(20) % 2)
    with pytest.raises(UserError, match=r"diverged at epoch 1, step 2.*learning_rate"):
        train_head(train, train, 2, PLAIN | {"optimizer": "SGD"}, Draws(0, "data"))


def test_divergence_in_the_last_step_is_named() -> None:
    """A head whose weights overflow after the last loss that was looked at."""
    train = LabelledFeatures(features_of(16).features * 1000, features_of(16).labels)
    runaway = PLAIN | {"optimizer": "SGD", "learning_rate": 1e38, "epochs": 1, "batch_size": 16}
    with pytest.raises(UserError, match="diverged at epoch 1: the test loss is"):
        train_head(train, train, CLASSES, runaway, Draws(0, "data"))


@pytest.fixture(scope="module")
def features_file(tmp_path_factory) -> str:
    part = features_of(40)
    arrays = {
        f"{name}_{kind}": value
        for name in ("train", "test")
        for kind, value in (("features", part.features), ("labels", part.labels))
    }
    path = tmp_path_factory.mktemp("features") / "features.safetensors"
    write_arrays(path, arrays, {"class_count": CLASSES, "features_sha256": "abc"})
    return str(path)


def test_train_on_file_notes_what_it_was_trained_on(features_file: str) -> None:
    """A head that cannot be told from one trained on other features."""
    parameters, facts = train_on_file(features_file, "data", PLAIN | {"epochs": 40}, seed=0)
    assert parameters["weight"].shape == (1, CLASSES, 8)
    assert facts["features_sha256"] == "abc"
    assert facts["peak_memory_gb"] > 0.01
    (replicate,) = facts["replicates"]
    assert replicate["learning_curve"][-1]["test_accuracy"] > 0.5


def test_replicates_are_the_heads_of_the_seeds_after_it(features_file: str) -> None:
    """Replicates that are one head, that depend on their number, or that move the first of them."""
    parameters, facts = train_on_file(features_file, "data", REGULARIZED, 7, 3)
    assert [one["seed"] for one in facts["replicates"]] == [7, 8, 9]
    assert len({one["learning_curve"][-1]["test_loss"] for one in facts["replicates"]}) == 3
    for number in range(3):
        alone, facts_alone = train_on_file(features_file, "data", REGULARIZED, 7 + number)
        np.testing.assert_array_equal(parameters["weight"][number], alone["weight"][0])
        np.testing.assert_array_equal(parameters["bias"][number], alone["bias"][0])
        (one,) = facts_alone["replicates"]
        assert facts["replicates"][number]["learning_curve"] == one["learning_curve"]
