"""Where a network is cut: what enters its last linear layer, or the output of another layer, pooled.

To be imported where it is used, as it imports torch.
"""

from typing import Any

import torch

from metaprobe.core.errors import UserError
from metaprobe.features.networks import last_linear


def cut(
    network: torch.nn.Module, *, layer: str | None = None, pooling: str | None = None
) -> torch.nn.Module:
    """Return a module that gives a vector per image: (N, 3, H, W) → (N, D).

    Without `layer` and `pooling`: what enters the last linear layer, or timm's own
    `forward_head(pre_logits=True)`.

    Args:
        layer: name of the module whose output is taken.
        pooling: how maps (N, D, H, W) or tokens (N, T, D) become vectors: `mean` over positions,
            the class `token`, or `both`, one after the other (N, 2 D).

    Raises:
        UserError: the network has no such layer, or cannot be cut without one.
    """
    if layer is not None:
        known = dict(network.named_modules())
        if not layer or layer not in known:
            names = ", ".join(name for name, _ in network.named_children())
            raise UserError(f"layer: it has no layer {layer!r}; its outermost are {names}")
        return Pooled(network, layer, pooling)
    of_timm = hasattr(network, "forward_head")
    if pooling is not None:
        if not of_timm:
            raise UserError("pooling: name the layer to be pooled, as torchvision has none for it")
        return Pooled(network, None, pooling)
    if of_timm:
        return PreLogits(network)
    name, _ = last_linear(network)
    if not name:
        raise UserError("it has no linear layer to cut at: set layer and pooling")
    network.set_submodule(name, torch.nn.Identity())
    return network


def check_vectors(features: torch.Tensor, images: int) -> int:
    """Return the length D of feature vectors (images, D).

    Raises:
        UserError: they are something else.
    """
    if features.ndim != 2 or len(features) != images:
        shape = ", ".join(["N", *map(str, features.shape[1:])])
        what = {3: "tokens", 4: "maps"}.get(features.ndim, "an output")
        raise UserError(
            f"its cut gives {what} ({shape}), not vectors (N, D): set pooling, or another layer"
        )
    return features.shape[1]


class PreLogits(torch.nn.Module):
    """A network of timm without its classifier, as timm itself leaves it out."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, D); of networks with two heads the mean of what enters them."""
        features: Any = self.network.forward_features(images)
        features = self.network.forward_head(features, pre_logits=True)
        if isinstance(features, tuple):
            return torch.stack(features).mean(0)
        vectors: torch.Tensor = features
        return vectors


class Pooled(torch.nn.Module):
    """The output of a layer, or of timm's `forward_features`, pooled where it is no vector."""

    def __init__(self, network: Any, layer: str | None, pooling: str | None) -> None:
        super().__init__()
        self.network, self.layer, self.pooling = network, layer, pooling
        self.prefix = int(getattr(network, "num_prefix_tokens", 1))
        self.class_token = getattr(network, "cls_token", getattr(network, "class_token", None))
        self.last_axis = getattr(network, "output_fmt", "NCHW") == "NHWC"
        self.output: Any = None
        if layer is not None:
            network.get_submodule(layer).register_forward_hook(self._keep)

    def _keep(self, module: torch.nn.Module, given: Any, output: Any) -> None:
        self.output = output

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, D), or what it is if it is not to be pooled.

        Raises:
            UserError: it has no class token, or cannot be pooled.
        """
        if self.layer is None:
            output = self.network.forward_features(images)
        else:
            self.network(images)
            output, self.output = self.output, None
        if not isinstance(output, torch.Tensor):
            raise UserError(f"layer: {self.layer} gives {type(output).__name__}, not one array")
        if self.pooling is None or output.ndim == 2:
            return output
        return torch.cat([self._pool(output, how) for how in POOLED_AS[self.pooling]], 1)

    def _pool(self, output: torch.Tensor, how: str) -> torch.Tensor:
        """Return (N, D), the class token's or the mean over all positions."""
        if output.ndim == 3:
            if how == "mean":
                return output[:, self.prefix if self.class_token is not None else 0 :].mean(1)
            if self.class_token is not None:
                return output[:, 0]
        elif output.ndim == 4 and how == "mean":
            return output.mean((1, 2) if self.last_axis else (2, 3))
        raise UserError(f"pooling: {self.pooling} means nothing here: it has no class token")


POOLED_AS = {"mean": ("mean",), "token": ("token",), "both": ("token", "mean")}
