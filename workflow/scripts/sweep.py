"""Collect the sweeps of all data sets and architectures in one table."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.training.sweep_table import concatenate

    summary = concatenate(snakemake.output[0], snakemake.input)
    print(summary)
print(summary)
