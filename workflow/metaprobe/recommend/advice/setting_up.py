"""A new data set is opened and drawn from, and finds what an earlier start has left of it, if it is the same."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.config.backbones import Backbone
from metaprobe.config.datasets import Entry, Folder
from metaprobe.core.files import digest_file, digest_json
from metaprobe.data.dataset import draw_subset, open_dataset
from metaprobe.data.readers import Dataset
from metaprobe.data.readers.folder import folders_of
from metaprobe.data.validation_images import draw_validation

if TYPE_CHECKING:
    from metaprobe.features.loaded import Settings
    from metaprobe.recommend.advice.workbench import Workbench


def set_up(
    task_id: str,
    entry: Entry,
    *,
    data: Path,
    backbones: dict[str, Backbone],
    settings: "Settings",
    folder: Path,
    sampling: str,
    sizes: dict[str, int],
    validation_images: int,
    gflop: Mapping[str, float],
    say: Callable[[str], None],
) -> "Workbench":
    """Return the workbench of a data set; what an earlier one has left in `folder` is used if it fits.

    Raises:
        UserError: the data set cannot be read, or has too few pictures.
    """
    from metaprobe.recommend.advice.workbench import Workbench  # imports torch

    dataset = open_dataset(task_id, entry, data)
    subset = draw_subset(
        task_id, entry, dataset, seed=settings.seed, sampling=sampling, sizes=sizes
    )
    validation = draw_validation(subset, entry, dataset, validation_images)
    told = {name: [one.parameters(), own_digest(one)] for name, one in backbones.items()}
    files = _state_of_files(task_id, entry, data, dataset, (subset["train"], validation))
    decides = [subset["sha256"], validation["sha256"], settings.weights, settings.engine]
    own = folder / digest_json([*decides, settings.precision, told, files])[:16]
    if own.is_dir():
        say("goes on with the features that are there")
    own.mkdir(parents=True, exist_ok=True)
    return Workbench(
        task_id, dataset, entry.transform, backbones, settings, own, subset, validation, gflop
    )


def own_digest(backbone: Backbone) -> str | None:
    """Return the digest of a user's own file of weights; None where there is none."""
    file = backbone.own_file
    return digest_file(file) if file is not None and file.is_file() else None


def _state_of_files(
    task_id: str, entry: Entry, data: Path, dataset: Dataset, parts: Sequence[dict[str, Any]]
) -> list[list[int]]:
    """Return size and time of the files of drawn pictures, as others may have come under the same names."""
    if not isinstance(entry, Folder):
        return []
    folders = folders_of(task_id, entry, data)
    files = [
        folders[part["pool"]] / dataset.pools[part["pool"]].names[index]
        for part in parts
        for index in part["indices"]
    ]
    return [[told.st_size, told.st_mtime_ns] for told in (file.stat() for file in files)]
