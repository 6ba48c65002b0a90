"""The head of the protocol as torch.optim trains it, one at a time: what ours are held to."""

from typing import Any

import numpy as np
import torch
from metaprobe.config.conditions import optimizers_with
from metaprobe.core.randomness import Draws
from metaprobe.training.heads import LabelledFeatures
from torch.nn.functional import cross_entropy


def linear(draws: Draws, width: int, class_count: int, dtype: torch.dtype) -> torch.nn.Linear:
    """The initial head of the draws, as a module."""
    head = torch.nn.Linear(width, class_count, dtype=dtype)
    with torch.no_grad():
        for parameter, drawn in zip(
            head.parameters(), draws.initial_head(width, class_count), strict=True
        ):
            parameter.copy_(torch.from_numpy(drawn))
    return head


def build_torch_optimizer(
    head: torch.nn.Linear, hyperparameters: dict[str, Any]
) -> torch.optim.Optimizer:
    options = {
        "lr": hyperparameters["learning_rate"],
        "weight_decay": hyperparameters["weight_decay"],
    }
    if hyperparameters["optimizer"] in optimizers_with("momentum"):
        options["momentum"] = hyperparameters["momentum"]
    optimizer: torch.optim.Optimizer = getattr(torch.optim, hyperparameters["optimizer"])(
        head.parameters(), **options
    )
    return optimizer


def train_with_torch(
    train: LabelledFeatures,
    class_count: int,
    hyperparameters: dict[str, Any],
    draws: Draws,
    dtype: torch.dtype,
) -> np.ndarray:
    """Weight and bias (C, D + 1) after all epochs."""
    head = linear(draws, train.features.shape[1], class_count, dtype)
    optimizer = build_torch_optimizer(head, hyperparameters)
    for _ in range(hyperparameters["epochs"]):
        for batch in draws.batches(len(train.labels), hyperparameters["batch_size"]):
            features = draws.dropout(train.features[batch], hyperparameters["dropout_rate"])
            loss = cross_entropy(
                head(torch.from_numpy(features).to(dtype)),
                torch.from_numpy(train.labels[batch]),
                label_smoothing=hyperparameters["label_smoothing"],
            )
            optimizer.zero_grad()
            loss.backward()
            if hyperparameters["grad_clip"]:
                torch.nn.utils.clip_grad_norm_(head.parameters(), hyperparameters["grad_clip"])
            optimizer.step()
    return torch.cat([head.weight, head.bias[:, None]], 1).detach().numpy()
