"""Compare the configurations of each task on the same test images."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from workflow.metaprobe.comparisons import write_comparisons

    write_comparisons(snakemake.output[0], snakemake.input[0])
