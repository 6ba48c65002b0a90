"""See that one architecture's ImageNet weights are there and write their receipt."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_json
    from metaprobe.features.weights import fetch_imagenet, weights_folder

    folder, download = weights_folder(snakemake.config)
    write_json(
        snakemake.output[0],
        fetch_imagenet(snakemake.wildcards.architecture, folder, download=download),
    )
