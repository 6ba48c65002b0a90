"""The model in torch. It needs torch, safetensors, and the library that built it: torchvision or timm.

from network import load
model = load()            # in evaluation mode, from model.safetensors and card.json beside this file
logits = model(pixels)    # (N, 3, S, S), 0 to 255, as `prepare` in predict.py gives them, to (N, C)
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


class Model(torch.nn.Module):
    """Prepared pictures (N, 3, S, S), 0 to 255, to logits (N, C): normalised, a backbone, a linear head."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: dict[str, Any], preprocessing: dict[str, Any]) -> None:
        super().__init__()
        self.layer, self.pooling = network["layer"], network["pooling"]
        self.backbone: Any = build(network["library"], network["model"], network["options"])
        self.head = torch.nn.Linear(network["width"], network["classes"])
        for name in ("mean", "std"):
            values = torch.tensor(preprocessing[name]).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        if self.layer is not None:
            self.backbone.get_submodule(self.layer).register_forward_hook(self._keep)
        elif network["library"] == "torchvision":  # its last linear layer was its classifier
            linear = [n for n, m in self.backbone.named_modules() if isinstance(m, torch.nn.Linear)]
            self.backbone.set_submodule(linear[-1], torch.nn.Identity())
        if network["half_before"] is not None:
            block = self.backbone.get_submodule(network["half_before"])
            block.register_forward_pre_hook(through_half_precision)

    def _keep(self, module: torch.nn.Module, given: Any, output: Any) -> None:
        self.kept = output

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return logits (N, C)."""
        logits: torch.Tensor = self.head(self.features(pixels))
        return logits

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what enters the head (N, D)."""
        images = (pixels.float() / 255 - self.mean) / self.std
        if self.layer is not None:
            self.backbone(images)
            return pooled(self.kept, self.pooling)
        if not hasattr(self.backbone, "forward_head"):
            vectors: torch.Tensor = self.backbone(images)
            return vectors
        output = self.backbone.forward_features(images)  # a network of timm
        if self.pooling is not None:
            return pooled(output, self.pooling)
        output = self.backbone.forward_head(output, pre_logits=True)
        return torch.stack(output).mean(0) if isinstance(output, tuple) else output


def build(library: str, model: str, options: dict[str, Any]) -> torch.nn.Module:
    """Return the backbone as its library makes it, without trained weights."""
    network: torch.nn.Module
    if library == "timm":
        import timm

        network = timm.create_model(model, **options)
    else:
        from torchvision import models

        network = models.get_model(model, **options)
    return network


def pooled(output: torch.Tensor, how: dict[str, Any] | None) -> torch.Tensor:
    """Return vectors (N, D) of tokens (N, T, D) or maps: the class token, the mean over positions, or both."""
    if how is None or output.ndim == 2:
        return output
    if output.ndim == 4:
        return output.mean(how["axes"])
    parts = {"token": output[:, 0], "mean": output[:, how["first"] :].mean(1)}
    return torch.cat([parts[name] for name in how["parts"]], 1)


def through_half_precision(block: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Round what enters a block to 16 bits, as it was in training, where it came from a cache."""
    return (given[0].half().float(), *given[1:])


def load(folder: str | Path = Path(__file__).parent) -> Model:
    """Return the model of a folder, in evaluation mode."""
    card = json.loads(Path(folder, "card.json").read_text(encoding="utf-8"))
    model = Model(card["network"], card["preprocessing"])
    model.load_state_dict(load_file(Path(folder, "model.safetensors")))
    return model.eval()
