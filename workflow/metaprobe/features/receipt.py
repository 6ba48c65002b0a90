"""The receipt of a backbone's weights: which file it is, and what the network is like with them.

To be imported where it is used, as it imports torch.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from metaprobe.config.backbones import Backbone
from metaprobe.core.errors import UserError
from metaprobe.features.backbones import preprocessing, try_out, without_head
from metaprobe.features.weights import fetch, load_network


def examine(
    architecture: str, backbone: Backbone, folder: Path, *, download: bool
) -> dict[str, Any]:
    """Return `id`, `file` and `sha256` of the weights, the `width` of the features, the number of
    `parameters` of the whole network, `gflop` per picture, and how pictures are prepared.

    Args:
        folder: where the files of weights lie, or are put.
        download: fetch a missing file; if False, a missing file is an error.

    Raises:
        UserError: the weights cannot be had, do not fit, or the network gives no vectors.
    """
    try:
        sees = preprocessing(backbone)
        found = fetch(backbone, folder, download=download)
        whole = load_network(backbone, found, folder)
        parameters = sum(one.numel() for one in whole.parameters())
        network = without_head(backbone, whole)
        width, gflop = try_out(network, sees.size)
    except UserError as error:
        raise UserError(f"backbones/{architecture}: {error}") from None
    return {
        **found,
        "width": width,
        "parameters": parameters,
        "gflop": gflop,
        "preprocessing": asdict(sees),
    }
