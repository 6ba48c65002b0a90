"""Slurm's commands, asked so that one that hangs holds up nobody."""

import os
import signal
import subprocess
from dataclasses import dataclass

QUICK = 3.0  # s for an answer while somebody waits at the terminal


@dataclass(frozen=True)
class Answer:
    """What a command printed. `well`: it ended with 0, and in time."""

    well: bool
    text: str
    error: str = ""


def ask(*command: str, seconds: float = 20.0) -> Answer:
    """Return what a command answers within some seconds; never raises.

    It runs in a session of its own: Ctrl-C does not end it, and in the end its children end with it.
    """
    try:
        process = subprocess.Popen(
            command,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Answer(False, "", f"{command[0]}: {error.strerror}")
    try:
        text, error_text = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Answer(False, "", f"{command[0]} gave no answer in {seconds:.0f} s")
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Answer(process.returncode == 0, text, error_text.strip())
