"""Concatenate all fragments into target_representations.csv."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.tables.target import write_table

    folder = Path(snakemake.input[0]).parent.parent
    params = snakemake.params
    write_table(snakemake.output[0], folder, params.experiments, params.expected)
