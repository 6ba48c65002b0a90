"""Bring one source's files to the data folder and write their manifest."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.datasets import Source
    from metaprobe.core.files import write_checked_json
    from metaprobe.data.download import fetch_source

    source, config = snakemake.wildcards.source, snakemake.config
    manifest = fetch_source(
        source,
        Source.model_validate(config["sources"][source] | {"provides": snakemake.params.provides}),
        Path(config["data"]),
        delete_archives=config["delete_archives"],
    )
    write_checked_json(snakemake.output[0], manifest)
