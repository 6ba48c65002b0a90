"""See that the weights of one backbone are there, that they give vectors, and write their receipt."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.config.backbones import backbone_here
    from metaprobe.core.files import write_json
    from metaprobe.features.receipt import examine
    from metaprobe.features.weights import weights_folder

    config, architecture = snakemake.config, snakemake.wildcards.architecture
    receipt = examine(
        architecture,
        backbone_here(snakemake.params.backbone, config["backbones"][architecture]),
        weights_folder(config.get("weights_folder"), config["data"]),
        download="weights_folder" not in config,  # the user's own folder is only read
    )
    write_json(snakemake.output[0], receipt)
    print(receipt)
