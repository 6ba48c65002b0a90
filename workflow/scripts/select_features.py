"""Index the cached features of a derived data set: rows of those of its parent."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.derived.index import index_features

    index = index_features(snakemake.input.subset, snakemake.input.features)
    index.write(snakemake.output[0])
    print(index.facts)
