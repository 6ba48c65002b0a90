"""Many heads at once: each is the head that torch.optim trains alone, up to torch's own rounding."""

import math
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.training import many_heads
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.training.many_heads import TrainedHead, blocks, train_heads
from metaprobe.training.optimizers import OPTIMIZERS, Adam
from torch_heads import train_with_torch

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
RUNAWAY = PLAIN | {"optimizer": "SGD", "learning_rate": 1e38}

configurations = st.lists(
    st.fixed_dictionaries(
        {
            "optimizer": st.sampled_from(list(OPTIMIZERS)),
            "learning_rate": st.sampled_from([0.0001, 0.003, 0.1]),
            "batch_size": st.sampled_from([5, 16]),
            "weight_decay": st.sampled_from([0.0, 0.0001, 0.1]),
            "momentum": st.sampled_from([0.0, 0.5, 0.9]),
            "dropout_rate": st.sampled_from([0.0, 0.3]),
            "label_smoothing": st.sampled_from([0.0, 0.1, 0.5]),
            "grad_clip": st.sampled_from([0.0, 0.05, 1.0]),
            "epochs": st.integers(1, 3),
        }
    ),
    min_size=1,
    max_size=5,
)


def part(count: int, width: int, class_count: int, seed: int = 0) -> LabelledFeatures:
    """Features of which some are often 0, as behind a ReLU, and labels that follow from them."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, width), np.float32).clip(0)
    noise = rng.standard_normal((count, class_count), np.float32)
    directions = np.random.default_rng(7).standard_normal((width, class_count), np.float32)
    return LabelledFeatures(features, (features @ directions + noise).argmax(1))


class Alone:
    """One configuration's head as torch.optim trains it, and how far its own rounding takes it."""

    def __init__(self, train, test, class_count, configuration, seed) -> None:
        self.parameters, exact = (
            train_with_torch(train, class_count, configuration, Draws(seed, "data"), dtype)
            for dtype in (torch.float32, torch.float64)
        )
        _, self.curve, *_ = train_head(train, test, class_count, configuration, Draws(seed, "data"))
        self.norm = np.linalg.norm(exact)
        self.gap = np.linalg.norm(self.parameters - exact)

    def assert_same(self, head: TrainedHead) -> None:
        assert head.weight is not None and head.bias is not None
        assert head.weight.dtype == head.bias.dtype == np.float32
        ours = np.concatenate([head.weight, head.bias[:, None]], 1)
        assert np.linalg.norm(ours - self.parameters) <= 50 * self.gap + 1e-6 * self.norm
        assert [point["epoch"] for point in head.learning_curve] == [
            point["epoch"] for point in self.curve
        ]
        if self.gap < 1e-5 * self.norm:
            for point, expected in zip(head.learning_curve, self.curve, strict=True):
                assert point == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 40),
    st.sampled_from([1, 3, 20]),
    st.integers(2, 5),
    configurations,
    st.integers(0, 9),
    st.sampled_from([1, 6, 1000]),
)
def test_each_head_is_torchs_own(
    count: int,
    width: int,
    class_count: int,
    chosen: list[dict[str, Any]],
    seed: int,
    block_rows: int,
) -> None:
    """An option of one head reaching another, other batches or masks, a block's end cut off."""
    train, test = part(count, width, class_count), part(30, width, class_count, seed=1)
    with patch.multiple(many_heads, BLOCK_ROWS=block_rows, TEST_BATCH=7):
        heads = train_heads(train, test, class_count, chosen, seed, "data")
    for configuration, head in zip(chosen, heads, strict=True):
        Alone(train, test, class_count, configuration, seed).assert_same(head)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_option_of_each_optimizer(optimizer: str) -> None:
    """A formula that is another optimiser's, or an option that this optimiser forgets."""
    train, test = part(150, 48, 10), part(60, 48, 10, seed=1)
    chosen = [
        PLAIN | {"optimizer": optimizer} | option
        for option in (
            {},
            {"learning_rate": 0.001},
            {"weight_decay": 0.3},
            {"momentum": 0.9},
            {"label_smoothing": 0.2},
            {"grad_clip": 0.1},
            {"dropout_rate": 0.4},
            {"batch_size": 64},
            {"batch_size": 200},
            {"epochs": 5},
        )
    ]
    heads = train_heads(train, test, 10, chosen, 3, "data")
    for configuration, head in zip(chosen, heads, strict=True):
        Alone(train, test, 10, configuration, 3).assert_same(head)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(2, 5), configurations)
def test_without_rounding_the_heads_are_torchs_own(
    count: int, class_count: int, chosen: list[dict[str, Any]]
) -> None:
    """A formula that is wrong by less than float32 shows."""
    train, test = part(count, 6, class_count), part(30, 6, class_count, seed=1)
    exact, tested = (replace(p, features=p.features.astype(np.float64)) for p in (train, test))
    heads = train_heads(exact, tested, class_count, chosen, 0, "data")
    for configuration, head in zip(chosen, heads, strict=True):
        draws = Draws(0, "data")
        expected = train_with_torch(exact, class_count, configuration, draws, torch.float64)
        assert head.weight is not None and head.bias is not None
        ours = np.concatenate([head.weight, head.bias[:, None]], 1)
        assert np.linalg.norm(ours - expected) <= 1e-8 * np.linalg.norm(expected)


