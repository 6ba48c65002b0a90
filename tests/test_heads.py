"""Heads: trained on cached features, they are the heads trained inside the frozen network."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.metaprobe.architectures import (
    ARCHITECTURES,
    build_backbone,
    build_network,
    random_state,
)
from workflow.metaprobe.errors import UserError
from workflow.metaprobe.features import extract
from workflow.metaprobe.files import write_arrays
from workflow.metaprobe.heads import Draws, LabelledFeatures, train_head, train_on_file
from workflow.metaprobe.images import normalise

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
        return self.draws.dropout(features, self.rate)


def train_inside_network(
    architecture: str, images: np.ndarray, labels: np.ndarray, hyperparameters: dict[str, Any]
) -> torch.nn.Linear:
    """The document's protocol: the whole network in every step, all but the last layer frozen."""
    draws = Draws(0, "data")
    network = build_network(architecture, random_state(architecture, 0))
    head = draws.linear(ARCHITECTURES[architecture].feature_width, CLASSES)
    last = torch.nn.Sequential(SharedDropout(draws, hyperparameters["dropout_rate"]), head)
    setattr(network, ARCHITECTURES[architecture].classifier, last)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=hyperparameters["label_smoothing"])
    trainable = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(
        trainable,
        lr=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
    )
    for _ in range(hyperparameters["epochs"]):
        for batch in draws.batches(len(labels), hyperparameters["batch_size"]):
            loss = criterion(network(normalise(images[batch])), torch.tensor(labels[batch]))
            optimizer.zero_grad()
            loss.backward()
            if hyperparameters["grad_clip"]:
                torch.nn.utils.clip_grad_norm_(trainable, hyperparameters["grad_clip"])
            optimizer.step()
    return head


def cached(architecture: str, images: np.ndarray, labels: np.ndarray) -> LabelledFeatures:
    backbone = build_backbone(architecture, random_state(architecture, 0))
    features, _ = extract(backbone, images, torch.device("cpu"))
    return LabelledFeatures(torch.from_numpy(features), torch.from_numpy(labels))


