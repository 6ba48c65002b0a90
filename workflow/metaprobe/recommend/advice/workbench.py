"""The pictures of a new data set at work: features of as many as are asked for, kept in a folder.

Whatever stops the work, what is in the folder is used when it goes on. To be imported where it is
used, as it imports torch.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.backbones import Backbone
from metaprobe.core.arrays import read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.data.dataset import subset_images
from metaprobe.data.readers import Dataset
from metaprobe.features.backbones import preprocessing
from metaprobe.features.engines import Engine
from metaprobe.features.extraction import extract, mapping
from metaprobe.features.loaded import Loaded, Settings
from metaprobe.recommend.advice.guesses import WIDTH, seconds_per_image, seconds_to_start
from metaprobe.recommend.advice.probes import probe, probe_order
from metaprobe.recommend.advice.progress import Failed, OutOfTime
from metaprobe.training.heads import LabelledFeatures
from metaprobe.training.material import Material
from metaprobe.training.trained import train_once

AT_ONCE = 64  # images between two looks at the clock, and between two files
Features = NDArray[np.float32]


@dataclass
class Workbench:
    """One data set.

    Attributes:
        folder: where features are kept.
        subset, validation: which pictures are trained on and chosen by; nothing is chosen on test
            pictures.
        gflop: of one picture, by backbone.
        measured: backbone -> seconds of one picture here.
        width: backbone -> numbers in a feature vector, where there are any yet.
    """

    task_id: str
    dataset: Dataset
    transform: str
    backbones: dict[str, Backbone]
    settings: Settings
    folder: Path
    subset: dict[str, Any]
    validation: dict[str, Any]
    gflop: Mapping[str, float]
    measured: dict[str, float] = field(default_factory=dict)
    width: dict[str, int] = field(default_factory=dict)

    @cached_property
    def loaded(self) -> Loaded:
        """The backbones."""
        return Loaded(self.backbones, self.settings, self.folder)

    @property
    def weights(self) -> str:
        """`imagenet` or `random`."""
        return self.settings.weights

    @property
    def class_count(self) -> int:
        """C."""
        count: int = self.subset["class_count"]
        return count

    @property
    def positions(self) -> NDArray[np.int64]:
        """The places of the training images in the subset, in the order in which they are looked at."""
        count = len(self.subset["train"]["indices"])
        taken = np.array(self.validation["from_training"], np.int64)
        order = probe_order(self.settings.seed, self.task_id, count)
        return order[~np.isin(order, taken)]

    @property
    def train_images(self) -> int:
        """How many training images there are, those for choosing left out."""
        return len(self.positions)

    @property
    def images(self) -> int:
        """All that a trained configuration needs."""
        return self.train_images + self.validation_images

    @property
    def validation_images(self) -> int:
        """How many images heads are judged on."""
        return len(self.validation["indices"])

    @property
    def seconds_per_image(self) -> dict[str, float]:
        """What a picture is expected to take, by backbone."""
        return seconds_per_image(self.gflop, self.measured)

    @property
    def seconds_to_start(self) -> dict[str, float]:
        """What loading is expected to take, by backbone."""
        return seconds_to_start([*self.gflop], self.loaded.seconds)

    def width_of(self, backbone: str) -> int:
        """Return D; a usual number until there are features."""
        return self.width.get(backbone, WIDTH)

    def there(self, backbone: str) -> int:
        """Return how many training images have features."""
        return self._count(backbone, "train")

    def probe(self, backbone: str, images: int, deadline: float) -> float:
        """Return the leave-one-out accuracy of the first images.

        Raises:
            OutOfTime: it cannot be had before the deadline (`time.monotonic`).
            UserError: a picture does not decode, or the backbone cannot be had.
        """
        features = self._features(backbone, "train", images, deadline)
        return probe(features, self._labels("train")[:images])

    def train(
        self, backbone: str, hyperparameters: dict[str, Any], deadline: float
    ) -> tuple[float, float]:
        """Train a head on all training images; return its accuracy on the validation images, and seconds.

        Raises:
            OutOfTime: the features cannot be had before the deadline.
            Failed: the training diverged.
            UserError: as of `probe`.
        """
        parts = {
            part: LabelledFeatures(
                self._features(backbone, part, count, deadline).astype(np.float64),
                self._labels(part),
            )
            for part, count in (
                ("validation", self.validation_images),
                ("train", self.train_images),
            )
        }
        start = time.monotonic()
        material = Material(
            train=parts["train"],
            test=parts["validation"],  # the test images are kept for the end
            validation=parts["validation"],
            views=(),
            extraction={"class_count": self.subset["class_count"]},
            parts={},
        )
        try:
            said = train_once(material, hyperparameters, self.task_id, self.settings.seed)
        except UserError as error:
            raise Failed(str(error)) from None
        assert said.validation_logits is not None
        right = said.validation_logits.argmax(axis=1) == parts["validation"].labels
        return float(right.mean()), time.monotonic() - start

    def _labels(self, part: str) -> NDArray[np.int64]:
        if part == "validation":
            return np.array(self.validation["labels"])
        found: NDArray[np.int64] = np.array(self.subset["train"]["labels"])[self.positions]
        return found

    def _indices(self, part: str) -> NDArray[np.int64]:
        """Return the places in the pool of a part's images."""
        if part == "validation":
            return np.array(self.validation["indices"])
        found: NDArray[np.int64] = np.array(self.subset["train"]["indices"])[self.positions]
        return found

    def _files(self, backbone: str, part: str) -> list[Path]:
        return sorted((self.folder / backbone).glob(f"{part}-*.safetensors"))

    def _count(self, backbone: str, part: str) -> int:
        files = self._files(backbone, part)
        return int(files[-1].stem.rpartition("-")[2]) if files else 0

    def _features(self, backbone: str, part: str, images: int, deadline: float) -> Features:
        """Return features (images, D), those that are not there yet computed and written."""
        count = self._count(backbone, part)
        if count < images:
            engine = self._engine(backbone, min(AT_ONCE, images - count), deadline)
        while count < images:
            upto = min(count + AT_ONCE, images)
            self._see_that_time_is_left(backbone, upto - count, 0.0, deadline)
            features = self._extract(engine, part, count, upto, backbone)
            path = self.folder / backbone / f"{part}-{count:06d}-{upto:06d}.safetensors"
            write_arrays(path, {"features": features}, {"part": part, "upto": upto})
            count = upto
        read = [read_arrays(path)[0]["features"] for path in self._files(backbone, part)]
        whole: Features = np.concatenate(read)
        self.width[backbone] = whole.shape[1]
        return whole[:images]

    def _engine(self, backbone: str, images: int, deadline: float) -> Engine:
        """Return a backbone that is ready to run, if time is left to load it and for the first images."""
        start = 0.0 if backbone in self.loaded else self.seconds_to_start[backbone]
        self._see_that_time_is_left(backbone, images, start, deadline)
        return self.loaded[backbone]

    def _see_that_time_is_left(
        self, backbone: str, images: int, start: float, deadline: float
    ) -> None:
        if time.monotonic() + start + self.seconds_per_image[backbone] * images > deadline:
            raise OutOfTime

    def _extract(self, engine: Engine, part: str, first: int, upto: int, backbone: str) -> Features:
        start = time.monotonic()
        pool = (self.subset["train"] if part == "train" else self.validation)["pool"]
        wanted = {"pool": pool, "indices": self._indices(part)[first:upto].tolist()}
        chosen = {"task_id": self.task_id, "wanted": wanted}
        threads = 1 if self.settings.device == "cpu" else self.settings.threads
        with mapping(threads) as mapped:
            to = preprocessing(self.backbones[backbone])
            seen = subset_images(chosen, "wanted", self.dataset, self.transform, to, mapped)
            features = extract(engine, seen).features
        rate = (time.monotonic() - start) / (upto - first)
        self.measured[backbone] = 0.5 * (rate + self.measured.get(backbone, rate))
        return features
