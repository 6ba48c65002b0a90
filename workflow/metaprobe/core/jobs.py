"""What every job has in common: a log, plain words when it fails, and a list of failures at the end."""

import os
import re
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from metaprobe.core import orphans, signals
from metaprobe.core.errors import UserError
from metaprobe.core.files import cannot_write
from metaprobe.core.signals import TerminatedError

MARK = "error: "
WARNING = "warning: "
FINISHED = "finished"
STATUS = Path("/proc/self/status")
INTERRUPTED = "interrupted"
TERMINATED = "ended from outside (SIGTERM): by hand, or by a cluster, as at its time limit"


@contextmanager
def logged(log: str) -> Iterator[None]:
    """Send all output of a job to its log; end the log with FINISHED, or why it failed.

    A user's mistake ends it without a traceback; anything else is a bug and keeps its traceback
    above the sentence. What a log on a full disk cannot take goes to the terminal.
    """
    try:
        with _logged(log):
            yield
    except OSError as error:
        raise SystemExit(f"{MARK}{_reason(error) or cannot_write(log, error)}") from None


def _reason(error: BaseException | None) -> UserError | None:
    """The user's error that was being written when `error` came up."""
    while error and not isinstance(error, UserError):
        error = error.__context__
    return error if isinstance(error, UserError) else None


@contextmanager
def _logged(log: str) -> Iterator[None]:
    Path(log).unlink(missing_ok=True)  # a new file, as an orphan may still write to the old one
    with (
        open(log, "x", buffering=1, encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
        orphans.ending_with_parent(Path(log), os.fstat(file.fileno()).st_ino),
        signals.raising(),
    ):
        try:
            yield
            print(f"\n{FINISHED}")
        except KeyboardInterrupt:
            print(f"\n{INTERRUPTED}")
            sys.exit(130)  # as shells report it
        except TerminatedError:
            print(f"\n{MARK}{TERMINATED}")
            sys.exit(1)
        except UserError as error:
            print(f"\n{MARK}{error}")
            sys.exit(1)
        except Exception as error:
            traceback.print_exc()
            print(f"\n{MARK}{type(error).__name__}: {error}")
            sys.exit(1)


def peak_memory_gb() -> float:
    """This process's largest resident memory so far, in 10^9 bytes; a card's is not in it."""
    if STATUS.exists():  # of this program alone; getrusage counts what it was forked from
        (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
        return int(kilobytes) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def warnings(logs: Path, since: float) -> list[str]:
    """What the jobs whose logs were written after `since` have warned of, each once, in order."""
    lines = [
        line.removeprefix(WARNING)
        for log in sorted(logs.glob("**/*.log"))
        if log.stat().st_mtime >= since
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith(WARNING)
    ]
    return list(dict.fromkeys(lines))


def failures(logs: Path, since: float) -> list[str]:
    """`rule/wildcards: why`, for each log below `logs`, written after `since`, of a failed job."""
    return [
        f"{log.relative_to(logs).with_suffix('')}: {reason}"
        for log in sorted(logs.glob("**/*.log"))
        if log.stat().st_mtime >= since and (reason := failure(log))
    ]


def failure(log: Path) -> str | None:
    """Why the job of a log failed; None if it did not, or was interrupted."""
    text = "\n" + log.read_text(encoding="utf-8", errors="replace")
    _, mark, reason = text.rpartition(f"\n{MARK}")
    if mark:
        return reason.strip()
    if text.endswith((f"\n{FINISHED}\n", f"\n{INTERRUPTED}\n")):
        return None
    return "ended without a word: killed by hand, at its time limit, out of memory, or its disk is full"
