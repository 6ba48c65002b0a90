"""What was seen and spent on the way to an advice, kept in a file; and how a step may end without a result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.files import read_checked_json, write_checked_json


class OutOfTime(Exception):
    """The next pictures would not be done in time."""


class Failed(UserError):
    """A configuration cannot be trained on these pictures, now or later."""


@dataclass
class Progress:
    """What was seen and spent.

    Attributes:
        steps: each with what was done, what was seen, and its seconds.
        seconds: spent in all, from the moment the command was given.
        left_out: backbone -> why it cannot be had; asked again at the next start.
        failed: configuration -> why it cannot be trained.
        passing: the same, where the next start may try again.
    """

    path: Path
    steps: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    passing: dict[str, str] = field(default_factory=dict)

    @property
    def untrainable(self) -> dict[str, str]:
        """Configuration -> why it is out of the search."""
        return self.passing | self.failed

    def read(self) -> None:
        """Take over what an earlier start has written."""
        if self.path.is_file():
            told = read_checked_json(self.path)
            self.steps, self.seconds = told["steps"], told["seconds"]
            self.failed = told.get("failed", {})

    def add(self, *steps: dict[str, Any], seconds: float) -> None:
        """Write what was done, and the seconds spent in all."""
        self.steps += steps
        self.seconds = seconds
        told = {"steps": self.steps, "seconds": seconds, "failed": self.failed}
        write_checked_json(self.path, told)

    def give_up(self, configuration: str, error: Failed | PassingError) -> None:
        """Leave a configuration out, for good if it would fail again; `add` writes it."""
        where = self.failed if isinstance(error, Failed) else self.passing
        where[configuration] = f"configurations/{configuration}: {error}"
