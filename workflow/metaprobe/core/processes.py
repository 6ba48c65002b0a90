"""Which process it was: its number, machine and start, so that one can tell whether it still runs."""

import re
import socket
import time
from dataclasses import dataclass
from functools import cache

import psutil

WRITTEN = re.compile(r"process (\d+) on (\S+) since ([\d: -]{19})$")
CLOCK = "%Y-%m-%d %H:%M:%S"
# Seconds by which two readings of one start may differ, as that of the machine is read in whole ones.
MARGIN = 2.5


@dataclass(frozen=True)
class Process:
    """A process of some machine. `since` is in seconds of the clock of that machine."""

    number: int
    host: str
    since: float

    def __str__(self) -> str:
        return f"process {self.number} on {self.host} since {clock(self.since)}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether it runs; False for one of another machine, of which nothing can be known here.

        A number is given again: only one that began at the same time is the same process.
        """
        if not self.is_here:
            return False
        try:
            began = psutil.Process(self.number).create_time()
        except psutil.Error:
            return False
        return abs(began - self.since) < MARGIN


@cache
def this() -> Process:
    """Return the process that asks."""
    own = psutil.Process()
    return Process(own.pid, socket.gethostname(), own.create_time())


def parse(text: str) -> Process | None:
    """Return the process that `str` wrote; None if the text is something else."""
    found = WRITTEN.match(text.strip())
    if not found:
        return None
    return Process(int(found[1]), found[2], time.mktime(time.strptime(found[3], CLOCK)))


def clock(moment: float) -> str:
    """Return a moment as people write it, in local time."""
    return time.strftime(CLOCK, time.localtime(moment))
