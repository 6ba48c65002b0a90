"""What a configuration needs beside the features of both parts of a subset, by its names in file names."""

from dataclasses import dataclass

from metaprobe.config.configurations import Configuration

VALIDATION = "validation"


@dataclass(frozen=True)
class Parts:
    """What is extracted beside the two parts of a subset: validation images, and augmented views."""

    validation: list[str]
    views: list[str]


def parts_of(configuration: Configuration) -> Parts:
    """Return the names of the parts that a configuration needs."""
    images, views = configuration.validation_images, configuration.views or configuration.epochs
    augmented = configuration.augmentation != "none"
    return Parts(
        [f"{VALIDATION}-{images}"] if images else [],
        [f"{configuration.augmentation}-{view}" for view in range(views) if augmented],
    )


def cached_parts(configuration: Configuration) -> list[str]:
    """Return the parts whose activations a configuration that trains more than the head reads."""
    names = parts_of(configuration)
    return ["train", "test", *names.validation, *names.views]


def cut_of(trainable: str, precision: str) -> str:
    """Return the name of what is cached for a way of training: `last_block.float16`, `pixels.uint8`."""
    return "pixels.uint8" if trainable in ("all", "bias") else f"{trainable}.{precision}"
