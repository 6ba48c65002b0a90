"""Put all that fragments know into flat tables."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.tables.experiments import write_experiments

    folder = Path(snakemake.input[0]).parent.parent
    params = snakemake.params
    write_experiments(folder, params.experiments, params.expected, **dict(snakemake.output.items()))
