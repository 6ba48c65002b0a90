"""What every job has in common: a log, plain words when it fails, and a list of failures at the end."""

import os
import re
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from metaprobe.core import orphans, processes, signals
from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.files import cannot_write
from metaprobe.core.signals import TerminatedError

MARK = "error: "
WARNING = "warning: "
FINISHED = "finished"
CERTAIN = "It would end the same way if it were tried again."
RUN = "METAPROBE_RUN"  # environment variable: which run a job is of
RUN_LINE = re.compile(r"run (\d+)-\d+$")
STATUS = Path("/proc/self/status")
INTERRUPTED = "interrupted"
KILLED = (
    "ended without a word: killed by hand, at its time limit, out of memory, or its disk is full"
)
TERMINATED = "ended from outside (SIGTERM): by hand, or by a cluster, as at its time limit"
FROM_OUTSIDE = (KILLED, TERMINATED)


@contextmanager
def logged(log: str) -> Iterator[None]:
    """Send all output of a job to its log, which begins with the process that writes it and ends
    with FINISHED, or why it failed.

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
    again = certain_failure(Path(log))
    # A new file, as an orphan may still write to the old one; and never one without its first line.
    begun = Path(log).with_name(f".{Path(log).name}.{os.getpid()}.tmp")
    begun.write_text(f"{processes.this()}\n{run_line()}\n", encoding="utf-8")
    begun.replace(log)
    with (
        open(log, "a", buffering=1, encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
        orphans.ending_with_parent(Path(log), os.fstat(file.fileno()).st_ino),
        signals.raising(),
    ):
        try:
            if again:
                raise UserError(again)
            yield
            print(f"\n{FINISHED}")
        except KeyboardInterrupt:
            print(f"\n{INTERRUPTED}")
            sys.exit(130)  # as shells report it
        except TerminatedError:
            print(f"\n{MARK}{TERMINATED}")
            sys.exit(1)
        except UserError as error:
            certain = "" if isinstance(error, PassingError) else f"{CERTAIN}\n"
            print(f"\n{certain}{MARK}{error}")
            sys.exit(1)
        except Exception as error:
            traceback.print_exc()
            print(f"\n{MARK}{type(error).__name__}: {error}")
            sys.exit(1)


def begin_run() -> None:
    """Let the jobs that this process starts know that they are of one run."""
    os.environ[RUN] = f"{os.getpid()}-{time.time():.0f}"


def run_line() -> str:
    """Return the line of a log that says of which run its job is."""
    return f"run {os.environ.get(RUN, 'unknown')}"


def certain_failure(log: Path) -> str:
    """Return why the job failed in an earlier try of this run, if it would fail again so."""
    if RUN not in os.environ or not log.is_file():
        return ""
    text = log.read_text(encoding="utf-8", errors="replace")
    _, certain, reason = text.rpartition(f"\n{CERTAIN}\n{MARK}")
    return reason.strip() if certain and run_line() in text.splitlines()[:2] else ""


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


@dataclass(frozen=True)
class Outcome:
    """What became of a job, by its log.

    Attributes:
        state: `finished`, `stopped` (by Ctrl-C), `failed`, `running`; or `unknown`: it has not ended
            as far as its log tells, and was on another machine.
        reason: of a failure.
        since: when a job that has not ended began.
        controller: number of the process that has started it; 0 if it has ended.
    """

    state: str
    reason: str = ""
    since: str = ""
    controller: int = 0


def outcome(log: Path) -> Outcome:
    """Return what became of the job of a log."""
    text = "\n" + log.read_text(encoding="utf-8", errors="replace")
    _, mark, reason = text.rpartition(f"\n{MARK}")
    if mark:
        return Outcome("failed", reason.strip())
    for end, state in ((FINISHED, "finished"), (INTERRUPTED, "stopped")):
        if text.endswith(f"\n{end}\n"):
            return Outcome(state)
    first, second, *_ = [*text.splitlines()[1:3], "", ""]
    writer = processes.parse(first)
    if writer is None:
        return Outcome("failed", KILLED)
    since = processes.clock(writer.since)
    if writer.is_alive:
        return Outcome("running", since=since)
    if writer.is_here:
        return Outcome("failed", KILLED, since)
    run = RUN_LINE.match(second)
    return Outcome("unknown", KILLED, since, int(run[1]) if run else 0)


def has_own_reason(log: Path) -> bool:
    """Return whether a job has told itself why it failed."""
    return log.is_file() and outcome(log).reason not in ("", *FROM_OUTSIDE)


def end_log(log: Path, ending: str) -> None:
    """Write at the end of a job's log what others know of its end.

    In a new file: a process of the job that is left writes to the old one, and ends itself.
    """
    old = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else f"{run_line()}\n"
    log.parent.mkdir(parents=True, exist_ok=True)
    new = log.with_name(f".{log.name}.{os.getpid()}.tmp")
    new.write_text(f"{old}\n{ending}\n", encoding="utf-8")
    new.replace(log)


def failures(logs: Path, since: float) -> list[str]:
    """`rule/wildcards: why`, for each log below `logs`, written after `since`, of a failed job."""
    return [
        f"{log.relative_to(logs).with_suffix('')}: {reason}"
        for log in sorted(logs.glob("**/*.log"))
        if log.stat().st_mtime >= since and (reason := failure(log))
    ]


def failure(log: Path) -> str:
    """Return why the job of a log failed; nothing if it did not."""
    found = outcome(log)
    return found.reason if found.state in ("failed", "unknown") else ""
