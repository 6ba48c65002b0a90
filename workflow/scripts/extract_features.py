"""Extract the features of a subset by a frozen backbone; or of validation images, or of augmented views."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.arrays import write_arrays
    from metaprobe.data.dataset import entry_here
    from metaprobe.features.extraction import Part, extract_features
    from metaprobe.features.weights import weights_folder

    config, params, task_id = snakemake.config, snakemake.params, snakemake.wildcards.dataset
    architecture = snakemake.wildcards.architecture
    name, drawn = snakemake.wildcards.get("part"), snakemake.input.get("validation")
    part = Part(name, (drawn or [None])[0]) if name else None
    arrays, metadata = extract_features(
        task_id=task_id,
        entry=entry_here(params.reading, config["datasets"][task_id]),
        data=Path(config["data"]).expanduser(),
        transform=params.transform,
        subset_path=snakemake.input.subset,
        architecture=architecture,
        backbone=backbone_here(params.backbone, config["backbones"][architecture]),
        weights=params.weights,
        seed=params.seed,
        weights_receipt=(snakemake.input.get("weights") or [None])[0],
        weights_folder=weights_folder(config.get("weights_folder"), config["data"]),
        device=config["device"],
        engine=params.engine,
        precision=params.precision,
        threads=snakemake.threads,
        part=part,
    )
    write_arrays(snakemake.output[0], arrays, metadata)
    print(metadata)
