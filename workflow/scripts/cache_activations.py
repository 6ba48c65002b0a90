"""Keep what enters the trained blocks of a backbone, for each image of one part of a data set."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.backbones import backbone_here
    from metaprobe.data.dataset import entry_here
    from metaprobe.features.backbones import Weights
    from metaprobe.features.extraction import Part
    from metaprobe.features.weights import weights_folder
    from metaprobe.tuning.on_files import cache_activations

    config, params, task_id = snakemake.config, snakemake.params, snakemake.wildcards.dataset
    architecture = snakemake.wildcards.architecture
    cache_activations(
        snakemake.output[0],
        task_id=task_id,
        entry=entry_here(params.reading, config["datasets"][task_id]),
        data=Path(config["data"]).expanduser(),
        transform=params.transform,
        subset_path=snakemake.input.subset,
        architecture=architecture,
        backbone=backbone_here(params.backbone, config["backbones"][architecture]),
        weights=Weights(
            params.weights,
            params.seed,
            (snakemake.input.get("weights") or [None])[0],
            weights_folder(config.get("weights_folder"), config["data"]),
        ),
        cut=snakemake.wildcards.cut,
        part=Part(snakemake.wildcards.part, (snakemake.input.get("validation") or [None])[0]),
        device=config["device"],
        threads=snakemake.threads,
    )
