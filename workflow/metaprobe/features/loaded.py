"""Backbones in memory, ready to run: few at a time, the one used longest ago makes room.

To be imported where it is used, as it imports torch.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from metaprobe.config.backbones import Backbone
from metaprobe.core.files import write_checked_json
from metaprobe.features.backbones import Ready, Weights
from metaprobe.features.engines import ENGINES, Engine, choose_device, keep_freed_memory
from metaprobe.features.receipt import examine

AT_A_TIME = 2


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
class Loaded:
    """Backbones that are loaded when they are asked for.

    Attributes:
        folder: where receipts of weights are kept, by backbone.
        seconds: that loading took here.
    """

    backbones: dict[str, Backbone]
    settings: Settings
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    _engines: dict[str, Engine] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        """Whether a backbone is in memory."""
        return name in self._engines

    def __getitem__(self, name: str) -> Engine:
        """Return a backbone that is ready to run; its weights are fetched if need be.

        Raises:
            UserError: it cannot be had.
        """
        if name in self._engines:
            self._engines[name] = self._engines.pop(name)
            return self._engines[name]
        start = time.monotonic()
        while len(self._engines) >= AT_A_TIME:
            self._engines.pop(next(iter(self._engines)))
        keep_freed_memory()
        ready, own = self._ready(name), self.settings
        device = choose_device(own.device)
        self._engines[name] = ENGINES[own.engine](ready, device, own.precision, own.threads)
        self.seconds[name] = time.monotonic() - start
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
