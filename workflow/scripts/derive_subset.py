"""Draw the subset of a derived data set from that of its parent."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.config.datasets import parse_entry
    from metaprobe.core.files import write_json
    from metaprobe.data.subset import read_subset
    from metaprobe.derived.derivation import derive

    entry, parent = parse_entry(snakemake.params.reading), read_subset(snakemake.input.parent)
    subset = derive(snakemake.wildcards.dataset, entry, parent)
    write_json(snakemake.output[0], subset)
    print(f"{subset['train']['images']} training and {subset['test']['images']} test images")
