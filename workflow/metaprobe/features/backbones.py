"""A backbone that is ready to run: built, given weights, cut, and tried on one picture.

To be imported where it is used, as it imports torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from metaprobe.config.backbones import Backbone, weights_id
from metaprobe.core.arrays import digest_arrays
from metaprobe.core.errors import UserError
from metaprobe.data.transforms import PROTOCOL, Preprocessing
from metaprobe.features.batchnorm import expect_features
from metaprobe.features.cut import check_vectors, cut
from metaprobe.features.networks import preprocessing_of
from metaprobe.features.random_weights import random_network
from metaprobe.features.weights import load_network, read_receipt

# How a network tells that it takes no pictures of this size.
MISFIT = (RuntimeError, AssertionError, ValueError, TypeError)


@dataclass(frozen=True)
class Ready:
    """A frozen backbone without its head.

    Attributes:
        network: (N, 3, S, S) → (N, D), in evaluation mode, nothing trainable.
        preprocessing: how pictures are prepared for it; S is its `size`.
        origin: `id`, `file` and `sha256` of its weights.
        expected: what `batchnorm.expect_features` knows of its features.
        width: D.
        gflop: multiplications and additions of one picture, in 10^9 pairs.
    """

    network: torch.nn.Module
    preprocessing: Preprocessing
    origin: dict[str, Any]
    expected: dict[str, NDArray[np.float64]]
    width: int
    gflop: float


@dataclass(frozen=True)
class Weights:
    """Which weights a backbone gets: see `prepare`."""

    weights: str
    seed: int
    receipt: str | Path | None
    folder: Path

    def ready(self, architecture: str, backbone: Backbone) -> Ready:
        """Return the backbone with them; a UserError names it."""
        try:
            return prepare(
                backbone,
                weights=self.weights,
                seed=self.seed,
                receipt=self.receipt,
                folder=self.folder,
            )
        except UserError as error:
            raise UserError(f"backbones/{architecture}: {error}") from None


def prepare(
    backbone: Backbone, *, weights: str, seed: int, receipt: str | Path | None, folder: Path
) -> Ready:
    """Return a backbone with the weights of a run.

    Args:
        weights: `imagenet`, or `random`: seeded.
        receipt: of the former, what `fetch_weights` wrote.
        folder: where the weight files are.

    Raises:
        UserError: it cannot be built, loaded or cut, or gives no vectors.
    """
    sees = preprocessing(backbone)
    if weights == "random":
        whole = random_network(backbone, seed, sees.size)
        state = {name: tensor.numpy() for name, tensor in whole.state_dict().items()}
        name = weights_id(backbone, weights, seed)
        origin = {"id": name, "file": None, "sha256": digest_arrays(state)}
    else:
        if receipt is None:
            raise ValueError("weights without a receipt")
        origin = read_receipt(receipt)
        whole = load_network(backbone, origin, folder)
        state = {name: tensor.numpy() for name, tensor in whole.state_dict().items()}
    expected = expect_features(backbone, state)
    network = without_head(backbone, whole)
    width, gflop = try_out(network, sees.size)
    return Ready(network, sees, origin, expected, width, gflop)


def preprocessing(backbone: Backbone) -> Preprocessing:
    """Return how pictures are prepared for a backbone.

    Raises:
        UserError: its weights want it in a way that is not known here.
    """
    if backbone.preprocessing == "protocol":
        return PROTOCOL
    return preprocessing_of(backbone)


def without_head(backbone: Backbone, whole: torch.nn.Module) -> torch.nn.Module:
    """Return a network that gives a vector per picture.

    Raises:
        UserError: it cannot be cut where the entry says.
    """
    network = cut(whole, layer=backbone.layer, pooling=backbone.pooling)
    return network.eval().requires_grad_(False)


def try_out(network: torch.nn.Module, size: int, device: str = "cpu") -> tuple[int, float]:
    """Return the width of a network's features, and its GFLOP per picture.

    Raises:
        UserError: it takes no pictures of this size, or gives no vectors.
    """
    try:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            features = network(torch.zeros(1, 3, size, size, device=device))
    except MISFIT as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"it does not take pictures of {size} × {size} ({said}): set input_size, or"
            " preprocessing: own"
        ) from None
    return check_vectors(features, images=1), counter.get_total_flops() / 2e9
