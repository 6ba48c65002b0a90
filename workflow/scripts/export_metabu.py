"""Write both tables in the numeric form that Metabu takes, and warn of what it would hide."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import digest_files
    from metaprobe.core.jobs import WARNING
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.metabu import export

    folder = Path(snakemake.output.target).parent
    table = read_meta_table(snakemake.input.experiments, snakemake.input.basic)
    made_from = digest_files(folder.parent, snakemake.input)
    for warning in export(table, folder, made_from):
        print(f"{WARNING}{warning}")
