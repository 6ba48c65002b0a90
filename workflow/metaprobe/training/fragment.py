"""The JSON fragment of one experiment: its fields, and reading it with suspicion.

From the fields follow what is refused on reading, and the columns of the tables.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, with_config
from typing_extensions import TypedDict

from metaprobe.config.configurations import RECIPE_DEFAULTS, TYPES
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, checksum_matches, read_json

SAME_LOSS = 1e-4
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

Experiment = tuple[str, str]  # data set and configuration
# Of each experiment what its fragment must say to be of this run: hyperparameters, `seed`,
# `sampling`, `weights` (their id), `engine` (its name), `precision`, `replicates` (their number).
Expected = Mapping[Experiment, Mapping[str, Any]]
Fraction = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Gigabytes = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]


class Model(BaseModel):
    """A part of a fragment: no other keys, no text for a number, no infinity."""

    model_config = STRICT


@with_config(STRICT)
class Point(TypedDict):
    """One epoch of a learning curve; `train_loss` is the mean of the loss that was minimised,
    smoothing and dropout included.
    """

    epoch: Count
    train_loss: Loss
    test_loss: Loss
    test_accuracy: Fraction
    validation_loss: NotRequired[Loss]
    validation_accuracy: NotRequired[Fraction]


Curve = Annotated[list[Point], Field(min_length=1)]


class Identity(Model):
    """Which experiment it is."""

    task_id: str
    configuration: str


_fields: Any = {name: (kind, RECIPE_DEFAULTS.get(name, ...)) for name, kind in TYPES.items()}
Hyperparameters: Any = create_model("Hyperparameters", __base__=Model, **_fields)


class Metrics(Model):
    """What is measured of a trained head; `test_loss` is cross-entropy in nats, never smoothed."""

    test_accuracy: Fraction
    train_accuracy: Fraction
    test_loss: Loss
    test_balanced_accuracy: Fraction
    test_macro_f1: Fraction
    test_top5_accuracy: Fraction
    test_expected_calibration_error: Fraction


METRICS = tuple(Metrics.model_fields)


class Choices(Model):
    """What was chosen in training, where anything was; of several replicates the mean.

    `penalty` is the weight decay of a logistic regression, or the penalty of a ridge regression per
    image, in units of the mean squared norm of a feature vector.
    """

    best_epoch: float | None = None
    stopped_epoch: float | None = None
    penalty: float | None = None
    leave_one_out_accuracy: Fraction | None = None


CHOICES = tuple(Choices.model_fields)


class Validated(Model):
    """On the validation images, if the configuration has any."""

    validation_accuracy: Fraction | None = None
    validation_loss: Loss | None = None


VALIDATED = tuple(Validated.model_fields)


class Replicate(Metrics, Choices):
    """One trained head; the seed is of its initial weights, batches and dropout masks."""

    seed: Seed
    seconds: Seconds
    cpu_seconds: Seconds | None = None
    learning_curve: Curve


class Split(Model):
    """How training and test images were told apart."""

    rule: Literal["official", "stratified", "random"]
    test_fraction: float | None = None


class Weights(Model):
    """The backbone's: torchvision's enum member and file, or random with its seed."""

    id: str
    file: str | None
    sha256: Digest


class Engine(Model):
    """What ran the backbone."""

    name: str
    version: str


class Phases(Model):
    """Wall seconds by phase; `waiting` is what the network waited for images. CPU seconds are of all
    threads of a process, and do not grow where other programs run.
    """

    train_features: Seconds
    test_features: Seconds
    waiting: Seconds
    head: Seconds
    features_cpu: Seconds | None = None
    head_cpu: Seconds | None = None


class Memory(Model):
    """Largest resident memory of the two jobs, in 10^9 bytes; a card's is not in it."""

    features: Gigabytes
    head: Gigabytes


class Fragment(Metrics, Validated, Choices, Hyperparameters, Identity):  # type: ignore[misc]  # made from TYPES
    """One experiment, as `metrics/{dataset}/{configuration}.json`; docs/outputs.md explains each field.

    Metrics, learning curve and `seconds.head` are means over the replicates.
    """

    training_time_sec: Seconds
    train_majority_rate: Fraction
    test_majority_rate: Fraction
    class_count: Annotated[int, Field(ge=2)]
    pretext: str | None
    split: Split
    partial: bool
    read_as: str
    broken_images: Annotated[int, Field(ge=0)] = 0
    family: str | None
    train_images: Count
    test_images: Count
    sampling: Literal["random", "stratified"]
    subset_sha256: Digest
    pixels_sha256: Digest
    preprocessing: str = "protocol"
    weights: Weights
    seed: Seed
    engine: Engine
    precision: str
    device: str
    seconds: Phases
    peak_memory_gb: Memory
    learning_curve: Curve
    replicates: Annotated[list[Replicate], Field(min_length=1)]
    versions: dict[str, str]
    git_commit: str | None
    parts: list[str] = []
    sha256: Digest

    def value_of(self, key: str) -> Any:
        """Return what `Expected` compares under this key."""
        found = {
            "weights": self.weights.id,
            "engine": self.engine.name,
            "replicates": len(self.replicates),
        }
        return found[key] if key in found else getattr(self, key)


