"""BatchNorm folded into the convolution before it, in networks of any library.

To be imported where it is used, as it imports torch.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Of the largest feature; float32 sums in another order differ by less than 1e-5 of it.
TOLERANCE = 1e-3


def fold(network: torch.nn.Module, example: torch.Tensor) -> list[str]:
    """Fold in place each BatchNorm that sees nothing but what one convolution gives.

    Which ones these are is seen by running the network once. As not every use of an array can be
    seen so, the result is compared; if it differs, nothing is folded.

    Args:
        network: in evaluation mode.
        example: images (N, 3, H, W).

    Returns:
        The names of the BatchNorms that are folded.
    """
    with torch.no_grad():  # inference_mode would make weights that autocast cannot cast
        before = network(example)
        pairs = _pairs(network, example)
        kept: dict[str, Any] = {
            name: network.get_submodule(name) for pair in pairs for name in pair
        }
        for convolution, norm in pairs:
            network.set_submodule(convolution, fuse_conv_bn_eval(kept[convolution], kept[norm]))
            network.set_submodule(norm, _after(kept[norm]))
        after = network(example)
        if (after - before).abs().max() <= TOLERANCE * before.abs().max():
            return [norm for _, norm in pairs]
        for name, module in kept.items():
            network.set_submodule(name, module)
        return []


def _after(norm: torch.nn.Module) -> torch.nn.Module:
    """Return what is left of a BatchNorm: nothing, or the activation that timm puts into it."""
    inside = [getattr(norm, name, None) for name in ("drop", "act")]
    return torch.nn.Sequential(*filter(None, inside)) if any(inside) else torch.nn.Identity()


def _pairs(network: torch.nn.Module, example: torch.Tensor) -> list[tuple[str, str]]:
    """Return convolution and BatchNorm where the one's output is the other's input alone."""
    made: dict[int, tuple[str, torch.Tensor]] = {}  # the array is kept, so that no other has its id
    uses: Counter[int] = Counter()
    calls: Counter[str] = Counter()
    found: list[tuple[str, str, int]] = []

    def watch(name: str) -> Callable[..., None]:
        def see(module: torch.nn.Module, given: tuple[Any, ...], output: Any) -> None:
            calls[name] += 1
            uses.update(id(one) for one in given if isinstance(one, torch.Tensor))
            if isinstance(module, torch.nn.Conv2d):
                made[id(output)], uses[id(output)] = (name, output), 0
            elif isinstance(module, torch.nn.BatchNorm2d) and id(given[0]) in made:
                found.append((made[id(given[0])][0], name, id(given[0])))

        return see

    leaves = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d) or not [*module.children()]
    ]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        (convolution, norm)
        for convolution, norm, array in found
        if uses[array] == calls[convolution] == calls[norm] == 1
    ]
