"""A job that outlives the Snakemake that started it must not touch the run that follows.

A `kill -9` of Snakemake leaves its jobs running. Such an orphan ends within a second; and should it
be about to write a file when its successor has begun, it finds its log replaced and does not.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PERIOD = 0.5  # seconds; Snakemake needs longer to start again
_logs: set[tuple[Path, int]] = set()


class SupersededError(Exception):
    """Another process has begun the same job."""


@contextmanager
def ending_with_parent(log: Path, inode: int) -> Iterator[None]:
    """End this process when its parent is gone, or when `log` is another file at its next result."""
    mine = (log.absolute(), inode)
    done = threading.Event()
    threading.Thread(target=_watch, args=(os.getppid(), done), daemon=True).start()
    _logs.add(mine)
    try:
        yield
    finally:
        done.set()
        _logs.discard(mine)


def check_not_superseded() -> None:
    """To be called right before a result is moved into place.

    Raises:
        SupersededError: the log of this job is another file than the one it began.
    """
    for log, inode in _logs:
        if log.exists() and log.stat().st_ino != inode:
            raise SupersededError(f"{log} is of a later start of this job: nothing is written")


def _watch(parent: int, done: threading.Event) -> None:
    while not done.wait(PERIOD):
        if os.getppid() != parent:
            os._exit(1)
