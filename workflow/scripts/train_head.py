"""Train the heads of one experiment, one per replicate, on cached features."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.arrays import write_arrays
    from metaprobe.training.trained import train_on_file

    parameters, metadata = train_on_file(
        snakemake.input.features,
        snakemake.wildcards.dataset,
        snakemake.params.hyperparameters,
        snakemake.params.seed,
        snakemake.params.replicates,
        validation_path=(snakemake.input.get("validation") or [None])[0],
        view_paths=snakemake.input.get("views") or (),
    )
    write_arrays(snakemake.output[0], parameters, metadata)
    for replicate in metadata["replicates"]:
        print(f"seed {replicate['seed']}:", *replicate["learning_curve"], sep="\n")
