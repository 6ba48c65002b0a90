"""Write both tables in the numeric form that Metabu takes, and warn of what it would hide."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from workflow.metaprobe.jobs import WARNING
    from workflow.metaprobe.meta_table import read_meta_table
    from workflow.metaprobe.metabu_export import export

    params = snakemake.params
    folder = Path(snakemake.input.fragments[0]).parent.parent
    table = read_meta_table(folder, params.experiments, params.expected, snakemake.input.basic)
    for warning in export(table, Path(snakemake.output.target).parent):
        print(f"{WARNING}{warning}")
