"""Write both tables in the numeric form that Metabu takes, and warn of what it would hide."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.jobs import WARNING
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.metabu import export

    params = snakemake.params
    folder = Path(snakemake.input.fragments[0]).parent.parent
    table = read_meta_table(folder, params.experiments, params.expected, snakemake.input.basic)
    for warning in export(table, Path(snakemake.output.target).parent):
        print(f"{WARNING}{warning}")
