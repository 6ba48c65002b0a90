"""Put the predictions of all experiments into one table."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.tables.predictions import write_prediction_table

    folder = Path(snakemake.input[0]).parent.parent
    write_prediction_table(snakemake.output[0], folder, snakemake.params.experiments)
