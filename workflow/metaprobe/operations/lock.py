"""Who is at work on a results folder; and the lock of a run that was killed, which is taken away.

Snakemake's own lock is a file that `kill -9` leaves behind. Beside it, a run holds a lock of the
operating system, which ends with its process, on a file that says which process it is.
"""

import fcntl
import hashlib
import os
from pathlib import Path

from metaprobe.core import processes
from metaprobe.core.errors import UserError
from metaprobe.core.processes import Process

OWNERS = Path(".snakemake/metaprobe")
SNAKEMAKES = Path(".snakemake/locks")
_held: list[int] = []  # open as long as this process lives


def take(results: Path) -> None:
    """Become the owner of a results folder; take away Snakemake's lock if its owner is dead.

    Raises:
        UserError: another process is at work there, or was on another machine.
    """
    file = owner_file(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    before = read_owner(file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(_in_use(results, read_owner(file))) from None
    except OSError:  # a file system without such locks: what the file says must do
        if before and before.is_alive:
            raise UserError(_in_use(results, before)) from None
    if left := locks_of(results):
        if before is None:
            return  # not of a run of ours: Snakemake says what it says
        if not before.is_here:
            raise UserError(
                f"{results} is locked by {before}, of which nothing can be known here. If that run "
                "has ended, start again with --unlock, and then without it"
            )
        for one in left:
            one.unlink(missing_ok=True)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{processes.this()}\n".encode())
    _held.append(descriptor)


def _in_use(results: Path, owner: Process | None) -> str:
    if owner is None:
        return f"another run has just begun or is about to end on {results}: try again"
    return (
        f"another run is at work on {results}: {owner}. Wait for it, or stop it: "
        f"kill -INT {owner.number} (its running jobs are finished first)"
    )


def leave(results: Path) -> None:
    """Say that nobody is at work there any more: the run has come to its end."""
    if _held:
        os.truncate(owner_file(results), 0)


def at_work(results: Path) -> Process | None:
    """Return the process of the run that is at work on a results folder; None if there is none.

    One of another machine counts as long as Snakemake's lock is there.
    """
    owner = read_owner(owner_file(results))
    if owner is None:
        return None
    if owner.is_here:
        return owner if owner.is_alive else None
    return owner if locks_of(results) else None


def owner_file(results: Path) -> Path:
    """Return the file that says who is, or was, at work on a results folder."""
    digest = hashlib.sha256(str(results.absolute()).encode()).hexdigest()
    return OWNERS / f"{digest[:16]}.lock"


def read_owner(file: Path) -> Process | None:
    """Return whom `take` has written down; None if nobody, or if the run has ended well."""
    return processes.parse(file.read_text("utf-8", "replace")) if file.is_file() else None


def locks_of(results: Path) -> list[Path]:
    """Return Snakemake's lock files of runs on a results folder, which list its files first."""
    below = (f"{results}/", f"{results.absolute()}/")
    files = SNAKEMAKES.glob("*.lock")
    return [one for one in files if one.read_text("utf-8", "replace").startswith(below)]
