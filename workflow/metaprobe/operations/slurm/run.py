"""A run that gives its jobs to Slurm: what happens before the first one, and what is known of them."""

from pathlib import Path
from typing import Any

from metaprobe.operations import snakemake_coupling
from metaprobe.operations.slurm import executor, limits
from metaprobe.operations.slurm.check import check_slurm
from metaprobe.operations.slurm.queue import note_submitting


def begin(folder: Path, workflow: Any) -> executor.Watched | None:
    """Check the cluster, respect its limits, and watch the jobs; None if this run submits none.

    Raises:
        UserError: a run would wait for ever here, or spoil files.
    """
    submits = snakemake_coupling.executor_name(workflow) == "slurm"
    check_slurm(folder, submits=submits)
    if not submits:
        return None
    note_submitting(folder)
    scheduler = workflow.scheduler
    if (places := limits.free_places()) and executor.lower_jobs(scheduler, places[1]):
        most, free = places
        executor.say(
            f"Slurm lets you have {most} jobs in its queue at once (MaxSubmitJobs): this run has at "
            f"most {free} there at a time"
        )
    return executor.attach(scheduler._executor)
