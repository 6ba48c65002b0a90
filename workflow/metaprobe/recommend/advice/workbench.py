"""The pictures of a new data set at work: features of as many as are asked for, kept in a folder.

Whatever stops the work, what is in the folder is used when it goes on. To be imported where it is
used, as it imports torch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.backbones import Backbone
from metaprobe.config.datasets import Entry
from metaprobe.core.arrays import read_arrays, write_arrays
from metaprobe.core.files import digest_json, write_checked_json
from metaprobe.data.dataset import draw_subset, open_dataset, subset_images
from metaprobe.data.readers import Dataset
from metaprobe.data.validation_images import draw_validation
from metaprobe.features.backbones import Ready, Weights, preprocessing
from metaprobe.features.engines import ENGINES, Engine, choose_device, keep_freed_memory
from metaprobe.features.extraction import extract, mapping
from metaprobe.features.receipt import examine
from metaprobe.recommend.advice.probes import probe, probe_order
from metaprobe.training.heads import LabelledFeatures
from metaprobe.training.material import Material
from metaprobe.training.trained import train_once

AT_ONCE = 64  # images between two looks at the clock, and between two files
LOADED = 2  # backbones in memory at a time
Features = NDArray[np.float32]


class OutOfTime(Exception):
    """The next pictures would not be done in time."""


@dataclass(frozen=True)
class Settings:
    """Those settings of the run that decide features.

    Attributes:
        weights: `imagenet` or `random`.
        weights_folder: where the files of weights lie, or are put.
    """

    seed: int
    weights: str
    weights_folder: Path
    device: str
    engine: str
    precision: str
    threads: int


@dataclass
class Workbench:
    """One data set.

    Attributes:
        folder: where features are kept.
        subset, validation: which pictures are trained on and chosen by; test pictures are not looked
            at.
        seconds_per_image, seconds_to_start: of backbones, as they were measured here.
    """

    task_id: str
    dataset: Dataset
    transform: str
    backbones: dict[str, Backbone]
    settings: Settings
    folder: Path
    subset: dict[str, Any]
    validation: dict[str, Any]
    seconds_per_image: dict[str, float] = field(default_factory=dict)
    seconds_to_start: dict[str, float] = field(default_factory=dict)
    _engines: dict[str, Engine] = field(default_factory=dict)

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
        return self.train_images + len(self.validation["indices"])

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
            UserError: as of `probe`; or the training diverged.
        """
        parts = {
            part: LabelledFeatures(
                self._features(backbone, part, count, deadline).astype(np.float64),
                self._labels(part),
            )
            for part, count in (
                ("validation", len(self.validation["indices"])),
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
        said = train_once(material, hyperparameters, self.task_id, self.settings.seed)
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
            engine = self._engine(backbone)
        while count < images:
            upto = min(count + AT_ONCE, images)
            expected = self.seconds_per_image.get(backbone, 0.0) * (upto - count)
            if time.monotonic() + expected > deadline:
                raise OutOfTime
            features = self._extract(engine, part, count, upto, backbone)
            path = self.folder / backbone / f"{part}-{count:06d}-{upto:06d}.safetensors"
            write_arrays(path, {"features": features}, {"part": part, "upto": upto})
            count = upto
        read = [read_arrays(path)[0]["features"] for path in self._files(backbone, part)]
        whole: Features = np.concatenate(read)
        return whole[:images]

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
        before = self.seconds_per_image.get(backbone, rate)
        self.seconds_per_image[backbone] = 0.5 * (rate + before)
        return features

    def _engine(self, name: str) -> Engine:
        """Return a backbone that is ready to run; the one used longest ago makes room for it."""
        if name in self._engines:
            self._engines[name] = self._engines.pop(name)
            return self._engines[name]
        start = time.monotonic()
        while len(self._engines) >= LOADED:
            self._engines.pop(next(iter(self._engines)))
        keep_freed_memory()
        ready, own = self._ready(name), self.settings
        device = choose_device(own.device)
        self._engines[name] = ENGINES[own.engine](ready, device, own.precision, own.threads)
        self.seconds_to_start[name] = time.monotonic() - start
        return self._engines[name]

    def _ready(self, name: str) -> Ready:
        own, receipt = self.settings, None
        if own.weights != "random":
            receipt = self.folder / name / "weights.json"
            if not receipt.is_file():
                receipt.parent.mkdir(parents=True, exist_ok=True)
                found = examine(name, self.backbones[name], own.weights_folder, download=True)
                write_checked_json(receipt, found)
        weights = Weights(own.weights, own.seed, receipt, own.weights_folder)
        return weights.ready(name, self.backbones[name])


def set_up(
    task_id: str,
    entry: Entry,
    *,
    data: Path,
    backbones: dict[str, Backbone],
    settings: Settings,
    folder: Path,
    sampling: str,
    sizes: dict[str, int],
    validation_images: int,
    say: Callable[[str], None],
) -> Workbench:
    """Return the workbench of a data set; what an earlier one has left in `folder` is used if it fits.

    Raises:
        UserError: the data set cannot be read, or has too few pictures.
    """
    dataset = open_dataset(task_id, entry, data)
    subset = draw_subset(
        task_id, entry, dataset, seed=settings.seed, sampling=sampling, sizes=sizes
    )
    validation = draw_validation(subset, entry, dataset, validation_images)
    told = {name: one.parameters() for name, one in backbones.items()}
    decides = [subset["sha256"], validation["sha256"], settings.weights, settings.engine]
    own = folder / digest_json([*decides, settings.precision, told])[:16]
    if own.is_dir():
        say("goes on with the features that are there")
    own.mkdir(parents=True, exist_ok=True)
    return Workbench(
        task_id, dataset, entry.transform, backbones, settings, own, subset, validation
    )
