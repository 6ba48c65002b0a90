"""Print which experiments are done, failed or missing."""

from metaprobe.operations.status import read_states, report

print(report(read_states(snakemake.params.stages, snakemake.params.expected)))
