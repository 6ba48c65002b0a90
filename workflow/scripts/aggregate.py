"""Collect all fragments: the table of the run, and the richer ones that later steps read."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_csv
    from metaprobe.core.parquet import write_parquet
    from metaprobe.tables.collect import collect, target_table

    params, output = snakemake.params, snakemake.output
    tables = collect(Path(snakemake.input[0]).parent.parent, params.experiments, params.expected)
    write_csv(output.target, target_table(tables.experiments))
    write_csv(output.experiments_csv, tables.experiments)
    for path, table in (
        (output.experiments, tables.experiments),
        (output.replicates, tables.replicates),
        (output.curves, tables.curves),
    ):
        write_parquet(path, table, tables.made_from)
