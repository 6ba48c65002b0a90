"""Put the descriptions of all data sets, or those of their half-samples, into one table."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_text
    from metaprobe.core.parquet import write_parquet
    from metaprobe.metafeatures.table import as_csv, collect_descriptions

    params, output = snakemake.params, snakemake.output
    folder = Path(snakemake.input[0]).parent
    rows_per_task = params.get("resamples", 1)
    table, digests = collect_descriptions(folder, params.columns, params.expected, rows_per_task)
    write_text(output.csv, as_csv(table))
    write_parquet(output.parquet, table, digests)
