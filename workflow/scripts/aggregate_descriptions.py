"""Put the descriptions of all data sets, or those of their half-samples, into one table."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.metafeatures.table import write_basic_table

    params = snakemake.params
    folder = Path(snakemake.input[0]).parent
    rows_per_task = params.get("resamples", 1)
    write_basic_table(snakemake.output[0], folder, params.columns, params.expected, rows_per_task)
