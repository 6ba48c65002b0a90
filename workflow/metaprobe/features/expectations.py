"""What a backbone's weights say of the features it expects: read once per architecture."""

from pathlib import Path
from typing import Any

from metaprobe.core.files import Arrays
from metaprobe.core.provenance import versions
from metaprobe.features.weights import load_weights
from metaprobe.metafeatures.backbone_shift import ENDINGS, expect_features


def expected_features(
    architecture: str, seed: int, weights_receipt: str | None, weights_folder: Path
) -> tuple[Arrays, dict[str, Any]]:
    """`mean` and `std` (D,) of the features expected by a backbone, and the facts of its weights.

    Args:
        weights_receipt: what `fetch_weights` wrote; None: seeded random weights.
    """
    state, weights = load_weights(architecture, seed, weights_receipt, weights_folder)
    batchnorm = ENDINGS[architecture].batchnorm
    statistics = {
        name: tensor.numpy() for name, tensor in state.items() if name.startswith(f"{batchnorm}.")
    }
    facts = {"architecture": architecture, "batchnorm": batchnorm, "weights": weights}
    return {**expect_features(architecture, statistics)}, facts | {"versions": versions("numpy")}
