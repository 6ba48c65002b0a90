"""What may be passed on of each data set, by its licence."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaprobe.config.reading import read_strictly

# Under these, what is made of the images may be passed on with the licence named beside it. A licence that
# stands with a remark, such as "(not verified)", is none of them, and neither is one without derivatives.
OPEN = re.compile(
    r"CC0( 1\.0)?|CC[ -]BY(-NC)?(-SA)?[ -]\d\.\d|MIT|BSD-[23]-Clause|Apache-2\.0|public domain"
)
UNKNOWN = "not named"
UNSEEN = "not looked up"  # where there is no configuration to look into


@dataclass(frozen=True)
class Licences:
    """Task -> its licence, as far as known; `otherwise` is said of any other task."""

    known: Mapping[str, str]
    otherwise: str = UNKNOWN

    def of(self, task: str) -> str:
        """Return the licence of a data set."""
        return self.known.get(task, self.otherwise)

    def is_open(self, task: str) -> bool:
        """Return whether what is made of single images may be passed on: features, labels, predictions.

        Numbers about a whole data set, such as accuracies and meta-features, are facts and always may.
        """
        return OPEN.fullmatch(self.of(task)) is not None

    def closed(self, tasks: Iterable[str]) -> list[str]:
        """Return those of the tasks of which nothing per image may be passed on."""
        return [task for task in tasks if not self.is_open(task)]


def read_licences(checkout: Path | None, files: Sequence[Path]) -> Licences:
    """Return what the checkout's own configuration, if there is one, and these files say; later ones win.

    A derived data set has its parent's licence.

    Raises:
        UserError: a file cannot be read.
    """
    entries: dict[str, Any] = {}
    own = sorted((checkout / "config").glob("*.yaml")) if checkout else []
    for file in [*own, *files]:
        entries |= read_strictly(file).get("datasets") or {}
    found: dict[str, str] = {}
    for task, entry in entries.items():
        parent = entries.get(str(entry.get("from"))) if entry else None
        if licence := (parent or entry or {}).get("licence"):
            found[task] = str(licence)
    return Licences(found, UNKNOWN if own else UNSEEN)
