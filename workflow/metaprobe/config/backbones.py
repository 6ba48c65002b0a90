"""The frozen backbones by the name that configurations use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
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


BACKBONES = {
    "ResNet18": Backbone("resnet18", "ResNet18_Weights.IMAGENET1K_V1", "fc", 512),
    "EfficientNetB0": Backbone(
        "efficientnet_b0", "EfficientNet_B0_Weights.IMAGENET1K_V1", "classifier", 1280
    ),
    "MobileNetV2": Backbone(
        "mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V1", "classifier", 1280
    ),
}


def weights_id(architecture: str, weights: str, seed: int) -> str:
    """Return how fragments name the weights: torchvision's enum member, or `random` with its seed."""
    return BACKBONES[architecture].weights if weights == "imagenet" else f"random (seed {seed})"
