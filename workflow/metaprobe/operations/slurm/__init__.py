"""Slurm: what is checked before a run, its queue, why jobs failed, its limits, and how a run ends."""
