"""Take the validation images of a derived data set from those of its parent."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_json
    from metaprobe.data.subset import read_subset, read_validation
    from metaprobe.derived.derivation import derive_validation

    files = snakemake.input
    subset, parent = read_subset(files.subset), read_subset(files.parent)
    drawn = derive_validation(subset, parent, read_validation(files.validation, parent))
    write_json(snakemake.output[0], drawn)
    print(f"{drawn['images']} validation images")
