"""Put the half-samples' descriptions of all data sets into bootstrap_representations.csv."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.metafeatures.table import write_basic_table

    params = snakemake.params
    folder = Path(snakemake.input[0]).parent
    write_basic_table(
        snakemake.output[0], folder, params.columns, params.expected, params.resamples
    )
