"""Backbones that have seen nothing, for demos and tests: seeded random weights.

To be imported where it is used, as it imports torch.
"""

import torch

from metaprobe.config.backbones import Backbone
from metaprobe.features.networks import build

NOISE_IMAGES = 32


def random_network(backbone: Backbone, seed: int, size: int) -> torch.nn.Module:
    """Return a whole classifier with random weights, in evaluation mode, nothing trainable.

    The library's own initialisation from `seed`; then every BatchNorm's statistics are measured
    on one batch of seeded noise, without which the signal fades in deep random networks. On one
    thread, as the last digits of such sums depend on how many share the work.

    Args:
        size: side of the images it sees.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build(backbone.origin, backbone.model, backbone.input_size)
            noise = noise_images(NOISE_IMAGES, size)
        _measure_statistics(network, noise)
    finally:
        torch.set_num_threads(threads)
    return network.eval().requires_grad_(False)


def _measure_statistics(network: torch.nn.Module, noise: torch.Tensor) -> None:
    norms = [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    if not norms:
        return
    network.eval()
    for norm in norms:
        norm.momentum = None  # cumulative average: that one batch's statistics
        norm.train()
    with torch.inference_mode():
        network(noise)


def noise_images(count: int, size: int) -> torch.Tensor:
    """Return colour noise with structure at all scales, as pictures have: (count, 3, size, size)."""
    octaves = [torch.rand(count, 3, side, side) * 3 - 1.5 for side in (2, 4, 8, 16, 32, 64)]
    interpolate = torch.nn.functional.interpolate
    return torch.stack([interpolate(o, size=size, mode="bilinear") for o in octaves]).sum(0)
