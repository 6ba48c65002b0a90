"""The whole network of an experiment: `network.Model` with the backbone's, the tuned and the head's weights.

To be imported where it is used, as it imports torch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from metaprobe.config.backbones import Backbone
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.config.parts import cut_of
from metaprobe.core.arrays import Arrays
from metaprobe.data.transforms import Preprocessing
from metaprobe.export.network import Model
from metaprobe.features.backbones import Ready
from metaprobe.features.cut import POOLED_AS, Pooled, PreLogits
from metaprobe.features.networks import OLD_INPUT
from metaprobe.tuning.blocks import first_trainable

INSIDE = "network."  # how names begin in the modules that a whole network is put into
TUNED = "tuned."
FIRST = 0  # of the replicates


def whole_network(
    ready: Ready,
    backbone: Backbone,
    published: bool,
    recipe: Mapping[str, Any],
    head: Arrays,
) -> tuple[Model, dict[str, Any]]:
    """Return the network of the first replicate of an experiment, and what it is built from.

    Args:
        published: the backbone has its published weights, or the user's; if not, random ones.
        recipe: the hyperparameters that are in use.
        head: `weight` (R, C, D) and `bias` (R, C) of the head, and what else was trained.
    """
    recipe = RECIPE_DEFAULTS | dict(recipe)
    classes, width = head["weight"].shape[1:]
    library = ready.network
    if isinstance(library, (PreLogits, Pooled)):
        library = library.network
    with_tag = published and backbone.own_file is None
    network = {
        "library": backbone.origin,
        "model": backbone.pretrained if backbone.origin == "timm" and with_tag else backbone.model,
        "options": _options(backbone, library),
        "layer": backbone.layer,
        "pooling": _pooling(backbone, ready.network),
        "half_before": _rounded_before(ready.network, recipe),
        "width": width,
        "classes": classes,
    }
    model = _built(network, backbone, ready.preprocessing)
    model.backbone.load_state_dict(library.state_dict() | _tuned(ready.network, recipe, head))
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(head["weight"][FIRST]))
        model.head.bias.copy_(torch.from_numpy(head["bias"][FIRST]))
    return model.eval().requires_grad_(False), network


def preparation(to: Preprocessing, transform: str, upright: bool) -> dict[str, Any]:
    """Return how `predict.py` prepares pictures; `mean` and `std` are those of `network.Model`."""
    return {
        "transform": transform,
        "upright": upright,
        "size": to.size,
        "resized": to.resized,
        "squash": to.squash,
        "interpolation": to.interpolation,
        "mean": list(to.mean),
        "std": list(to.std),
    }


def _options(backbone: Backbone, library: torch.nn.Module) -> dict[str, Any]:
    """Return what torchvision's builders set themselves with published weights."""
    if backbone.origin != "torchvision":
        return {}
    names = ["image_size"] if hasattr(library, "image_size") else []
    if backbone.model in OLD_INPUT:
        names += ["transform_input", "aux_logits"]
    options: dict[str, Any] = {name: getattr(library, name) for name in names}
    if backbone.model in OLD_INPUT:
        options["init_weights"] = False  # their own initialisation takes a minute
    return options


def _built(network: dict[str, Any], backbone: Backbone, to: Preprocessing) -> Model:
    """Return the untrained model; add the size of its pictures to timm's options where it takes one."""
    constants = {"mean": to.mean, "std": to.std}
    if backbone.origin == "timm" and backbone.input_size is not None:
        sized = {"img_size": backbone.input_size}
        try:
            model = Model(network | {"options": sized}, constants)
        except TypeError:  # networks without position embeddings take pictures of any size
            return Model(network, constants)
        network["options"] = sized
        return model
    return Model(network, constants)


def _pooling(backbone: Backbone, cut: torch.nn.Module) -> dict[str, Any] | None:
    """Return what `network.pooled` does to give the same as `cut.Pooled`."""
    if backbone.pooling is None or not isinstance(cut, Pooled):
        return None
    return {
        "parts": list(POOLED_AS[backbone.pooling]),
        "first": cut.prefix if cut.class_token is not None else 0,
        "axes": [1, 2] if cut.last_axis else [2, 3],
    }


def _rounded_before(cut: torch.nn.Module, recipe: dict[str, Any]) -> str | None:
    """Return the block that is trained from activations in half precision."""
    if recipe["trainable"] == "head":
        return None
    if not cut_of(recipe["trainable"], recipe["cache_precision"]).endswith("float16"):
        return None
    return str(first_trainable(cut, recipe["trainable"])).removeprefix(INSIDE)


def _tuned(cut: torch.nn.Module, recipe: dict[str, Any], head: Arrays) -> dict[str, torch.Tensor]:
    """Return what was trained below the head, by its names in the library's network."""
    # A backbone that is trained as a whole stands in a module that normalises pictures.
    levels = (recipe["trainable"] in ("all", "bias")) + isinstance(cut, (PreLogits, Pooled))
    return {
        name.removeprefix(TUNED + levels * INSIDE): torch.from_numpy(np.array(array[FIRST]))
        for name, array in head.items()
        if name.startswith(TUNED)
    }
