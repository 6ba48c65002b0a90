"""Collect all fragments: the table of the run, and the richer ones that later steps read."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_csv, write_parquet
    from metaprobe.tables.collect import collect, target_table

    params, output = snakemake.params, snakemake.output
    tables = collect(Path(snakemake.input[0]).parent.parent, params.experiments, params.expected)
    write_csv(output.target, target_table(tables.experiments))
    write_csv(output.experiments_csv, tables.experiments)
    write_parquet(output.experiments, tables.experiments)
    write_parquet(output.replicates, tables.replicates)
    write_parquet(output.curves, tables.curves)
