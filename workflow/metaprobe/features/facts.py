"""What can be found out of a backbone without its weights: width, parameters, GFLOP, size of pictures.

To be imported where it is used, as it imports torch.
"""

from dataclasses import dataclass

import torch

from metaprobe.config.backbones import Backbone
from metaprobe.features.backbones import preprocessing, try_out, without_head
from metaprobe.features.networks import build


@dataclass(frozen=True)
class Facts:
    """Of one backbone.

    Attributes:
        width: numbers in a feature vector.
        parameters: of the whole network, as papers count them.
        gflop: multiplications and additions of one picture, in 10^9 pairs.
        size: side of the pictures it sees.
    """

    width: int
    parameters: int
    gflop: float
    size: int


def build_without_head(backbone: Backbone) -> tuple[torch.nn.Module, int]:
    """Return an untrained backbone without its head, and the side of the pictures it sees.

    Raises:
        UserError: it cannot be built or cut.
    """
    with torch.random.fork_rng(devices=[]):
        whole = build(backbone.origin, backbone.model, backbone.input_size)
        return without_head(backbone, whole), preprocessing(backbone).size


def find_out(backbone: Backbone) -> Facts:
    """Return the facts of a backbone; nothing is computed but shapes, where the network allows it.

    Raises:
        UserError: it cannot be built or cut, or gives no vectors.
    """
    size = preprocessing(backbone).size
    try:
        return _find_out(backbone, size, "meta")
    except (NotImplementedError, RuntimeError):  # as of networks that look at their own weights
        return _find_out(backbone, size, "cpu")


def _find_out(backbone: Backbone, size: int, device: str) -> Facts:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        whole = build(backbone.origin, backbone.model, backbone.input_size)
        parameters = sum(one.numel() for one in whole.parameters())
        network = without_head(backbone, whole)
        width, gflop = try_out(network, size, device)
    return Facts(width, parameters, gflop, size)
