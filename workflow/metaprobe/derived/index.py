"""What is cached of a derived data set: rows of the files of its parent, which are indexed and not copied."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.core.arrays import Arrays, digest_arrays, read_arrays, select_rows, write_rows
from metaprobe.core.files import broken
from metaprobe.data.subset import read_subset, read_validation

ENOUGH_PICTURES = 100  # their mean is known to a tenth of their spread
OF_ALL = ("waiting", "features_cpu")
Content = dict[str, Any]


@dataclass(frozen=True)
class Index:
    """An index of rows of a file; see `core.arrays.write_rows`."""

    of: str
    rows: Mapping[str, str]
    arrays: Arrays
    facts: Content

    def write(self, path: str | Path) -> None:
        """Write it."""
        write_rows(path, self.of, self.rows, self.arrays, self.facts)


def index_features(subset_path: str, features_path: str) -> Index:
    """Return the features of a derived subset, as rows of those of its parent.

    Its facts are those of the extraction; `features_sha256` is of these rows and labels, `parent_sha256`
    of the parent's. What they have cost is the share of their images.

    Raises:
        UserError: a file is broken, or the subset is not derived from that of the features.
    """
    subset = read_subset(subset_path)
    arrays, told = _read(features_path, subset, subset_path)
    own = {f"{part}_rows": np.array(subset["rows"][part], np.int64) for part in ("train", "test")}
    own |= {f"{part}_labels": np.array(subset[part]["labels"], np.int64) for part in subset["rows"]}
    rows = {f"{part}_features": f"{part}_rows" for part in subset["rows"]}
    before = {part: len(arrays[f"{part}_labels"]) for part in subset["rows"]}
    now = {part: subset[part]["images"] for part in before}
    share = {f"{part}_features": now[part] / before[part] for part in before}
    share |= dict.fromkeys(OF_ALL, sum(now.values()) / sum(before.values()))
    return _index(features_path, rows, own, subset, arrays, told, share)


def index_part(subset_path: str, part_path: str, validation_path: str | None) -> Index:
    """Return the features of validation images, or of an augmented view, of a derived subset.

    Args:
        part_path: the same part of the parent.
        validation_path: the draw of the derived subset's validation images, if it is of these.

    Raises:
        UserError: a file is broken, or they do not belong together.
    """
    subset = read_subset(subset_path)
    arrays, told = _read(part_path, subset, subset_path)
    if validation_path is None:
        chosen, labels, own = subset["rows"]["train"], subset["train"]["labels"], {}
    else:
        drawn = read_validation(validation_path, subset)
        chosen, labels = drawn["rows"], drawn["labels"]
        own = {"from_training": np.array(drawn["from_training"], np.int64)}
    own |= {"rows": np.array(chosen, np.int64), "labels": np.array(labels, np.int64)}
    share = dict.fromkeys(("features", *OF_ALL), len(chosen) / len(arrays["labels"]))
    return _index(part_path, {"features": "rows"}, own, subset, arrays, told, share)


def index_pictures(subset_path: str, pictures_path: str) -> Index | None:
    """Return the statistics of those training pictures of a derived subset that its parent has measured.

    None if they are fewer than 100 and not all, too few for a mean.

    Raises:
        UserError: a file is broken, or they do not belong together.
    """
    subset = read_subset(subset_path)
    arrays, told = _read(pictures_path, subset, subset_path)
    train = np.array(subset["rows"]["train"], np.int64)
    rows = np.flatnonzero(np.isin(arrays["positions"], train))
    if len(rows) < min(ENOUGH_PICTURES, len(train)):
        return None
    own = {"rows": rows, "positions": np.searchsorted(train, arrays["positions"][rows])}
    measured = dict.fromkeys(sorted(arrays.keys() - {"positions"}), "rows")
    facts = told | {"task_id": subset["task_id"], "subset_sha256": subset["sha256"]}
    return Index(pictures_path, measured, own, facts)


def _read(path: str, subset: Content, subset_path: str) -> tuple[Arrays, Content]:
    arrays, told = read_arrays(path)
    if told["subset_sha256"] != subset.get("parent_sha256"):
        raise broken(path, f"it is of another subset than {subset_path} is derived from")
    return arrays, told


def _index(
    of: str,
    rows: Mapping[str, str],
    own: Arrays,
    subset: Content,
    arrays: Arrays,
    told: Content,
    share: Mapping[str, float],
) -> Index:
    seconds, chosen = told["seconds"], {name: arrays[name] for name in rows}
    facts = told | {
        "task_id": subset["task_id"],
        "class_count": subset["class_count"],
        "subset_sha256": subset["sha256"],
        "features_sha256": digest_arrays(select_rows(chosen, rows, own)),
        "parent_sha256": told["features_sha256"],
        "seconds": {name: one * share[name] for name, one in seconds.items()},
    }
    return Index(of, rows, own, facts)
