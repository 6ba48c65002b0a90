"""Measure a sample of one data set's training pictures."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.datasets import parse_entry
    from metaprobe.core.files import write_arrays
    from metaprobe.metafeatures.pictures import measure_pictures

    task_id = snakemake.wildcards.dataset
    arrays, facts = measure_pictures(
        task_id=task_id,
        entry=parse_entry(snakemake.config["datasets"][task_id]),
        data=Path(snakemake.config["data"]).expanduser(),
        subset_path=snakemake.input.subset,
        seed=snakemake.params.seed,
    )
    write_arrays(snakemake.output[0], arrays, facts)
    print(f"{len(arrays['positions'])} pictures measured")
