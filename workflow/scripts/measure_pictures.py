"""Measure a sample of one data set's training pictures."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.arrays import write_arrays
    from metaprobe.data.dataset import entry_here
    from metaprobe.metafeatures.image_statistics import measure_pictures

    config, params, task_id = snakemake.config, snakemake.params, snakemake.wildcards.dataset
    arrays, metadata = measure_pictures(
        task_id=task_id,
        entry=entry_here(params.reading, config["datasets"][task_id]),
        data=Path(config["data"]).expanduser(),
        transform=params.transform,
        subset_path=snakemake.input.subset,
        seed=params.seed,
    )
    write_arrays(snakemake.output[0], arrays, metadata)
    print(f"{len(arrays['positions'])} pictures measured")
