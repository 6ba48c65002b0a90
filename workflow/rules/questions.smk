"""What can be asked of a run is answered by the command `metaprobe`, also for `snakemake status`."""

from metaprobe.operations.snakemake_coupling import asked, hand_over

QUESTIONS = ("status", "plan", "doctor", "verify", "partial", "advise")

if asked(workflow, QUESTIONS):
    hand_over(workflow, asked(workflow, QUESTIONS))
