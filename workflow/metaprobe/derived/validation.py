"""Validation images of a derived data set: those of its parent that are in its classes."""

from typing import Any

import numpy as np

from metaprobe.core.errors import UserError
from metaprobe.core.files import with_checksum
from metaprobe.derived.subset import described

Content = dict[str, Any]


def derive_validation(subset: Content, parent: Content, drawn: Content) -> Content:
    """Return the validation images of a derived subset, under their true labels.

    Those of them that are among its training images are not trained on, as of any data set.

    Args:
        parent: the subset that it is derived from.
        drawn: the validation images of the parent.

    Returns:
        The content of `validation/<task_id>/<images>.json`; beside what every draw has, `rows`: their
        places among the parent's; and `parent_sha256`.

    Raises:
        UserError: the parent has none in these classes, or no training image is left.
    """
    task_id, names = subset["task_id"], subset["class_names"]
    kept = np.array([parent["class_names"].index(name) for name in names])
    labels = np.array(drawn["labels"], np.int64)
    rows = np.flatnonzero(np.isin(labels, kept))
    of = subset["derivation"]["from"]
    if not len(rows):
        raise UserError(f"{task_id}: no validation image of {of} is in its classes")
    found = described(drawn, rows, np.searchsorted(kept, labels[rows]), names)
    taken = np.flatnonzero(np.isin(subset["train"]["indices"], found["indices"]))
    if len(taken) == subset["train"]["images"]:
        raise UserError(f"{task_id}: all its training images are validation images of {of}")
    return with_checksum(
        {
            "task_id": task_id,
            "seed": subset["seed"],
            "subset_sha256": subset["sha256"],
            "wanted": drawn["wanted"],
            **found,
            "from_training": taken.tolist(),
            "parent_sha256": drawn["sha256"],
            "rows": rows.tolist(),
        }
    )