@pytest.mark.parametrize("hyperparameters", [PLAIN, REGULARIZED], ids=["plain", "regularized"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cached_features_give_the_head_of_the_whole_network(
    architecture: str, hyperparameters: dict[str, Any]
) -> None:
    """A wrong layer cut off, a backbone not in evaluation mode, dropout or clipping misplaced."""
    images, labels = pictures(72)
    train = cached(architecture, images, labels)
    head, _, _ = train_head(train, train, CLASSES, hyperparameters, Draws(0, "data"))
    literal = train_inside_network(architecture, images, labels, hyperparameters)
    start = Draws(0, "data").linear(head.in_features, CLASSES)
    moved = (literal.weight - start.weight).norm()
    assert moved > 0.1 * start.weight.norm() * hyperparameters["learning_rate"] / 0.01
    assert (head.weight - literal.weight).norm() < 1e-3 * moved
    torch.testing.assert_close(head.bias, literal.bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_are_what_enters_the_last_layer(architecture: str) -> None:
    """A feature vector of another layer, or in an order that depends on the batch."""
    images, _ = pictures(5)
    state = random_state(architecture, 0)
    network = build_network(architecture, state)
    seen: list[torch.Tensor] = []
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
    linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(normalise(images))
    features, _ = extract(build_backbone(architecture, state), images, torch.device("cpu"))
    assert features.shape == (5, ARCHITECTURES[architecture].feature_width)
    np.testing.assert_allclose(features, seen[0].numpy(), rtol=1e-4, atol=1e-5)


def features_of(count: int, width: int = 8, seed: int = 0) -> LabelledFeatures:
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(count, width, generator=rng)
    return LabelledFeatures(features, features[:, :CLASSES].argmax(1))


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"optimizer": "Adam"},
        {"optimizer": "AdamW", "weight_decay": 0.1},
        {"optimizer": "SGD", "momentum": 0.9},
        {"optimizer": "RMSprop", "momentum": 0.5},
        {"optimizer": "Adagrad"},
    ],
    ids=lambda h: h["optimizer"],
)
def test_every_optimizer_is_torchs_own(hyperparameters: dict[str, Any]) -> None:
    """An option that does not reach torch.optim: momentum or weight decay forgotten."""
    chosen = PLAIN | hyperparameters
    train = features_of(100)
    head, curve, _ = train_head(train, train, CLASSES, chosen, Draws(1, "data"))
    draws = Draws(1, "data")
    expected = draws.linear(8, CLASSES)
    options = {"lr": chosen["learning_rate"], "weight_decay": chosen["weight_decay"]}
    if chosen["momentum"]:
        options["momentum"] = chosen["momentum"]
    optimizer = getattr(torch.optim, chosen["optimizer"])(expected.parameters(), **options)
    for _ in range(chosen["epochs"]):
        for batch in draws.batches(100, chosen["batch_size"]):
            optimizer.zero_grad()
            loss = torch.nn.CrossEntropyLoss()(expected(train.features[batch]), train.labels[batch])
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(head.weight, expected.weight, rtol=0, atol=0)
    assert [point["epoch"] for point in curve] == [1, 2]
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 64))
def test_batches_cover_each_image_once(count: int, batch_size: int) -> None:
    """The last partial batch dropped, or an image seen twice in an epoch."""
    batches = Draws(0, "data").batches(count, batch_size)
    assert sorted(torch.cat(tuple(batches)).tolist()) == list(range(count))
    assert len(batches) == math.ceil(count / batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_epochs_shuffle_anew_and_data_sets_differ() -> None:
    """One permutation for all epochs, or the same one for every data set."""
    draws = Draws(0, "data")
    first, second = (torch.cat(tuple(draws.batches(50, 50))) for _ in range(2))
    other = torch.cat(tuple(Draws(0, "other").batches(50, 50)))
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_initial_head_is_distributed_as_torch_linear() -> None:
    """Another initialisation than `torch.nn.Linear`'s, which the protocol means."""
    head = Draws(0, "data").linear(400, 50)
    reference = torch.nn.Linear(400, 50)
    for ours, theirs in zip(head.parameters(), reference.parameters(), strict=True):
        assert ours.abs().max() <= 1 / math.sqrt(400)
        assert abs(ours.std() - theirs.std()) < 0.1 / math.sqrt(400)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_the_rate(rate: float) -> None:
    """Dropping the complement, or forgetting to rescale what is kept."""
    dropped = Draws(0, "data").dropout(torch.ones(400, 400), rate)
    assert (dropped == 0).double().mean().item() == pytest.approx(rate, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert dropped.max().item() == pytest.approx(1 / (1 - rate))


def test_same_seed_same_bytes() -> None:
    """Global random state leaking into a result."""
    train = features_of(100)
    torch.manual_seed(1)
    first, _, _ = train_head(train, train, CLASSES, REGULARIZED, Draws(0, "data"))
    torch.manual_seed(2)
    second, _, _ = train_head(train, train, CLASSES, REGULARIZED, Draws(0, "data"))
    assert torch.equal(first.weight, second.weight)


def test_divergence_is_named() -> None:
    """A head of NaNs that would become a row of the table."""
    train = LabelledFeatures(torch.full((20, 3), 1e38), torch.arange(20) % 2)
    with pytest.raises(UserError, match=r"diverged at epoch 1, step 1.*learning_rate"):
        train_head(train, train, 2, PLAIN | {"optimizer": "SGD"}, Draws(0, "data"))


def test_divergence_in_the_last_step_is_named() -> None:
    """A head whose weights overflow after the last loss that was looked at."""
    train = LabelledFeatures(features_of(16).features * 1000, features_of(16).labels)
    runaway = PLAIN | {"optimizer": "SGD", "learning_rate": 1e38, "epochs": 1, "batch_size": 16}
    with pytest.raises(UserError, match="diverged at epoch 1: the test loss is"):
        train_head(train, train, CLASSES, runaway, Draws(0, "data"))


def test_train_on_file_notes_what_it_was_trained_on(tmp_path) -> None:
    """A head that cannot be told from one trained on other features."""
    part = features_of(40)
    arrays = {
        f"{name}_{kind}": value.numpy()
        for name in ("train", "test")
        for kind, value in (("features", part.features), ("labels", part.labels))
    }
    path = tmp_path / "features.safetensors"
    write_arrays(path, arrays, {"class_count": CLASSES, "features_sha256": "abc"})
    parameters, facts = train_on_file(str(path), "data", PLAIN | {"epochs": 40}, seed=0)
    assert parameters["weight"].shape == (CLASSES, 8)
    assert facts["features_sha256"] == "abc"
    assert facts["learning_curve"][-1]["test_accuracy"] > 0.5
