"""Sizes of networks, which take seconds to find out: kept in a file, published, or found out now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaprobe.config.backbones import Backbone
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json, write_checked_json
from metaprobe.data.transforms import PROTOCOL


class Size(NamedTuple):
    """Parameters of the whole network, and GFLOP of one picture."""

    parameters: float
    gflop: float


# Where nothing is known of any network.
USUAL = Size(2e7, 2.0)


@dataclass
class Sizes:
    """Of some backbones.

    Attributes:
        path: where sizes that were found out are kept.
        keys: backbone -> digest of what decides its size.
        known: backbone -> its size.
    """

    path: Path
    backbones: Mapping[str, Backbone]
    keys: Mapping[str, str]
    known: dict[str, Size] = field(default_factory=dict)

    @property
    def lacking(self) -> list[str]:
        """The backbones whose size is not known."""
        return [name for name in self.backbones if name not in self.known]

    def look_up(self) -> None:
        """Take what is kept; of the others what is published. No network is built."""
        kept = self._kept()
        self.known |= {name: Size(*kept[key]) for name, key in self.keys.items() if key in kept}
        for name in self.lacking:
            if size := published(self.backbones[name]):
                self.known[name] = size

    def find_out(self, name: str) -> None:
        """Build a network and keep its size.

        Raises:
            UserError: it cannot be built.
        """
        from metaprobe.features.facts import find_out

        facts = find_out(self.backbones[name])
        self.known[name] = Size(float(facts.parameters), facts.gflop)
        write_checked_json(self.path, self._kept() | {self.keys[name]: [*self.known[name]]})

    def guessed(self) -> dict[str, Size]:
        """Return all sizes; one that is not known is taken for the middle of the others."""
        middle = USUAL
        if self.known:
            middle = Size(*map(float, np.median([*self.known.values()], axis=0)))
        return {name: self.known.get(name, middle) for name in self.backbones}

    def _kept(self) -> dict[str, list[float]]:
        """Return what the file holds; nothing if it is damaged, as all of it can be found out again."""
        try:
            told = read_checked_json(self.path) if self.path.is_file() else {}
        except UserError:
            return {}
        return {key: value for key, value in told.items() if key != "sha256"}


def published(backbone: Backbone) -> Size | None:
    """Return what torchvision says of a network that sees pictures of the size it says it for."""
    if backbone.origin != "torchvision":
        return None
    from metaprobe.features.networks import member_of, preprocessing_of

    try:
        member = member_of(backbone)
        of_library = preprocessing_of(backbone.model_copy(update={"input_size": None})).size
    except (UserError, AttributeError, TypeError):
        return None  # whoever builds it says what is wrong
    protocol = backbone.preprocessing == "protocol"
    side = PROTOCOL.size if protocol else (backbone.input_size or of_library)
    told = member.meta
    if side != of_library or not told.get("num_params") or not told.get("_ops"):
        return None
    return Size(float(told["num_params"]), float(told["_ops"]))
