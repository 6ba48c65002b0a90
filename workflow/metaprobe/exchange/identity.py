"""What must agree for results to be of one run: the settings that their numbers depend on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from metaprobe.config.configurations import HYPERPARAMETERS, RECIPE_DEFAULTS
from metaprobe.core.errors import UserError
from metaprobe.exchange.holdings import Item
from metaprobe.operations.outdated import wrong_sizes

# In the order in which they are compared: what comes first decides what comes after it.
RUN = "the run"
SHORT = 12  # of a digest
Claim = tuple[str, str, Any]  # of what, name, value


def check_identity(items: Sequence[Item]) -> None:
    """See that files may be of one run.

    Raises:
        UserError: they are not; the first setting that differs, both values and both files.
    """
    for claims in (_of_subsets, _of_extraction, _of_training, _of_images):
        told: dict[tuple[str, str], tuple[Any, Item]] = {}
        for item in items:
            for of, name, value in claims(item):
                first, other = told.setdefault((of, name), (value, item))
                if first != value:
                    raise UserError(_apart(of, name, (first, other), (value, item)))
    _check_sizes([one for one in items if one.kind.word == "subset" and not one.parent])


def _apart(of: str, name: str, *two: tuple[Any, Item]) -> str:
    values = [f"{_short(value)} in {item}" for value, item in two]
    return f"the {name} of {of} is {' and '.join(values)}: results that differ in it stay apart"


def _short(value: Any) -> Any:
    is_digest = isinstance(value, str) and len(value) == 64
    return f"{value[:SHORT]}…" if is_digest else value


def _of_subsets(item: Item) -> Iterator[Claim]:
    """Yield how images are drawn."""
    if item.kind.word in ("subset", "fragment", "description"):
        yield RUN, "seed", item.said["seed"]
        yield item.names["dataset"], "sampling", item.said["sampling"]
    if item.kind.word == "subset":
        yield item.names["dataset"], "derivation", item.said.get("derivation")


def _of_extraction(item: Item) -> Iterator[Claim]:
    """Yield what runs the backbones, and with which weights."""
    said, kind = item.said, item.kind.word
    frozen = kind in ("features", "part") or (kind == "fragment" and not _is_tuned(item))
    if frozen:
        yield RUN, "engine", said["engine"]["name"]
        yield RUN, "precision", said["precision"]
    if kind in ("features", "part", "fragment"):
        architecture = said["architecture"]
        yield architecture, "weights", said["weights"]["id"]
        yield architecture, "digest of weights", said["weights"]["sha256"]
        yield architecture, "preprocessing", said["preprocessing"]
    if kind == "description":
        yield RUN, "described_by", sorted(said["weights"])


def _is_tuned(item: Item) -> bool:
    return bool((RECIPE_DEFAULTS | dict(item.said))["trainable"] != "head")


def _of_training(item: Item) -> Iterator[Claim]:
    """Yield what is trained, and how often."""
    if item.kind.word != "fragment":
        return
    said = RECIPE_DEFAULTS | dict(item.said)
    for name in HYPERPARAMETERS:
        if name in said:
            yield item.names["configuration"], name, said[name]
    yield RUN, "replicates", len(said["replicates"])
    yield item.names["dataset"], "family", said["family"]


def _of_images(item: Item) -> Iterator[Claim]:
    """Yield which images there are, as only their digests say."""
    if item.kind.word == "fragment":
        task_id, said = item.names["dataset"], item.said
        yield task_id, "subset_sha256", said["subset_sha256"]
        yield f"{task_id} ({said['preprocessing']})", "pixels_sha256", said["pixels_sha256"]
    if item.kind.word == "subset":
        yield item.names["dataset"], "subset_sha256", item.said["sha256"]


def _check_sizes(subsets: Iterable[Item]) -> None:
    """See that subsets may have been drawn in one size, that of the largest."""
    drawn = [*subsets]
    if not drawn:
        return
    for split in ("train", "test"):
        largest = max(drawn, key=lambda one: one.said[split]["images"])
        size = largest.said[split]["images"]
        for one in drawn:
            if next(wrong_sizes(one.said, {split: size}), None):
                own = (one.said[split]["images"], one)
                raise UserError(_apart(RUN, f"{split}_images", (size, largest), own))
