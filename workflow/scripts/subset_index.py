"""Draw the subset of one data set that all its experiments share."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_json
    from metaprobe.data.dataset import draw_subset, entry_here, open_dataset

    config, params, task_id = snakemake.config, snakemake.params, snakemake.wildcards.dataset
    entry = entry_here(params.reading, config["datasets"][task_id])
    fetched = entry.source is None or config["sources"][entry.source].get("files")
    manifest = str(snakemake.input.manifest) if fetched else None
    dataset = open_dataset(task_id, entry, Path(config["data"]).expanduser(), manifest)
    if dataset.notes:
        print(f"warning: {task_id}: {dataset.notes}")
    subset = draw_subset(
        task_id, entry, dataset, seed=params.seed, sampling=params.sampling, sizes=params.sizes
    )
    write_json(snakemake.output[0], subset)
    print(f"{subset['train']['images']} training and {subset['test']['images']} test images")
