"""Writing the chosen files as a results folder that Snakemake takes as finished."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from metaprobe.core.arrays import reindex
from metaprobe.core.errors import UserError
from metaprobe.core.files import cannot_write
from metaprobe.exchange.holdings import Item

LOGS = "logs"  # where a run keeps them in its results, unless told otherwise


def write_folder(items: Mapping[str, Item], target: Path) -> None:
    """Write files, and what is known of the jobs that made them, as a new results folder.

    They are copied in the order of the work, as Snakemake makes again what is older than its origin.

    Raises:
        UserError: there is something at `target`, or the disk is full.
    """
    with whole_folder(target) as folder:
        for name, item in items.items():
            _copy(item.path, folder / name)
            _put_in_place(folder / name)
            for log in _logs(item):
                _copy(item.folder / LOGS / log, folder / LOGS / log)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; move it there if the block succeeds.

    Raises:
        UserError: there is something at `target`, or the disk is full or may not be written to.
    """
    check_target(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_target(target: Path) -> None:
    """See that there is no file at `target`, so that none is replaced.

    Raises:
        UserError: there is one.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there already: name a folder that is new or empty")


def _copy(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, target)


def _put_in_place(path: Path) -> None:
    """Let an index of rows be one of the file that lies beside it now."""
    if path.suffix == ".safetensors":
        reindex(path)


def _logs(item: Item) -> Iterable[str]:
    """Return the logs and times of a file's job that are there."""
    names = item.kind.logs(item.names)
    return [one for one in names if (item.folder / LOGS / one).is_file()]
