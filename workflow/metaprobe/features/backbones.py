"""Building a frozen backbone: the network, its random weights, and how its weights are called."""

from typing import TYPE_CHECKING

from metaprobe.config.backbones import Backbone

if TYPE_CHECKING:
    import torch


def weights_id(backbone: Backbone, weights: str, seed: int) -> str:
    """Return how fragments name the weights: torchvision's enum member, or `random` with its seed."""
    return backbone.weights if weights == "imagenet" else f"random (seed {seed})"


def build_network(backbone: Backbone, state: dict[str, "torch.Tensor"]) -> "torch.nn.Module":
    """Return the whole classifier with the weights of `state`, in evaluation mode, nothing trainable."""
    network = _untrained(backbone)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def build_backbone(backbone: Backbone, state: dict[str, "torch.Tensor"]) -> "torch.nn.Module":
    """Return the network without its head: images (N, 3, H, W) → features (N, feature_width)."""
    import torch

    network = build_network(backbone, state)
    setattr(network, backbone.classifier, torch.nn.Identity())
    return network


def random_state(backbone: Backbone, seed: int) -> dict[str, "torch.Tensor"]:
    """Return weights of a network that has seen nothing, for demos and tests.

    torchvision's own initialisation from `seed`; then every BatchNorm's statistics are measured
    on one batch of seeded noise, without which the signal fades in deep random networks. On one
    thread, as the last digits of such sums depend on how many share the work.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _untrained(backbone)
            noise = _noise_images(count=32)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # cumulative average: that one batch's statistics
            module.train(isinstance(module, torch.nn.BatchNorm2d))
        with torch.inference_mode():
            network(noise)
    finally:
        torch.set_num_threads(threads)
    return network.state_dict()


def _noise_images(count: int) -> "torch.Tensor":
    """Return colour noise with structure at all scales, as pictures have: (count, 3, 224, 224)."""
    import torch

    octaves = [torch.rand(count, 3, side, side) * 3 - 1.5 for side in (2, 4, 8, 16, 32, 64)]
    interpolate = torch.nn.functional.interpolate
    return torch.stack([interpolate(o, size=224, mode="bilinear") for o in octaves]).sum(0)


def _untrained(backbone: Backbone) -> "torch.nn.Module":
    from torchvision import models

    network: torch.nn.Module = models.get_model(backbone.builder, weights=None)
    return network
