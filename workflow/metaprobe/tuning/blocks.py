"""The blocks of a network, by the names that its family gives them."""

import re
from collections.abc import Sequence

import torch

from metaprobe.core.errors import UserError

# Names of blocks, of one family after the other; the first that a network has at least two of. A block
# is a stage of a convolutional network, and a layer of a transformer.
FAMILIES = (
    r"layer\d+",  # ResNet, ResNeXt, ResNeSt
    r"s\d+",  # RegNet of timm
    r"trunk_output\.block\d+",  # RegNet of torchvision
    r"features\.denseblock\d+",  # DenseNet
    r"encoder\.layers\.encoder_layer_\d+",  # ViT of torchvision
    r"stages\.\d+",  # ConvNeXt, MaxViT, FastViT, CaFormer, TinyViT
    r"layers\.\d+",  # Swin of timm
    r"blocks\.\d+",  # ViT, DeiT, BEiT, EVA-02; EfficientNet and MobileNet of timm
    r"stage\d+",  # ShuffleNet
    r"features\.\d+",  # ConvNeXt, EfficientNet, MobileNet, Swin of torchvision
)
FEWEST_WEIGHTS = (
    2  # matrices or kernels of a block; what has fewer joins two blocks, or follows the last
)


def blocks_of(network: torch.nn.Module) -> list[str]:
    """Return the names of a network's blocks, from the picture on; none if it is of no known family."""
    modules = dict(network.named_modules())
    for family in FAMILIES:
        pattern = re.compile(rf"(network\.)*{family}")
        found = [
            name
            for name, module in modules.items()
            if pattern.fullmatch(name) and _weights(module) >= FEWEST_WEIGHTS
        ]
        if len(found) > 1:
            return found
    return []


def first_trainable(network: torch.nn.Module, trainable: str) -> str | None:
    """Return the name of the first block that is trained; None if all of the network is.

    Args:
        trainable: one of `config.recipe.TRAINABLE` but `head`.

    Raises:
        UserError: the network has no blocks that are known.
    """
    if trainable in ("all", "bias"):
        return None
    blocks = blocks_of(network)
    count = {"last_block": 1, "last_2_blocks": 2}[trainable]
    if len(blocks) <= count:
        raise UserError(
            f"trainable: {trainable} is impossible: this network has no blocks that are known by name;"
            " use head, bias or all"
        )
    return blocks[-count]


def depths(names: Sequence[str], blocks: Sequence[str]) -> dict[str, int]:
    """Return how many blocks above each parameter's own one there are: 0 in the last block and behind it.

    What stands between two blocks belongs to the upper one.

    Args:
        names: of parameters, from the picture on.
        blocks: of the network.
    """
    found, reached = {}, -1
    for name in names:
        own = next((n for n, block in enumerate(blocks) if name.startswith(f"{block}.")), None)
        reached = reached if own is None else own
        place = reached + 1 if own is None else own
        found[name] = max(0, len(blocks) - 1 - place) + (reached < 0 < len(blocks))
    return found


def _weights(module: torch.nn.Module) -> int:
    return sum(one.ndim > 1 for one in module.parameters())
