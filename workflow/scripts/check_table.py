"""Check target_representations.csv and write down what was found, be it right or wrong."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_json
    from metaprobe.tables.checks import describe_subset, examine, read_table

    params, files = snakemake.params, snakemake.input
    table = read_table(
        files.table,
        params.experiments,
        params.configurations,
        dict(zip(params.tasks, map(describe_subset, files.subsets), strict=True)),
        params.replicates,
        files.get("basic") or None,
    )
    write_json(snakemake.output[0], examine(table, files.table))
