"""What a training reads: the cached features of one data set and backbone, by part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaprobe.core.arrays import read_arrays
from metaprobe.core.files import broken
from metaprobe.training.heads import LabelledFeatures


@dataclass(frozen=True)
class Material:
    """Features, and what is known of them; views as they were extracted, as they are many.

    Attributes:
        train: what is trained on, or, with views, what training accuracy is measured on.
        test: what is only measured on.
        validation: what choices are made on.
        views: the training images, augmented.
        extraction: metadata of the features file.
        parts: digests of the files of validation images and views, by name.
    """

    train: LabelledFeatures
    test: LabelledFeatures
    validation: LabelledFeatures | None
    views: tuple[LabelledFeatures, ...]
    extraction: dict[str, Any]
    parts: dict[str, str]

    @property
    def class_count(self) -> int:
        """C."""
        count: int = self.extraction["class_count"]
        return count


def read_material(
    features_path: str,
    validation_path: str | None = None,
    view_paths: Sequence[str] = (),
    *,
    exact: bool = True,
) -> Material:
    """Read the features of an experiment.

    Args:
        exact: in double precision, else as they were extracted.

    Raises:
        UserError: a file is missing or broken, or they are not of one subset and backbone.
    """
    arrays, extraction = read_arrays(features_path)
    train, test = (_labelled(arrays, exact, f"{split}_") for split in ("train", "test"))
    parts: dict[str, str] = {}
    kept = np.arange(len(train.labels))
    validation = None
    if validation_path is not None:
        own, metadata = _read_part(validation_path, extraction)
        validation = _labelled(own, exact)
        kept = np.setdiff1d(kept, own["from_training"])
        parts[metadata["part"]] = metadata["features_sha256"]
    views, spent = [], 0.0
    for path in view_paths:
        own, metadata = _read_part(path, extraction)
        if len(own["labels"]) != len(train.labels):
            raise broken(path, f"its images are not those of {features_path}")
        views.append(_labelled(own, exact=False).select(kept))
        spent += metadata["seconds"]["features"]
        parts[metadata["part"]] = metadata["features_sha256"]
    if views:  # in place of the plain training images
        seconds = extraction["seconds"] | {"train_features": spent}
        extraction = extraction | {"seconds": seconds}
    return Material(train.select(kept), test, validation, tuple(views), extraction, parts)


def _labelled(arrays: dict[str, Any], exact: bool, prefix: str = "") -> LabelledFeatures:
    features = arrays[f"{prefix}features"]
    return LabelledFeatures(
        features.astype(np.float64) if exact else features, arrays[f"{prefix}labels"]
    )


def _read_part(path: str, whole: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, metadata = read_arrays(path)
    for name in ("task_id", "architecture", "subset_sha256", "weights", "precision"):
        if metadata[name] != whole[name]:
            raise broken(path, f"its {name} is {metadata[name]}, not {whole[name]}")
    one, other = (facts["engine"]["name"] for facts in (metadata, whole))
    if one != other:  # of another version its last digits may be others; that is no fault
        raise broken(path, f"its engine is {one}, not {other}")
    return arrays, metadata
