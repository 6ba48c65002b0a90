"""What the steps towards an advice cost, in seconds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaprobe.recommend.advice.candidates import Candidates

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prices:
    """Of one data set.

    Attributes:
        start: (B,) seconds to load a backbone.
        image: (B,) seconds of one image in one pass.
        own: (C,) seconds of a configuration beside its backbone's plain features: of training, and of
            passes that only it needs.
        images: all images that a trained configuration needs features of.
        probe: (B, K) seconds of a probe beside its features, by rung; None where that is not known.
    """

    start: Floats
    image: Floats
    own: Floats
    images: int
    probe: Floats | None = None

    def of_features(self, backbone: int, there: int, wanted: int) -> float:
        """Return the price of a backbone's features of images, where some are there already."""
        if wanted <= there:
            return 0.0
        return float(self.start[backbone] * (there == 0) + self.image[backbone] * (wanted - there))

    def of_probe(self, backbone: int, rung: int, there: int, wanted: int) -> float:
        """Return the price of a probe of so many images."""
        own = 0.0 if self.probe is None else float(np.nan_to_num(self.probe[backbone, rung]))
        return self.of_features(backbone, there, wanted) + own

    def of_training(self, candidates: Candidates, configuration: int, there: int) -> float:
        """Return the price of a trained configuration, where some features are there already."""
        if not candidates.only_head[configuration]:
            return float(self.own[configuration])
        backbone = int(candidates.backbone_of[configuration])
        return self.of_features(backbone, there, self.images) + float(self.own[configuration])

    def of_everything(self, candidates: Candidates) -> float:
        """Return the price of training every configuration, each backbone's features once."""
        used = set(candidates.backbone_of[candidates.only_head].tolist())
        return sum(self.of_features(one, 0, self.images) for one in used) + float(self.own.sum())
