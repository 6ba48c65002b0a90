"""Hyperparameters as numbers in [0, 1]."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.reader.dictionary import defaults

if TYPE_CHECKING:
    import pandas as pd

WIDE = 10  # largest over smallest, from which on a logarithm spreads the values better


@dataclass(frozen=True)
class Axis:
    """A hyperparameter that varies: its values, sorted, and how they become coordinates."""

    name: str
    values: tuple[Any, ...]

    @property
    def categorical(self) -> bool:
        """Return whether its values have no order."""
        return isinstance(self.values[0], str)

    @property
    def log(self) -> bool:
        """Return whether its logarithm is scaled."""
        return (
            not self.categorical and self.values[0] > 0 and self.values[-1] >= WIDE * self.values[0]
        )

    @property
    def coordinates(self) -> list[str]:
        """The names of its coordinates: one, or one per category."""
        if self.categorical:
            return [f"{self.name}.ohe._{value}" for value in self.values]
        return [self.name]

    def encode(self, column: "pd.Series") -> NDArray[np.float64]:
        """Return (N, coordinates) numbers in [0, 1]."""
        if self.categorical:
            found = column.to_numpy()[:, None] == np.array(self.values, dtype=object)[None]
            return found.astype(np.float64)
        scale = np.log if self.log else np.asarray
        low, high = scale(float(self.values[0])), scale(float(self.values[-1]))
        scaled: NDArray[np.float64] = (scale(column.to_numpy(np.float64)) - low) / (high - low)
        return scaled[:, None]


def hyperparameters(rows: "pd.DataFrame") -> list[str]:
    """Return the columns that are hyperparameters and vary, in the order of the table."""
    return [name for name in defaults() if name in rows and rows[name].nunique() > 1]


def axes_of(rows: "pd.DataFrame") -> list[Axis]:
    """Return an axis per hyperparameter that varies."""
    names = hyperparameters(rows)
    return [Axis(name, tuple(sorted(rows[name].unique().tolist()))) for name in names]


def encode(rows: "pd.DataFrame", axes: Sequence[Axis]) -> NDArray[np.float64]:
    """Return (N, D) coordinates of rows; (N, 1) zeros if nothing varies."""
    columns = [axis.encode(rows[axis.name]) for axis in axes]
    return np.hstack(columns) if columns else np.zeros((len(rows), 1))
