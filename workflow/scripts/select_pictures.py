"""Take the statistics of a derived data set's training pictures from its parent, or measure them if few."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.arrays import write_arrays
    from metaprobe.data.dataset import entry_here
    from metaprobe.derived.index import index_pictures
    from metaprobe.derived.pictures import measure_derived

    config, params, files = snakemake.config, snakemake.params, snakemake.input
    if index := index_pictures(files.subset, files.pictures):
        index.write(snakemake.output[0])
        print(f"{len(index.arrays['positions'])} pictures were measured of {params.origin}")
    else:
        arrays, facts = measure_derived(
            subset_path=files.subset,
            parent_path=files.parent,
            origin=params.origin,
            entry=entry_here(params.reading, config["datasets"][params.origin]),
            data=Path(config["data"]).expanduser(),
            transform=params.transform,
            seed=params.seed,
        )
        write_arrays(snakemake.output[0], arrays, facts)
        print(f"{len(arrays['positions'])} pictures measured")
