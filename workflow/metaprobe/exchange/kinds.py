"""The kinds of files that travel from one results folder to another, and how each is proved sound."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.arrays import digest_arrays, read_arrays
from metaprobe.core.files import digest_json, read_checked_json, read_json
from metaprobe.data.subset import read_subset
from metaprobe.features.weights import read_receipt
from metaprobe.operations.verify.proofs import of_predictions
from metaprobe.training.fragment import read_fragment
from metaprobe.training.sweep_table import read_rows

Content = Mapping[str, Any]
Read = Callable[[Path], Content]  # raises a UserError that names the file
WITHIN = r"[^/]+"
CLOCK = "seconds"  # what the name of a column of seconds ends with


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        word: what it is called.
        pattern: of `config/layout.py`.
        read: proves a file as it was written, and returns what it says of itself.
        rules: that write it; their logs are named as the file is.
    """

    word: str
    pattern: str
    read: Read
    rules: tuple[str, ...]

    @cached_property
    def name(self) -> re.Pattern[str]:
        """A pattern of the file's name in a results folder, with its wildcards as groups."""
        parts = re.split(r"\{(\w+)\}", self.pattern.removeprefix("<results>/"))
        groups = [
            f"(?P<{part}>{'.+' if part == 'source' else WITHIN})" if odd else re.escape(part)
            for number, part in enumerate(parts)
            for odd in [number % 2]
        ]
        return re.compile("".join(groups))

    def logs(self, names: Mapping[str, str]) -> Iterator[str]:
        """Yield the names of the logs and of the times of the job that wrote a file, in the logs."""
        for rule in self.rules:
            log = layout.log_of(rule, self.pattern).format(**names).removeprefix("<logs>/")
            yield from (log, f"{log.removesuffix('.log')}.tsv")


def read_whole(path: Path) -> Content:
    """Return the facts of a file of arrays, and the digest of the arrays as `arrays`."""
    arrays, facts = read_arrays(path)
    return facts | {"arrays": digest_arrays(arrays)}


def _receipt(path: Path) -> Content:
    read_receipt(path)
    content: Content = read_json(path)
    return content


def _fragment(path: Path) -> Content:
    read_fragment(path, path.parent.name, path.stem)
    content: Content = read_json(path)
    return content


def _predictions(path: Path) -> Content:
    of_predictions(path)
    return read_whole(path)


def _sweep(path: Path) -> Content:
    rows = read_rows(path)
    kept = [name for name in rows.column_names if not name.endswith(CLOCK)]
    (features,) = {*rows["features_sha256"].to_pylist()} or {None}
    return {"rows": digest_json(rows.select(kept).to_pylist()), "features_sha256": features}


# In the order of the work: what comes later is made from what comes before.
KINDS = (
    Kind("manifest", layout.SOURCE, read_checked_json, ("download",)),
    Kind("receipt of weights", layout.WEIGHTS, _receipt, ("fetch_weights",)),
    Kind("subset", layout.SUBSET, read_subset, ("subset_index", "derive_subset")),
    Kind(
        *("validation images", layout.VALIDATION, read_checked_json),
        ("draw_validation", "derive_validation"),
    ),
    Kind("features", layout.FEATURES, read_whole, ("extract_features", "select_features")),
    Kind("part", layout.PART, read_whole, ("extract_part", "select_part")),
    Kind("receipt of activations", layout.ACTIVATIONS, read_checked_json, ("cache_activations",)),
    Kind("head", layout.HEAD, read_whole, ("train_head", "tune_blocks")),
    Kind("fragment", layout.FRAGMENT, _fragment, ("metrics_json",)),
    Kind("predictions", layout.PREDICTIONS, _predictions, ()),
    Kind("pictures", layout.PICTURES, read_whole, ("measure_pictures", "select_pictures")),
    Kind("description", layout.DESCRIPTION, read_checked_json, ("describe_dataset",)),
    Kind("resamples", layout.RESAMPLES, read_checked_json, ("describe_resamples",)),
    Kind("sweep", layout.SWEEP, _sweep, ("sweep_heads",)),
)
# What is enough to make the tables again; what is not here are arrays, which take room.
SMALL = (
    *("manifest", "receipt of weights", "subset", "validation images", "fragment"),
    *("predictions", "description"),
)


def kind_of(name: str) -> tuple[Kind, dict[str, str]] | None:
    """Return the kind of a file by its name in a results folder, and its wildcards; None if it is of
    none.

    >>> kind_of("metrics/MNIST/ridge.json")[1]
    {'dataset': 'MNIST', 'configuration': 'ridge'}
    """
    for kind in KINDS:
        if found := kind.name.fullmatch(name):
            return kind, found.groupdict()
    return None
