"""What signals do: a run that is told to stop releases its lock, a job says that it was stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TerminatedError(BaseException):
    """SIGTERM; not an Exception, so that no handler takes it for a damaged file."""


def stop_as_on_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP stop this process as Ctrl-C does, unless they are ignored (nohup).

    Snakemake takes SIGTERM over once its first job starts: it then waits for the running jobs.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def raising() -> Iterator[None]:
    """Raise TerminatedError on SIGTERM, and KeyboardInterrupt on SIGHUP, so that a job can end well."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, _raise)
    stop_as_on_ctrl_c()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    raise TerminatedError
