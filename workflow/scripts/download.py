"""Bring one source's files to the data folder and write their manifest."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.datasets import parse_entry
    from metaprobe.config.layout import HUB
    from metaprobe.config.sources import Source
    from metaprobe.core.files import write_checked_json
    from metaprobe.data.download import fetch_source
    from metaprobe.data.readers import huggingface

    source, config = snakemake.wildcards.source, snakemake.config
    provides, data = snakemake.params.provides, Path(config["data"]).expanduser()
    if source.startswith(HUB):
        task_id = source.removeprefix(HUB)
        manifest = huggingface.fetch(task_id, parse_entry(provides), data)
    else:
        manifest = fetch_source(
            source,
            Source.model_validate(config["sources"][source] | {"provides": provides}),
            data,
            delete_archives=config["delete_archives"],
        )
    write_checked_json(snakemake.output[0], manifest)
