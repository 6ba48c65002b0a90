"""How many jobs a user may have in Slurm's queue at once, where the accounting tells it."""

import os
import shutil
from collections.abc import Iterable
from pwd import getpwuid

from metaprobe.operations.slurm.commands import ask


def free_places() -> tuple[int, int] | None:
    """Return the user's submit limit, and how many more jobs it takes now; None if none is told."""
    if shutil.which("sacctmgr") is None:
        return None
    user = getpwuid(os.getuid()).pw_name
    command = ("sacctmgr", "--noheader", "--parsable2", "show")
    fields = "format=Account,MaxSubmitJobs,DefaultQOS"
    associations = ask(*command, "assoc", f"user={user}", fields).text
    classes = ask(*command, "qos", "format=Name,MaxSubmitJobsPU").text
    account, qos = os.environ.get("SBATCH_ACCOUNT", ""), os.environ.get("SBATCH_QOS", "")
    most = submit_limit(associations, classes, account, qos)
    if most is None:
        return None
    queue = ask("squeue", f"--user={os.getuid()}", "--noheader", "--array", "--format=%i").text
    return most, max(1, most - len(queue.split()))


def accounts() -> list[str]:
    """Return the accounts of the user, where the accounting tells them."""
    user = getpwuid(os.getuid()).pw_name
    command = ("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}")
    return ask(*command, "format=Account").text.split()


def submit_limit(associations: str, classes: str, account: str = "", qos: str = "") -> int | None:
    """Return the smallest limit that applies; None if there is none.

    Args:
        associations: lines of account, limit and default QOS.
        classes: lines of QOS and limit per user.
        account: the one that is charged; if it is not said, the strictest of all counts.
        qos: the one that is asked for; if it is not said, the default ones, or else `normal`.
    """
    rows = [row for row in _rows(associations, 3) if not account or row[0] == account]
    named = {qos} if qos else {row[2] or "normal" for row in rows} or {"normal"}
    limits = [row[1] for row in rows]
    limits += [limit for name, limit in _rows(classes, 2) if name in named]
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def _rows(text: str, width: int) -> Iterable[list[str]]:
    rows = (line.strip().split("|") for line in text.splitlines())
    return [row for row in rows if len(row) == width]
