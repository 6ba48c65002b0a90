"""Concatenate all fragments into target_representations.csv."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from workflow.metaprobe.tables import write_table

    folder = Path(snakemake.input[0]).parent.parent
    params = snakemake.params
    write_table(snakemake.output[0], folder, params.experiments, params.expected)
