"""Compare the configurations of each task on the same test images."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.tables.comparisons import write_comparisons

    write_comparisons(snakemake.output[0], snakemake.input[0])
