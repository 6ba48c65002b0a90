"""Index the features of validation images, or of an augmented view, of a derived data set."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.derived.index import index_part

    drawn = (snakemake.input.get("validation") or [None])[0]
    index = index_part(snakemake.input.subset, snakemake.input.part, drawn)
    index.write(snakemake.output[0])
    print(index.facts)
