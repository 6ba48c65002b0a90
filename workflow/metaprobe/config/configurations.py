"""A configuration, what is trained on every data set, and the grid of many; all that is known of a
hyperparameter is said at its field."""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, create_model, field_validator, model_validator

from metaprobe.config.conditions import OF_SOME_OPTIMIZERS, OPTIMIZER_OPTIONS, optimizers_with
from metaprobe.config.model import (
    WHOLE,
    Integer,
    Model,
    OneOf,
    UpTo10Million,
    UpTo1000,
    UpTo10000,
    contradiction,
    listed,
    refusal,
)
from metaprobe.config.recipe import Hyperparameter, Recipe

MEASURED = ("test_accuracy", "train_accuracy", "test_loss", "training_time_sec")
EPOCHS = 3
MOST_COMBINATIONS = 1_000_000


BLANK = Hyperparameter(blank_when_zero=True)


class Configuration(Recipe):
    """The hyperparameters of a head, in the order of the table's columns; absent: not in use."""

    architecture: str
    """the frozen backbone: an id of `backbones`"""
    learning_rate: Annotated[float, Field(ge=0), BLANK]
    """write 0.01, as YAML reads 1e-2 as a text"""
    optimizer: Annotated[str, OneOf(tuple(OPTIMIZER_OPTIONS))] = "Adam"
    """of `torch.optim`, with its defaults for all that is not configured"""
    batch_size: UpTo10Million = 64
    """images per step; the last, smaller batch of an epoch is kept"""
    weight_decay: Annotated[float, Field(ge=0), BLANK] = 0.0
    """as torch.optim applies it: decoupled in AdamW, L2 elsewhere"""
    momentum: Annotated[float, Field(ge=0, lt=1), BLANK] = Field(
        default=0.0, description=f"{' and '.join(optimizers_with('momentum'))} only"
    )
    dropout_rate: Annotated[float, Field(ge=0, lt=1), BLANK] = 0.0
    """probability that a feature is set to 0 before the linear layer, in training"""
    alpha: Annotated[
        float,
        OneOf((1.0,), ", as no pretrained weights exist for any other width multiplier"),
        Hyperparameter(in_grid=False),
    ] = 1.0
    """width multiplier; no pretrained weights exist for any but 1.0"""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), BLANK] = 0.0
    """of the training loss only; `test_loss` is never smoothed"""
    grad_clip: Annotated[float, Field(ge=0), BLANK] = 0.0
    """largest L2 norm of the whole gradient; 0 does not clip"""
    epochs: Annotated[UpTo10000, Hyperparameter(of_run=True)] = EPOCHS
    """passes over the training images"""

    def parameters(self, *, defaults: bool = True) -> dict[str, Any]:
        """Return the hyperparameters as JSON has them, sorted by name.

        The table's are all there. Others are there where they are in use, so that one that is new
        trains no head again.
        """
        used = super().parameters(defaults=False)
        content = super().parameters(defaults=defaults)
        return {k: v for k, v in content.items() if k in used or _role(k).target_column}

    @field_validator("learning_rate")
    @classmethod
    def _moves(cls, value: float, info: ValidationInfo) -> float:
        if not value and info.data.get("head") == "linear":
            raise refusal("more than 0")
        return value

    @field_validator(*OF_SOME_OPTIMIZERS)
    @classmethod
    def _means_something(cls, value: float, info: ValidationInfo) -> float:
        optimizer = info.data.get("optimizer")
        if value and optimizer and info.field_name not in OPTIMIZER_OPTIONS[optimizer]:
            raise means_nothing(str(info.field_name), [optimizer])
        return value


def means_nothing(name: str, optimizers: list[str]) -> Exception:
    """Return the error for a hyperparameter that none of the optimisers has."""
    allowed = " or ".join(optimizers_with(name))
    return contradiction(
        f"means nothing to {' and '.join(optimizers)}; allowed: only with {allowed}"
    )


