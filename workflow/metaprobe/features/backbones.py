"""The frozen backbones: one table of architectures, their weights, and how to build them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Architecture:
    """A torchvision classifier whose last linear layer is replaced by a trained head.

    Attributes:
        builder: name of the function in `torchvision.models`.
        weights: name of the weights enum and its member, `Enum.MEMBER`.
        classifier: name of the module that ends in the last linear layer.
        feature_width: length of the vector that enters the last linear layer.
    """

    builder: str
    weights: str
    classifier: str
    feature_width: int


ARCHITECTURES = {
    "ResNet18": Architecture("resnet18", "ResNet18_Weights.IMAGENET1K_V1", "fc", 512),
    "EfficientNetB0": Architecture(
        "efficientnet_b0", "EfficientNet_B0_Weights.IMAGENET1K_V1", "classifier", 1280
    ),
    "MobileNetV2": Architecture(
        "mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V1", "classifier", 1280
    ),
}


def weights_id(architecture: str, weights: str, seed: int) -> str:
    """How fragments name the weights: torchvision's enum member, or `random` with its seed."""
    return ARCHITECTURES[architecture].weights if weights == "imagenet" else f"random (seed {seed})"


def build_network(architecture: str, state: dict[str, "torch.Tensor"]) -> "torch.nn.Module":
    """The whole classifier with the weights of `state`, in evaluation mode, nothing trainable."""
    network = _untrained(architecture)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def build_backbone(architecture: str, state: dict[str, "torch.Tensor"]) -> "torch.nn.Module":
    """The network without its head: images (N, 3, H, W) → features (N, feature_width)."""
    import torch

    network = build_network(architecture, state)
    setattr(network, ARCHITECTURES[architecture].classifier, torch.nn.Identity())
    return network


def random_state(architecture: str, seed: int) -> dict[str, "torch.Tensor"]:
    """Weights of a network that has seen nothing, for demos and tests.

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
            network = _untrained(architecture)
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
    """Colour noise with structure at all scales, as pictures have: (count, 3, 224, 224)."""
    import torch

    octaves = [torch.rand(count, 3, side, side) * 3 - 1.5 for side in (2, 4, 8, 16, 32, 64)]
    interpolate = torch.nn.functional.interpolate
    return torch.stack([interpolate(o, size=224, mode="bilinear") for o in octaves]).sum(0)


def _untrained(architecture: str) -> "torch.nn.Module":
    from torchvision import models

    network: torch.nn.Module = models.get_model(ARCHITECTURES[architecture].builder, weights=None)
    return network
