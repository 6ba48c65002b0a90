"""Train the upper blocks of a backbone and a head, from cached activations."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    import shutil
    from pathlib import Path

    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.files import write_arrays
    from metaprobe.features.weights import weights_folder
    from metaprobe.tuning.on_files import Weights, tune_on_files

    config, params, wildcards = snakemake.config, snakemake.params, snakemake.wildcards
    architecture = params.hyperparameters["architecture"]
    output = Path(snakemake.output[0])
    checkpoints = output.with_suffix(".checkpoints")
    arrays, metadata = tune_on_files(
        task_id=wildcards.dataset,
        subset_path=snakemake.input.subset,
        features_path=snakemake.input.features,
        validation_path=(snakemake.input.get("validation") or [None])[0],
        activations={Path(file).stem: file for file in snakemake.input.activations},
        architecture=architecture,
        backbone=backbone_here(params.backbone, config["backbones"][architecture]),
        weights=Weights(
            params.weights,
            params.seed,
            (snakemake.input.get("weights") or [None])[0],
            weights_folder(config.get("weights_folder"), config["data"]),
        ),
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
    for replicate in metadata["replicates"]:
        print(f"seed {replicate['seed']}:", *replicate["learning_curve"], sep="\n")
