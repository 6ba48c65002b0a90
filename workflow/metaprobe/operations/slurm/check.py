"""What must be true of a Slurm cluster, and of its queue, before a run starts in this folder."""

import os
import re
import shutil
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.operations.slurm.commands import ask
from metaprobe.operations.slurm.queue import read_queue

REMEMBERED = 240  # s; the plugin looks at most 180 s apart, and a query may be late


def check_slurm(folder: Path, *, submits: bool) -> None:
    """See that no job of an earlier run is left in `folder`, and that finished jobs are remembered.

    An earlier run whose Snakemake was killed leaves its Slurm jobs behind: they would write, and
    on failure delete, the same files as this run. `submits`: this run gives jobs to Slurm itself.

    Raises:
        UserError: there are such jobs, or Slurm forgets finished jobs before they are looked for.
    """
    if shutil.which("squeue") is None:
        return
    if left := [job.number for job in read_queue(folder) or ()]:
        raise UserError(
            f"jobs of an earlier run in {folder} are still in Slurm's queue, and would spoil the "
            f"files of this one. If that run has ended, cancel them: scancel {' '.join(left)}; "
            "once squeue shows none of them, start again"
        )
    age = minimum_job_age(ask("scontrol", "show", "config").text)
    if submits and age is not None and age < REMEMBERED:
        raise UserError(
            f"this Slurm forgets finished jobs after {age} s (MinJobAge), and the run would wait for "
            f"them for ever; ask for {REMEMBERED} s or more, or see docs/cluster.md"
        )


def minimum_job_age(configuration: str) -> int | None:
    """Seconds that squeue remembers a finished job, from `scontrol show config`; None: not told."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", configuration, re.MULTILINE)
    return int(found[1]) if found else None


def hidden_profile(arguments: list[str], folder: Path) -> list[str]:
    """Return a note if `--profile slurm` means that of `folder` although the user has one too."""
    asked = f" {' '.join(arguments)} ".replace("--profile=", "--profile ")
    given = " --profile slurm " in asked or os.environ.get("SNAKEMAKE_PROFILE") == "slurm"
    configuration = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    own = Path(configuration).expanduser() / "snakemake/slurm"
    if not given or not own.is_dir() or not (folder / "slurm").is_dir():
        return []
    return [f"--profile slurm is that of this checkout; your own needs its path: --profile {own}"]
