"""Compute the meta-features of one data set, or of half-samples of it, from its cached files."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_checked_json
    from metaprobe.metafeatures.description import describe_dataset

    params = snakemake.params
    description = describe_dataset(
        task_id=snakemake.wildcards.dataset,
        seed=params.seed,
        subset_path=snakemake.input.subset,
        pictures_path=snakemake.input.pictures,
        features_paths=dict(zip(params.architectures, snakemake.input.features, strict=True)),
        resamples=params.get("resamples"),
    )
    write_checked_json(snakemake.output[0], description)
    print(description["rows"][0])
