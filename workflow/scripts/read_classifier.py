"""Take the classifier that a backbone was trained with out of its weights."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.arrays import write_arrays
    from metaprobe.features.source_classifier import source_classifier
    from metaprobe.features.weights import weights_folder

    config, params = snakemake.config, snakemake.params
    architecture = snakemake.wildcards.architecture
    arrays, facts = source_classifier(
        architecture,
        backbone_here(params.backbone, config["backbones"][architecture]),
        weights=params.weights,
        seed=params.seed,
        receipt=(snakemake.input.get("weights") or [None])[0],
        folder=weights_folder(config.get("weights_folder"), config["data"]),
    )
    write_arrays(snakemake.output[0], arrays, facts)
    print(facts)
