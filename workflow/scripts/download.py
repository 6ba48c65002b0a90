"""Bring one source's files to the data folder and write their manifest."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from workflow.metaprobe.download import fetch_source
    from workflow.metaprobe.files import write_json

    source = snakemake.wildcards.source
    entry = snakemake.config["sources"][source]
    data = Path(snakemake.config["data"]).expanduser()
    write_json(snakemake.output[0], fetch_source(source, entry, data))