def test_a_class_that_no_batch_has() -> None:
    """Classes counted in the labels rather than given."""
    train, test = part(50, 8, 3), part(20, 8, 3, seed=1)
    (head,) = train_heads(train, test, 6, [PLAIN], 0, "data")
    Alone(train, test, 6, PLAIN, 0).assert_same(head)


@settings(max_examples=10, deadline=None)
@given(chosen=configurations, random=st.randoms(use_true_random=False))
def test_order_does_not_matter(chosen: list[dict[str, Any]], random: Any) -> None:
    """A head whose rounding, or more, depends on who stands before it."""
    train, test = part(40, 8, 4), part(20, 8, 4, seed=1)
    order = random.sample(range(len(chosen)), len(chosen))
    shuffled = [chosen[i] for i in order]
    assert [[shuffled[i] for i in block] for block in blocks(shuffled, 400)] == [
        [chosen[i] for i in block] for block in blocks(chosen, 400)
    ]
    first = train_heads(train, test, 4, chosen, 0, "data")
    second = train_heads(train, test, 4, shuffled, 0, "data")
    for position, i in enumerate(order):
        np.testing.assert_array_equal(first[i].weight, second[position].weight)
        assert first[i].learning_curve == second[position].learning_curve


@pytest.mark.parametrize("batch_size", [16, 40], ids=["while training", "in the last step"])
def test_a_diverging_head_leaves_the_others_alone(batch_size: int) -> None:
    """NaN that spreads, or a runaway head that becomes a row of the table."""
    train, test = part(40, 8, 4), part(20, 8, 4, seed=1)
    train = replace(train, features=train.features * 1000)
    shared = {"batch_size": batch_size, "epochs": 1}
    healthy = PLAIN | {"optimizer": "SGD", "learning_rate": 1e-5, "grad_clip": 1.0} | shared
    chosen = [healthy, RUNAWAY | shared, healthy | {"learning_rate": 1e-6}]
    heads = train_heads(train, test, 4, chosen, 0, "data")
    for i in (0, 2):
        assert heads[i].diverged is None
        Alone(train, test, 4, chosen[i], 0).assert_same(heads[i])
    with pytest.raises(UserError, match="diverged at epoch 1"):
        train_head(train, test, 4, chosen[1], Draws(0, "data"))
    runaway = heads[1]
    assert runaway.diverged is not None
    assert runaway.diverged.startswith("epoch 1")
    assert (runaway.weight, runaway.bias, runaway.learning_curve) == (None, None, [])


def test_a_late_divergence_keeps_the_curve_before_it() -> None:
    """Steps counted over all epochs, finite epochs thrown away, or the last NaN named."""
    train, test = part(40, 8, 4), part(20, 8, 4, seed=1)
    growing = PLAIN | {"optimizer": "SGD", "learning_rate": 3e6, "weight_decay": 1.0, "epochs": 9}
    with pytest.raises(UserError, match="diverged at epoch 2"):
        train_head(train, test, 4, growing, Draws(0, "data"))
    chosen = [growing, growing | {"learning_rate": 0.001}]
    head, healthy = train_heads(train, test, 4, chosen, 0, "data")
    assert healthy.diverged is None
    assert head.diverged is not None
    assert head.diverged.startswith("epoch 2")
    assert [point["epoch"] for point in head.learning_curve] == [1]


def test_denormals_are_flushed_while_training_and_only_then() -> None:
    """Nine times the time for moments that decay to nothing; or a state that leaks out."""

    def flushed() -> bool:
        return bool((torch.tensor([1e-38]) / 10 == 0).all())

    seen = []

    class Watched(Adam):
        def step(self, gradient: torch.Tensor) -> None:
            seen.append(flushed())
            super().step(gradient)

    train = part(40, 8, 4)
    with patch.dict(OPTIMIZERS, Adam=Watched):
        train_heads(train, train, 4, [PLAIN], 0, "data")
    steps = math.ceil(40 / PLAIN["batch_size"])
    assert all(seen) and len(seen) == PLAIN["epochs"] * steps + steps  # that are timed
    assert not flushed()


@settings(max_examples=50, deadline=None)
@given(configurations, st.integers(1, 2000))
def test_blocks_hold_each_configuration_once(chosen: list[dict[str, Any]], classes: int) -> None:
    """Heads lost at a block's end, trained twice, or among heads that see other batches."""
    chosen = chosen * 3
    found = list(blocks(chosen, classes))
    assert sorted(i for block in found for i in block) == list(range(len(chosen)))
    for block in found:
        assert len(block) <= max(1, many_heads.BLOCK_ROWS // classes)
        for name in ("optimizer", "batch_size", "dropout_rate", "epochs"):
            assert len({chosen[i][name] for i in block}) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_the_first_maximum_is_argmax(logits: list[list[int]]) -> None:
    """Ties that go to another class than torch gives them."""
    values = torch.tensor(logits, dtype=torch.float32)
    assert torch.equal(many_heads.first_maximum(values.T[None])[0].long(), values.argmax(1))
