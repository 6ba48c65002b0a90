"""Draw the subset of one data set that all its experiments share."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.datasets import parse_entry
    from metaprobe.core.files import write_json
    from metaprobe.data.dataset import draw_subset, open_dataset

    task_id = snakemake.wildcards.dataset
    entry = parse_entry(snakemake.config["datasets"][task_id])
    params = snakemake.params
    dataset = open_dataset(task_id, entry, Path(snakemake.config["data"]).expanduser())
    subset = draw_subset(
        task_id, entry, dataset, seed=params.seed, sampling=params.sampling, sizes=params.sizes
    )
    write_json(snakemake.output[0], subset)
    print(f"{subset['train']['images']} training and {subset['test']['images']} test images")
