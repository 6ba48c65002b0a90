"""Pictures that do not decode: found, named, and left out where the entry allows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.config.datasets import (Entry)
from metaprobe.core.errors import UserError
from metaprobe.data.readers import SHOWN, Pool
from metaprobe.data.transforms import usable


def broken_images(indices: NDArray[np.int64], pool: Pool) -> dict[int, str]:
    """Return the index of each picture that does not decode, with its name and the reason."""
    broken = {}
    for index in indices.tolist():
        try:
            usable(pool.image(index)).convert("RGB")
        except MemoryError:
            raise
        except Exception as error:  # a damaged picture can make its decoder raise anything
            broken[index] = f"{name_of(pool, index)} ({error})"
    return broken


def count_left_out(
    task_id: str, entry: Entry, chosen: dict[str, Any], broken: dict[str, dict[int, str]]
) -> int:
    """Return how many broken pictures were left out; print them.

    Raises:
        UserError: they are more than the entry allows.
    """
    names = [name for found in broken.values() for name in found.values()]
    drawn = len(names) + sum(split["images"] for split in chosen.values())
    for name in names:
        print(f"left out, as it does not decode: {name}", flush=True)
    if len(names) > entry.skip_broken_images * drawn:
        raise UserError(
            f"{task_id}: {len(names)} of {drawn} pictures do not decode, more than "
            f"skip_broken_images: {entry.skip_broken_images:g} allows; the first: "
            f"{'; '.join(names[:SHOWN])}. Replace them by whole copies, or allow more"
        )
    if names:
        print(f"warning: {task_id}: {len(names)} pictures do not decode and are left out")
    return len(names)


@contextmanager
def named(task_id: str, part: str, pool: Pool, index: int) -> Iterator[None]:
    """Name a picture that does not decode while it is prepared.

    Raises:
        UserError: it does not.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a damaged picture can make its decoder raise anything
        raise UserError(
            f"{task_id}: {part} picture {name_of(pool, index)} does "
            f"not decode ({error}); replace it by a whole copy, or write skip_broken_images: "
            "0.001 for the data set, which leaves out up to that share of its pictures"
        ) from error


def name_of(pool: Pool, index: int) -> str:
    """Return the file name of a picture, or its number."""
    return pool.names[index] if pool.names else f"number {index}"
