"""The classifier that a backbone was trained with, and what is published of its network.

To be imported where it is used, as it imports torch.
"""

import time
from pathlib import Path
from typing import Any

import torch

from metaprobe.config.backbones import Backbone, File, weights_id
from metaprobe.core.arrays import Arrays
from metaprobe.core.errors import UserError
from metaprobe.features.backbones import preprocessing, try_out, without_head
from metaprobe.features.networks import last_linear, member_of, renamed
from metaprobe.features.random_weights import random_network
from metaprobe.features.weights import load_network, read_receipt, read_state


def source_classifier(
    architecture: str,
    backbone: Backbone,
    *,
    weights: str,
    seed: int,
    receipt: str | Path | None,
    folder: Path,
) -> tuple[Arrays, dict[str, Any]]:
    """Return the last linear layer of a backbone's network, and facts of the network.

    Returns:
        Arrays `weight` (Z, D) and `bias` (Z,), float32, that make logits of the Z classes it was
        trained on from features (N, D); no arrays where there is no such layer, and then the reason
        as `no_classifier`. Facts: `weights_id`, `parameters` of the whole network, `gflop` per picture, `width` D,
        `load_cpu_seconds` to build it with its weights, and `imagenet_accuracy`, where torchvision publishes it
        of these weights.

    Raises:
        UserError: the weights are not those of the receipt, or do not fit.
    """
    try:
        size, start = preprocessing(backbone).size, time.process_time()
        if weights == "random":
            whole = random_network(backbone, seed, size)
        elif receipt is None:
            raise ValueError("weights without a receipt")
        else:
            whole = load_network(backbone, read_receipt(receipt), folder)
        load_cpu_seconds = time.process_time() - start
        parameters = sum(one.numel() for one in whole.parameters())
        layer, reason = _classifier(whole, backbone, weights)
        width, gflop = try_out(without_head(backbone, whole), size)
    except UserError as error:
        raise UserError(f"backbones/{architecture}: {error}") from None
    if layer is not None and (taken := layer[0].shape[1]) != width:
        layer, reason = None, f"it takes {taken} numbers, and features have {width}"
    facts = {
        "weights_id": weights_id(backbone, weights, seed),
        "parameters": parameters,
        "gflop": gflop,
        "width": width,
        "load_cpu_seconds": load_cpu_seconds,
        "imagenet_accuracy": _published_accuracy(backbone) if weights == "imagenet" else None,
        "no_classifier": reason,
    }
    if layer is None:
        return {}, facts
    return {"weight": layer[0].numpy(), "bias": layer[1].numpy()}, facts


Layer = tuple[torch.Tensor, torch.Tensor]


def _classifier(
    whole: torch.nn.Module, backbone: Backbone, weights: str
) -> tuple[Layer | None, str | None]:
    """Return weight and bias of the classifier, or why it has none that these features could enter."""
    if backbone.layer is not None or backbone.pooling is not None:
        return None, "its features are not what its classifier takes"
    name, layer = last_linear(whole)
    of_timm: Any = getattr(whole, "get_classifier", None)
    if of_timm is not None:
        layer = of_timm()
    if not isinstance(layer, torch.nn.Linear):
        return None, "it has no linear layer as its only classifier"
    weight: torch.Tensor = layer.weight
    bias: torch.Tensor = torch.zeros(len(weight)) if layer.bias is None else layer.bias
    if isinstance(backbone, File) and weights == "imagenet":
        state = renamed(read_state(backbone.own_file), backbone.rename)
        if f"{name}.weight" not in state:
            return None, "its file of weights has none"
        weight = state[f"{name}.weight"]
        bias = state.get(f"{name}.bias", torch.zeros(len(weight)))
    return (weight.detach().float().clone(), bias.detach().float().clone()), None


def _published_accuracy(backbone: Backbone) -> float | None:
    """Return the accuracy on ImageNet that torchvision publishes of these weights; None if none."""
    if backbone.library != "torchvision":
        return None
    metrics = member_of(backbone).meta.get("_metrics", {}).get("ImageNet-1K", {})
    return metrics["acc@1"] / 100 if "acc@1" in metrics else None
