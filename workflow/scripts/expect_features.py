"""Read from one backbone's last BatchNorm what features it expects."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_arrays
    from metaprobe.features.expectations import expected_features
    from metaprobe.features.weights import weights_folder

    arrays, facts = expected_features(
        snakemake.wildcards.architecture,
        snakemake.params.seed,
        snakemake.input.get("weights") or None,
        weights_folder(snakemake.config)[0],
    )
    write_arrays(snakemake.output[0], arrays, facts)
    print(facts)
