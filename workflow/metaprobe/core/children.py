"""A command that gets so many seconds, and does not outlive the process that started it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def run_for(command: Sequence[str], seconds: float, patience: float) -> tuple[int, str]:
    """Run a command; return its exit code and what it said on both streams.

    At the end of its time, and on Ctrl-C, it is interrupted, and killed if it does not end. On Linux it
    is also killed when this process is.

    Args:
        patience: seconds that it gets to end after it was interrupted.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that all that it starts can be reached as one group
        preexec_fn=_dying_with(os.getpid()),
    ) as process:
        try:
            said, _ = process.communicate(timeout=max(0.0, seconds))
        except BaseException:
            _end(process, patience)
            raise
    return process.returncode, said


def _end(process: subprocess.Popen[str], patience: float) -> None:
    """Interrupt a process and all of its group, and kill what is left after `patience` seconds."""
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=patience)
    except (subprocess.TimeoutExpired, ProcessLookupError):
        pass
    finally:  # also where Ctrl-C comes twice
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """Return what a child does before it begins, so that the kernel kills it when its parent is gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: a child of many threads must not

    def die() -> None:
        prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return die
