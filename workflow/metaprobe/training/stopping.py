"""When a training stops and which epoch is kept: judged on validation images alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stopping:
    """What decides it.

    Attributes:
        patience: epochs without a better one after which it stops; 0 is never.
        min_delta: how much better an epoch must be.
        accuracy: whether values are accuracies, of which more is better; else losses.
    """

    patience: int = 0
    min_delta: float = 0.0
    accuracy: bool = False

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "Stopping":
        """Return what the hyperparameters of a configuration say of it."""
        return cls(recipe["patience"], recipe["min_delta"], recipe["monitor"] == "accuracy")

    def kept(self, curve: Sequence[Mapping[str, float]]) -> int:
        """Return the epoch whose weights are kept, of a learning curve."""
        if not self.patience:
            return len(curve)
        name = "validation_accuracy" if self.accuracy else "validation_loss"
        return self.replay([point[name] for point in curve])[1]

    def replay(self, values: Sequence[float]) -> tuple[int, int]:
        """Return the epoch after which a training stops, and the one whose weights are kept, from 1.

        As Keras' `EarlyStopping(restore_best_weights=True)`: an epoch is better that beats the best
        so far by more than `min_delta`; patience begins anew with it. Without patience both are the
        last epoch.

        Args:
            values: of the validation images, of each epoch that was trained.
        """
        if not self.patience:
            return len(values), len(values)
        best, kept = float("-inf"), 0
        for epoch, value in enumerate(values, start=1):
            score = value if self.accuracy else -value
            if not kept or score > best + self.min_delta:
                best, kept = score, epoch
            if epoch - kept >= self.patience:
                return epoch, kept
        return len(values), kept
