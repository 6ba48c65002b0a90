"""Read from one backbone's last BatchNorm what features it expects."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from workflow.metaprobe.expectations import expected_features
    from workflow.metaprobe.files import write_arrays
    from workflow.metaprobe.weights import weights_folder

    arrays, facts = expected_features(
        snakemake.wildcards.architecture,
        snakemake.params.seed,
        snakemake.input.get("weights") or None,
        weights_folder(snakemake.config)[0],
    )
    write_arrays(snakemake.output[0], arrays, facts)
    print(facts)
