"""See that one architecture's ImageNet weights are there and write their receipt."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_json
    from metaprobe.features.weights import fetch_imagenet, weights_folder

    config = snakemake.config
    receipt = fetch_imagenet(
        snakemake.params.weights,
        weights_folder(config),
        download="weights_folder" not in config,  # the user's own folder is only read
    )
    write_json(snakemake.output[0], receipt)
