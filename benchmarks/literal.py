"""The document's protocol to the letter: every image goes through the network in every epoch.

As a user of torch and torchvision would write it, except that the network stays in evaluation mode
(frozen means frozen) and that initial weights, batches and dropout masks are metaprobe's own draws,
so that the metrics can be compared digit by digit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from metaprobe.core.randomness import Draws
from metaprobe.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from metaprobe.features.networks import last_linear
from PIL import Image
from torch.nn.functional import cross_entropy
from torchvision import transforms

BATCH_IMAGES = 64
GREY = transforms.Compose(
    [
        transforms.Grayscale(3),
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
)


class DrawnDropout(torch.nn.Module):
    """Dropout with the masks of `Draws`, in training only."""

    def __init__(self, draws: Draws, rate: float) -> None:
        super().__init__()
        self.draws, self.rate = draws, rate

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, D) with some at 0."""
        if not self.training:
            return features
        return torch.from_numpy(self.draws.dropout(features.numpy(), self.rate))


def run_literally(
    task_id: str,
    images: dict[str, Sequence[Image.Image]],
    labels: dict[str, np.ndarray],
    class_count: int,
    network: torch.nn.Module,
    hyperparameters: dict[str, Any],
    seed: int,
) -> dict[str, float]:
    """Train one configuration and return its metrics, as they stand in the table."""
    draws = Draws(seed, task_id)
    name, last = last_linear(network)
    assert last is not None
    linear = torch.nn.Linear(last.in_features, class_count)
    weight, bias = draws.initial_head(last.in_features, class_count)
    linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    dropout = DrawnDropout(draws, hyperparameters["dropout_rate"])
    network.set_submodule(name, torch.nn.Sequential(dropout, linear))
    optimizer = torch.optim.Adam(
        linear.parameters(),
        lr=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
    )

    def logits(part: str, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        batch = torch.stack([GREY(images[part][i]) for i in indices])
        return network(batch), torch.from_numpy(labels[part][indices])

    for _ in range(hyperparameters["epochs"]):
        dropout.train()
        for indices in draws.batches(len(labels["train"]), hyperparameters["batch_size"]):
            loss = cross_entropy(
                *logits("train", indices), label_smoothing=hyperparameters["label_smoothing"]
            )
            optimizer.zero_grad()
            loss.backward()
            if hyperparameters["grad_clip"]:
                torch.nn.utils.clip_grad_norm_(linear.parameters(), hyperparameters["grad_clip"])
            optimizer.step()
    dropout.eval()
    metrics = {}
    with torch.no_grad():
        for part in ("train", "test"):
            order = np.arange(len(labels[part]))
            batches = [order[i : i + BATCH_IMAGES] for i in range(0, len(order), BATCH_IMAGES)]
            outcomes = [logits(part, indices) for indices in batches]
            found, expected = (torch.cat(tensors) for tensors in zip(*outcomes, strict=True))
            metrics[f"{part}_accuracy"] = (found.argmax(1) == expected).double().mean().item()
            metrics[f"{part}_loss"] = cross_entropy(found, expected).item()
    del metrics["train_loss"]
    return metrics
