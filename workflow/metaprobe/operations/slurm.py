"""What must be true of a Slurm cluster, and of its queue, before a run starts in this folder."""

import re
import shutil
import subprocess
from pathlib import Path

from metaprobe.core.errors import UserError

REMEMBERED = 240  # s; the plugin looks at most 180 s apart, and a query may be late
MARK = "rule_"  # what the comment of every job begins with that Snakemake submits


def check_slurm(folder: Path, *, submits: bool) -> None:
    """See that no job of an earlier run is left in `folder`, and that finished jobs are remembered.

    An earlier run whose Snakemake was killed leaves its Slurm jobs behind: they would write, and
    on failure delete, the same files as this run. `submits`: this run gives jobs to Slurm itself.

    Raises:
        UserError: there are such jobs, or Slurm forgets finished jobs before they are looked for.
    """
    if shutil.which("squeue") is None:
        return
    if left := jobs_of(folder, answer("squeue", "--me", "--noheader", "--format=%i|%Z|%k")):
        raise UserError(
            f"jobs of an earlier run in {folder} are still in Slurm's queue, and would spoil the "
            f"files of this one. If that run has ended, cancel them: scancel {' '.join(left)}; "
            "once squeue shows none of them, start again"
        )
    age = minimum_job_age(answer("scontrol", "show", "config"))
    if submits and age is not None and age < REMEMBERED:
        raise UserError(
            f"this Slurm forgets finished jobs after {age} s (MinJobAge), and the run would wait for "
            f"them for ever; ask for {REMEMBERED} s or more, or see docs/cluster.md"
        )


def jobs_of(folder: Path, queue: str) -> list[str]:
    """Ids of the jobs in `queue`, lines of `id|working folder|comment`, that Snakemake submitted
    from `folder`.
    """
    jobs = [line.split("|", maxsplit=2) for line in queue.splitlines()]
    return [
        job
        for job, working_folder, comment in jobs
        if comment.startswith(MARK) and Path(working_folder).resolve() == folder.resolve()
    ]


def minimum_job_age(configuration: str) -> int | None:
    """Seconds that squeue remembers a finished job, from `scontrol show config`; None: not told."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", configuration, re.MULTILINE)
    return int(found[1]) if found else None


def answer(*command: str) -> str:
    """What a Slurm command prints; nothing if it fails, as then no job can be submitted either."""
    return subprocess.run(command, text=True, capture_output=True, check=False).stdout
