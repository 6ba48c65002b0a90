"""What can be advised: the configurations of a run, and the backbones and recipes they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.files import digest_json


@dataclass(frozen=True)
class Candidates:
    """C configurations of B backbones.

    Attributes:
        hyperparameters: of each configuration, by id.
        parameters: of each backbone's whole network, by id; the static list is ordered by them.
    """

    hyperparameters: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, float]

    @cached_property
    def configurations(self) -> list[str]:
        """Ids, in the declared order."""
        return list(self.hyperparameters)

    @cached_property
    def backbones(self) -> list[str]:
        """Ids, in the order in which configurations name them."""
        return list(dict.fromkeys(one["architecture"] for one in self.hyperparameters.values()))

    @cached_property
    def backbone_of(self) -> NDArray[np.int64]:
        """The place of each configuration's backbone: (C,)."""
        return np.array(
            [self.backbones.index(one["architecture"]) for one in self.hyperparameters.values()]
        )

    @cached_property
    def recipe_of(self) -> NDArray[np.int64]:
        """A number for all that a configuration says beside its backbone: (C,)."""
        recipes = [recipe_of(one) for one in self.hyperparameters.values()]
        numbers = {recipe: number for number, recipe in enumerate(dict.fromkeys(recipes))}
        return np.array([numbers[recipe] for recipe in recipes])

    @cached_property
    def only_head(self) -> NDArray[np.bool_]:
        """Whether a configuration trains a head on the plain features: (C,)."""
        return np.array([trains_only_head(one) for one in self.hyperparameters.values()])

    @cached_property
    def size(self) -> NDArray[np.float64]:
        """Log of the parameters of each configuration's backbone, standardised: (C,)."""
        logs = np.log([max(1.0, self.parameters[name]) for name in self.backbones])
        spread = logs.std()
        standard = (logs - logs.mean()) / spread if spread > 0 else np.zeros_like(logs)
        found: NDArray[np.float64] = standard[self.backbone_of]
        return found

    def of_backbone(self, backbone: int) -> NDArray[np.int64]:
        """Return the configurations whose heads a probe of a backbone tells of; all of it if none."""
        own = self.backbone_of == backbone
        return np.flatnonzero(own & self.only_head if (own & self.only_head).any() else own)


def recipe_of(hyperparameters: Mapping[str, Any]) -> str:
    """Return a digest of all hyperparameters but the backbone."""
    return digest_json(
        {key: value for key, value in sorted(hyperparameters.items()) if key != "architecture"}
    )


def trains_only_head(hyperparameters: Mapping[str, Any]) -> bool:
    """Return whether a configuration needs nothing but the plain features of its backbone."""
    trainable = hyperparameters.get("trainable") or "head"
    augmentation = hyperparameters.get("augmentation") or "none"
    return trainable == "head" and augmentation == "none"
