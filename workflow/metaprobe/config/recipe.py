"""What a configuration says beyond the table's columns: how the head is trained, and how much below it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, model_validator

from metaprobe.config.conditions import OF_STEPS, OF_STOPPING, OF_TUNING, WHOLE_BACKBONE
from metaprobe.config.model import WHOLE, Model, OneOf, contradiction

SCHEDULES = ("constant", "cosine", "one_cycle", "step", "linear")
AUGMENTATIONS = ("none", "flip", "flip_crop", "trivial_augment", "rand_augment", "color_jitter")
HEADS = ("linear", "logistic", "ridge")
TRAINABLE = ("head", "last_block", "last_2_blocks", "all", "bias")

Count = Annotated[int, Field(ge=0, le=10_000_000), WHOLE]
Epochs = Annotated[int, Field(ge=0, le=10_000), WHOLE]


@dataclass(frozen=True)
class Hyperparameter:
    """What tables do with a hyperparameter.

    Attributes:
        target_column: it has a column in `target_representations.csv`.
        blank_when_zero: 0 means "not in use", and the cell is empty.
        in_grid: a grid lists values of it.
        of_run: absent, it is the run's setting of the same name.
    """

    target_column: bool = True
    blank_when_zero: bool = False
    in_grid: bool = True
    of_run: bool = False


GRIDDED = Hyperparameter(target_column=False)
NOT_IN_GRID = Hyperparameter(target_column=False, in_grid=False)


class Recipe(Model):
    """Hyperparameters that a configuration need not have; absent: as the table's six are trained."""

    head: Annotated[str, OneOf(HEADS), NOT_IN_GRID] = "linear"
    """`linear` is trained step by step; `logistic` is the best linear classifier under the weight
    decay that validation images choose, `ridge` the best by least squares under the penalty that
    leave-one-out chooses: how far are the others from it? They have no `learning_rate`"""
    schedule: Annotated[str, OneOf(SCHEDULES), GRIDDED] = "constant"
    """of the learning rate, step by step, over all `epochs`: torch's `CosineAnnealingLR` and
    `LinearLR` to 0, `OneCycleLR` without cycled momentum, `StepLR` by 0.1 after each third"""
    warmup_epochs: Annotated[Epochs, GRIDDED] = 0
    """epochs in which the learning rate rises from a hundredth (`LinearLR`) before the schedule"""
    validation_images: Annotated[Count, NOT_IN_GRID] = 0
    """images that choices are made on, never test images: drawn like the others from what is left of
    the training pool; where too little is left, taken out of the training images, a fifth at most"""
    patience: Annotated[Epochs, GRIDDED] = 0
    """stop after so many epochs without a better one, and keep the best; 0: go on to the last"""
    min_delta: Annotated[float, Field(ge=0), GRIDDED] = 0.0
    """how much better an epoch must be to count as better"""
    monitor: Annotated[str, OneOf(("loss", "accuracy")), GRIDDED] = "loss"
    """of the validation images: what an epoch is judged by"""
    augmentation: Annotated[str, OneOf(AUGMENTATIONS), NOT_IN_GRID] = "none"
    """of torchvision.transforms.v2, of the training images: `RandomHorizontalFlip`; the same after
    `RandomResizedCrop`; or before `TrivialAugmentWide`, `RandAugment`, `ColorJitter`(0.4, 0.4, 0.4, 0.1)"""
    views: Annotated[Epochs, NOT_IN_GRID] = 0
    """augmented views of each image; epoch e sees view e modulo `views`. 0: one for each epoch, which
    is to augment anew each time"""
    trainable: Annotated[str, OneOf(TRAINABLE), NOT_IN_GRID] = "head"
    """what is trained: the head, also the backbone's last block or two, all of it, or all its biases"""
    layer_decay: Annotated[float, Field(gt=0, le=1), NOT_IN_GRID] = 1.0
    """factor of the learning rate from each block to the one below it"""
    head_epochs: Annotated[Epochs, NOT_IN_GRID] = 0
    """first of the `epochs`, in which the head alone is trained (LP-FT)"""
    backbone_learning_rate: Annotated[float, Field(ge=0), NOT_IN_GRID] = 0.0
    """of the topmost trained block; 0: as `learning_rate`"""
    batchnorm: Annotated[str, OneOf(("frozen", "train")), NOT_IN_GRID] = "frozen"
    """`train`: the trained blocks' BatchNorms take each batch's own statistics, and learn them"""
    cache_precision: Annotated[str, OneOf(("float16", "float32")), NOT_IN_GRID] = "float16"
    """of what enters the trained blocks, which is kept on the disk while it is needed"""

    @model_validator(mode="before")
    @classmethod
    def _without_steps(cls, content: Any) -> Any:
        """A head that is not trained by steps has no learning rate."""
        if not isinstance(content, dict) or content.get("head") not in ("logistic", "ridge"):
            return content
        for name, default in OF_STEPS.items():
            if content.get(name, default) != default:
                raise contradiction(f"{name} means nothing to head: {content['head']}")
        return content | {"learning_rate": 0.0}

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        chosen = self.parameters(defaults=False)
        if self.head == "logistic" and not self.validation_images:
            raise contradiction("head: logistic needs validation_images, to choose weight decay on")
        if self.patience and not self.validation_images:
            raise contradiction("patience needs validation_images, to choose the epoch on")
        for name in OF_STOPPING:
            if name in chosen and not self.patience:
                raise contradiction(f"{name} means nothing without patience")
        for name in OF_TUNING:
            if name in chosen and self.trainable == "head":
                raise contradiction(f"{name} means nothing to trainable: head")
        if "cache_precision" in chosen and self.trainable in WHOLE_BACKBONE:
            raise contradiction(f"cache_precision means nothing to trainable: {self.trainable}")
        if self.views and self.augmentation == "none":
            raise contradiction("views mean nothing without augmentation")
        if self.warmup_epochs and self.schedule == "one_cycle":
            raise contradiction(
                "warmup_epochs mean nothing to one_cycle, which begins with its own"
            )
        return self


def epochs_in_vain(recipe: Recipe, epochs: int) -> str | None:
    """Return what is wrong with the numbers of epochs of a recipe that has `epochs` in all, if anything."""
    for name in ("warmup_epochs", "head_epochs"):
        if getattr(recipe, name) >= epochs:
            return f"{name}: {getattr(recipe, name)} leaves nothing of {epochs} epochs"
    if recipe.views > epochs:
        return f"views: {recipe.views} are more than {epochs} epochs, each of which sees one"
    return None
