"""Train the upper blocks of a backbone and a head, from cached activations."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    import shutil
    from pathlib import Path

    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.arrays import write_arrays
    from metaprobe.data.dataset import entry_here
    from metaprobe.features.backbones import Weights
    from metaprobe.features.extraction import Part
    from metaprobe.features.weights import weights_folder
    from metaprobe.tuning.on_files import (
        cache_activations,
        forget_arrays,
        see_to_arrays,
        tune_on_files,
    )
    from metaprobe.tuning.siblings import parts_needed

    config, params, wildcards = snakemake.config, snakemake.params, snakemake.wildcards
    architecture = params.hyperparameters["architecture"]
    output = Path(snakemake.output[0])
    checkpoints = output.with_suffix(".checkpoints")
    validation = (snakemake.input.get("validation") or [None])[0]
    receipts = {Path(file).stem: file for file in snakemake.input.activations}
    backbone = backbone_here(params.backbone, config["backbones"][architecture])
    weights = Weights(
        params.weights,
        params.seed,
        (snakemake.input.get("weights") or [None])[0],
        weights_folder(config.get("weights_folder"), config["data"]),
    )

    def cache(part, receipt):
        """Compute activations that have been deleted after their use."""
        cache_activations(
            receipt,
            task_id=wildcards.dataset,
            entry=entry_here(params.reading, config["datasets"][wildcards.dataset]),
            data=Path(config["data"]).expanduser(),
            transform=params.transform,
            subset_path=snakemake.input.subset,
            architecture=architecture,
            backbone=backbone,
            weights=weights,
            cut=Path(receipt).parent.name,
            part=Part(part, validation if part.startswith("validation-") else None),
            device=config["device"],
            threads=snakemake.threads,
        )

    see_to_arrays(receipts, cache)
    arrays, metadata = tune_on_files(
        task_id=wildcards.dataset,
        subset_path=snakemake.input.subset,
        features_path=snakemake.input.features,
        validation_path=validation,
        activations=receipts,
        architecture=architecture,
        backbone=backbone,
        weights=weights,
        hyperparameters=params.hyperparameters,
        seed=params.seed,
        replicates=params.replicates,
        device=config["device"],
        threads=snakemake.threads,
        checkpoints=checkpoints,
        code=params.code,
    )
    write_arrays(output, arrays, metadata)
    shutil.rmtree(checkpoints, ignore_errors=True)
    forget_arrays(receipts, parts_needed(config, wildcards.configuration, output))
    for replicate in metadata["replicates"]:
        print(f"seed {replicate['seed']}:", *replicate["learning_curve"], sep="\n")
