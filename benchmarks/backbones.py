"""The backbones of the table with seeded random weights, as the benchmarks run them."""

from pathlib import Path

from metaprobe.config.backbones import Backbone, parse_backbone
from metaprobe.config.reading import read_strictly
from metaprobe.features.backbones import Ready, prepare

DECLARED = read_strictly("config/backbones.yaml")["backbones"]
BACKBONES: dict[str, Backbone] = {name: parse_backbone(one) for name, one in DECLARED.items()}


# What timm's users take, convolutional and not; timm's own eager inference is what they are held to.
OF_TIMM: dict[str, Backbone] = {
    model: parse_backbone({"library": "timm", "model": model, "preprocessing": "protocol"})
    for model in (
        "resnet50",
        "convnext_tiny",
        "vit_small_patch16_224",
        "swin_tiny_patch4_window7_224",
    )
}


def ready(backbone: Backbone, seed: int = 0) -> Ready:
    """Return a backbone without its head."""
    return prepare(backbone, weights="random", seed=seed, receipt=None, folder=Path())
