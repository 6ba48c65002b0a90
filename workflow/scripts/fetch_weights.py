"""See that one architecture's ImageNet weights are there and write their receipt."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from workflow.metaprobe.files import write_json
    from workflow.metaprobe.weights import fetch_imagenet, weights_folder

    folder, download = weights_folder(snakemake.config)
    write_json(
        snakemake.output[0],
        fetch_imagenet(snakemake.wildcards.architecture, folder, download=download),
    )
