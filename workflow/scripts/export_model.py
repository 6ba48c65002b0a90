"""Export the model of one experiment, and see that it says what the run says."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    import torch
    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.files import digest_files
    from metaprobe.data.dataset import entry_here
    from metaprobe.export.card_text import accuracy
    from metaprobe.export.model import Run, export_model
    from metaprobe.features.backbones import Weights
    from metaprobe.features.weights import weights_folder

    config, params, wildcards = snakemake.config, snakemake.params, snakemake.wildcards
    architecture = params.hyperparameters["architecture"]
    task_id, read = wildcards.dataset, snakemake.input
    torch.set_num_threads(snakemake.threads)
    files = {name: Path(read[name]) for name in ("subset", "head", "fragment", "predictions")}
    weights = Weights(
        params.weights,
        params.seed,
        (read.get("weights") or [None])[0],
        weights_folder(config.get("weights_folder"), config["data"]),
    )
    backbone = backbone_here(params.backbone, config["backbones"][architecture])
    folder = Path(snakemake.output.card).parent
    card = export_model(
        folder,
        Run(task_id, wildcards.configuration, params.hyperparameters, **files),
        entry=entry_here(params.reading, config["datasets"][task_id]),
        data=Path(config["data"]).expanduser(),
        transform=params.transform,
        backbone=backbone,
        licence=params.licence,
        ready=weights.ready(architecture, backbone),
        made_from=digest_files(folder.parents[2], read),
    )
    print(accuracy(card), card["compared"])