def _role(name: str) -> Hyperparameter:
    """Return what tables do with a field of Configuration."""
    metadata = Configuration.model_fields[name].metadata
    return next((one for one in metadata if isinstance(one, Hyperparameter)), Hyperparameter())


HYPERPARAMETERS = tuple(sorted(Configuration.model_fields, key=Recipe.model_fields.__contains__))
TYPES: dict[str, Any] = {
    name: Configuration.model_fields[name].annotation for name in HYPERPARAMETERS
}
# Those that need not be there; what a head is trained with is these and its own.
RECIPE_DEFAULTS: dict[str, Any] = {k: one.default for k, one in Recipe.model_fields.items()}
BLANK_WHEN_ZERO = tuple(name for name in HYPERPARAMETERS if _role(name).blank_when_zero)
IN_GRID = tuple(name for name in HYPERPARAMETERS if _role(name).in_grid)
OF_RUN = tuple(name for name in HYPERPARAMETERS if _role(name).of_run)
TARGET_COLUMNS = (
    "task_id",
    *(name for name in HYPERPARAMETERS if _role(name).target_column and name != "epochs"),
    *MEASURED,
    "epochs",
)


class _Grid(Model):
    """What a grid has beside its lists of values."""

    replicates: UpTo1000 = 1
    """heads per combination, with the run's `seed` and the seeds after it: other initial heads,
    batches and masks on the same images"""
    validation_folds: Annotated[Integer, OneOf((0, 5))] = 0
    """5: five-fold cross-validation on the training images, so that nothing need be selected on the
    test images; it costs four times the training on top. 0: none"""
    validation_images: Annotated[int, Field(ge=0, le=10_000_000), WHOLE] = 500
    """as of a configuration: curves of their loss and accuracy by epoch, and what `patience` is judged
    by; any patience is read off the curves and costs nothing. 0: none"""
    second_precision: bool = False
    """train everything again in double precision, and say in `reproducible` which rows it moves by
    more than two test images; it doubles the cost"""

    @model_validator(mode="after")
    def _can_be_counted(self) -> "_Grid":
        values = self.values()
        if any(values["warmup_epochs"]) and "one_cycle" in values["schedule"]:
            raise contradiction(
                "warmup_epochs mean nothing to one_cycle, which begins with its own: leave one out"
            )
        if any(values["patience"]) and not self.validation_images:
            raise contradiction("patience needs validation_images, to choose the epoch on")
        if (count := math.prod(map(len, self.values().values()))) > MOST_COMBINATIONS:
            raise contradiction(
                f"has {count:,} combinations; at most {MOST_COMBINATIONS:,} are run"
            )
        return self

    def values(self) -> dict[str, list[Any]]:
        """Return each hyperparameter's values, in the order of the table's columns."""
        return {name: getattr(self, name) for name in IN_GRID}

    @field_validator(*OF_SOME_OPTIMIZERS, check_fields=False)
    @classmethod
    def _means_something(cls, values: list[float], info: ValidationInfo) -> list[float]:
        optimizers = info.data.get("optimizer")
        if (
            optimizers
            and any(values)
            and not any(info.field_name in OPTIMIZER_OPTIONS[one] for one in optimizers)
        ):
            raise means_nothing(str(info.field_name), optimizers)
        return values


def _list_of(name: str) -> tuple[Any, Any]:
    """Return the type and the default of a grid's list of values of a hyperparameter."""
    field = Configuration.model_fields[name]
    default = ... if field.is_required() else [field.default]
    item = Annotated[float, Field(gt=0)] if name == "learning_rate" else field.rebuild_annotation()
    return listed(item), Field(default=default, description=field.description)


if TYPE_CHECKING:
    Grid = _Grid
else:
    Grid = create_model(
        "Grid", __base__=_Grid, __module__=__name__, **{name: _list_of(name) for name in IN_GRID}
    )
