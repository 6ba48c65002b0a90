"""Reader of any torchvision classification data set, built from its entry alone."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workflow.metaprobe.errors import UserError
from workflow.metaprobe.readers import Dataset, Entry, Pool, numbered_classes


def read(task_id: str, entry: Entry, data: Path) -> Dataset:
    """Build `torchvision.datasets.<class>` once per part; several argument sets are joined.

    Raises:
        UserError: the class does not exist, refuses the arguments, or finds no files.
    """
    pools: dict[str, Pool] = {}
    names = numbered_classes(entry["classes"])
    for part in ("train", "test", "pool"):
        if part in entry:
            arguments = entry[part] if isinstance(entry[part], list) else [entry[part]]
            built = [build(task_id, entry["class"], data, one) for one in arguments]
            pools[part] = _join([_pool(one, entry) for one in built])
            declared = getattr(built[0], "classes", None)
            if declared is not None and len(declared) == entry["classes"]:
                names = [str(name) for name in declared]
    return Dataset(names, pools)


def build(task_id: str, class_name: str, data: Path, arguments: dict[str, Any]) -> Any:
    """The torchvision data set of that class and those arguments below the folder `data`."""
    from torchvision import datasets

    data_class = getattr(datasets, class_name, None)
    if data_class is None:
        raise UserError(f"{task_id}: torchvision.datasets has no class {class_name}")
    try:
        return data_class(str(data), **arguments)
    except (TypeError, RuntimeError, ValueError, OSError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{task_id}: torchvision's {class_name}({arguments}) cannot read {data}: {reason}"
        ) from error


def _pool(dataset: Any, entry: Entry) -> Pool:
    def image(index: int) -> Image.Image:
        picture: Image.Image = dataset[index][0]
        return picture

    return Pool(_labels(dataset, entry.get("labels")) - entry.get("first_label", 0), image)


def _labels(dataset: Any, attribute: str | None) -> NDArray[np.int64]:
    """Labels from an attribute (numbers, rows that begin or pairs that end with the label).

    Without an attribute every item is decoded, which is slow but always right.
    """
    if attribute is None:
        return np.array([dataset[index][1] for index in range(len(dataset))], dtype=np.int64)
    values = getattr(dataset, attribute)
    if isinstance(values, list) and values and isinstance(values[0], (tuple, list)):
        values = [pair[-1] for pair in values]
    labels = np.asarray(values).astype(np.int64)
    return labels if labels.ndim == 1 else labels[:, 0]


def _join(pools: list[Pool]) -> Pool:
    starts = np.cumsum([0] + [len(pool.labels) for pool in pools])

    def image(index: int) -> Image.Image:
        which = int(np.searchsorted(starts, index, side="right")) - 1
        return pools[which].image(index - int(starts[which]))

    return Pool(np.concatenate([pool.labels for pool in pools]), image)
