"""What a search for an advice needs of the pictures: probes and trainings, and what they take."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Trained(NamedTuple):
    """What a training has shown, on how many validation images, after how many training images."""

    accuracy: float
    training_seconds: float
    validation_images: int
    images: int


class Elsewhere(Protocol):
    """What trains a configuration that needs more than plain features."""

    def __call__(self, configuration: str, deadline: float) -> Trained:
        """Return what it has shown; OutOfTime if there are too few seconds, Failed if it cannot be."""


class Bench(Protocol):
    """The pictures at work: see `workbench.Workbench`."""

    @property
    def task_id(self) -> str: ...  # noqa: D102
    @property
    def weights(self) -> str: ...  # noqa: D102
    @property
    def class_count(self) -> int: ...  # noqa: D102
    @property
    def train_images(self) -> int: ...  # noqa: D102
    @property
    def validation_images(self) -> int: ...  # noqa: D102
    @property
    def images(self) -> int: ...  # noqa: D102
    @property
    def seconds_per_image(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def seconds_to_start(self) -> Mapping[str, float]: ...  # noqa: D102
    def width_of(self, backbone: str) -> int: ...  # noqa: D102
    def there(self, backbone: str) -> int: ...  # noqa: D102
    def probe(self, backbone: str, images: int, deadline: float) -> float: ...  # noqa: D102
    def train(  # noqa: D102
        self, backbone: str, hyperparameters: dict[str, Any], deadline: float
    ) -> tuple[float, float]: ...
