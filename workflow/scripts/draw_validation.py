"""Draw images of one data set that choices are made on."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_json
    from metaprobe.data.dataset import check_fit, entry_here, open_dataset
    from metaprobe.data.subset import read_subset
    from metaprobe.data.validation_images import draw_validation

    config, params, task_id = snakemake.config, snakemake.params, snakemake.wildcards.dataset
    entry = entry_here(params.reading, config["datasets"][task_id])
    subset = read_subset(snakemake.input.subset)
    dataset = open_dataset(task_id, entry, Path(config["data"]).expanduser())
    check_fit(subset, dataset, snakemake.input.subset)
    drawn = draw_validation(subset, entry, dataset, int(snakemake.wildcards.images))
    write_json(snakemake.output[0], drawn)
    taken = len(drawn["from_training"])
    print(f"{drawn['images']} validation images, {taken} of them from the training images")