def read_fragment(
    path: str | Path,
    task_id: str,
    configuration: str,
    expected: Mapping[str, Any] = MappingProxyType({}),
) -> Fragment:
    """Read one fragment; see `Expected` for what is expected beside its ids.

    Raises:
        UserError: a value is missing, extra, impossible or at odds with another, or it is another
            experiment's or run's.
    """
    content = read_json(path)
    try:
        fragment = Fragment.model_validate(content)
    except ValidationError as error:
        raise broken(path, first_mistake(error)) from None
    for key, value in {"task_id": task_id, "configuration": configuration, **expected}.items():
        if repr(found := fragment.value_of(key)) != repr(value):
            raise broken(path, f"its {key} is {found}, not {value}")
    if trouble := next(contradictions(fragment), None):
        raise broken(path, trouble)
    if not checksum_matches(content):
        raise broken(path, "its content does not match its digest")
    return fragment


def check_same_pictures(fragment: Fragment, path: str | Path, pixels: dict[str, str]) -> None:
    """See that all fragments of a data set are of the same pictures.

    Args:
        pixels: task_id and preprocessing -> digest of the pictures of the first fragment; filled in
            here.

    Raises:
        UserError: this one is of others.
    """
    seen = f"{fragment.task_id} {fragment.preprocessing}"
    first = pixels.setdefault(seen, fragment.pixels_sha256)
    if fragment.pixels_sha256 != first:
        raise UserError(
            f"{path}: the pictures of {fragment.task_id} changed between its architectures: delete "
            "its subset and start the run again"
        )


def first_mistake(error: ValidationError) -> str:
    """Return where the first mistake is, what is wrong, and the value if it is a short one."""
    first = error.errors(include_url=False)[0]
    where = "/".join(map(str, first["loc"]))
    shown = first["type"] != "missing" and isinstance(first["input"], str | int | float | None)
    text = first["msg"] + (f", found {first['input']!r}" if shown else "")
    return f"{where}: {text}" if where else text


def contradictions(fragment: Fragment) -> Iterator[str]:
    """Yield what in a fragment cannot be true together."""
    replicates, seconds = fragment.replicates, fragment.seconds
    curves = [one.learning_curve for one in replicates]
    for one in replicates:
        if [point["epoch"] for point in one.learning_curve] != list(
            range(1, trained_epochs(one, fragment) + 1)
        ):
            yield f"its learning_curve has not the {fragment.epochs} epochs it names"
            return
    for number, one in enumerate(replicates):
        for trouble in _contradictions_of_replicate(one, fragment):
            yield f"replicate {number}: {trouble}"
        if one.seed != fragment.seed + number:
            yield f"replicate {number}: its seed is not {fragment.seed + number}"
    for name in METRICS:
        mean = fmean(getattr(one, name) for one in replicates)
        if not math.isclose(getattr(fragment, name), mean, rel_tol=1e-9):
            yield f"its {name} is not the mean of its replicates"
    if not math.isclose(seconds.head, fmean(one.seconds for one in replicates), rel_tol=1e-9):
        yield "its seconds/head is not the mean of its replicates"
    if fragment.learning_curve != mean_curve(curves):
        yield "its learning_curve is not the mean of its replicates"
    alone = seconds.train_features + seconds.head
    if not math.isclose(fragment.training_time_sec, alone, abs_tol=1e-6):
        yield "its training_time_sec is not the sum of its parts"


def trained_epochs(replicate: Replicate, fragment: Fragment) -> int:
    """Return how many points a learning curve must have; a head that is solved for has one."""
    if fragment.head != "linear":
        return 1
    return fragment.epochs if replicate.stopped_epoch is None else int(replicate.stopped_epoch)


def _contradictions_of_replicate(replicate: Replicate, fragment: Fragment) -> Iterator[str]:
    last = replicate.learning_curve[int(replicate.best_epoch or 0) - 1]
    if not same_loss(last["test_loss"], replicate.test_loss):
        yield "its test_loss is not the last of its learning_curve"
    rounding_images = 2  # a tie may fall otherwise in single and in double precision
    apart = abs(last["test_accuracy"] - replicate.test_accuracy) * fragment.test_images
    if apart > rounding_images:
        yield "its test_accuracy is not the last of its learning_curve"
    for split, accuracy, images in (
        ("train", replicate.train_accuracy, fragment.train_images),
        ("test", replicate.test_accuracy, fragment.test_images),
    ):
        right = accuracy * images
        if abs(right - round(right)) > 1e-6:
            yield f"its {split}_accuracy is no fraction of {images} images"


def same_loss(first: float, second: float) -> bool:
    """Return whether two losses are equal but for single against double precision."""
    return math.isclose(first, second, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS)


def mean_curve(curves: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the mean of learning curves, epoch by epoch, over those that reached the epoch."""
    longest = max(curves, key=len)
    there = [[curve[i] for curve in curves if i < len(curve)] for i in range(len(longest))]
    return [
        {"epoch": points[0]["epoch"]}
        | {name: fmean(p[name] for p in points) for name in points[0] if name != "epoch"}
        for points in there
    ]
