"""Put all predictions into one table, and compare the configurations of each task in it."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_csv
    from metaprobe.tables.predictions import comparisons, write_predictions

    folder = Path(snakemake.input[0]).parent.parent
    write_predictions(snakemake.output.predictions, folder, snakemake.params.experiments)
    write_csv(snakemake.output.comparisons, comparisons(snakemake.output.predictions))
