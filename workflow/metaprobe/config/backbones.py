"""The backbones that a configuration may name as its `architecture`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """A torchvision classifier whose last linear layer is replaced by a trained head.

    Attributes:
        builder: name of the function in `torchvision.models`.
        weights: name of the weights enum and its member, `Enum.MEMBER`.
        classifier: name of the module that ends in the last linear layer.
        feature_width: length of the vector that enters the last linear layer.
        batchnorm: name of the last BatchNorm, of a network that ends in BatchNorm, activation and
            the mean over all positions; None for others.
        activation: the activation after that BatchNorm, a name of `features.batchnorm.ACTIVATIONS`.
        openvino_batch: how many images OpenVINO is best given at once.
    """

    builder: str
    weights: str
    classifier: str
    feature_width: int
    batchnorm: str | None = None
    activation: str | None = None
    openvino_batch: int = 4  # the mobile networks are fastest in the smallest cache


BACKBONES = {
    # Without `batchnorm`: ResNet18's last one is added to a shortcut before the activation, so that
    # its statistics do not tell what is to be expected of the features.
    "ResNet18": Backbone(
        builder="resnet18",
        weights="ResNet18_Weights.IMAGENET1K_V1",
        classifier="fc",
        feature_width=512,
        openvino_batch=32,
    ),
    "EfficientNetB0": Backbone(
        builder="efficientnet_b0",
        weights="EfficientNet_B0_Weights.IMAGENET1K_V1",
        classifier="classifier",
        feature_width=1280,
        batchnorm="features.8.1",
        activation="silu",
    ),
    "MobileNetV2": Backbone(
        builder="mobilenet_v2",
        weights="MobileNet_V2_Weights.IMAGENET1K_V1",
        classifier="classifier",
        feature_width=1280,
        batchnorm="features.18.1",
        activation="relu6",
    ),
}
