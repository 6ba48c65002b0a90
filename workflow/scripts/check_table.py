"""Check target_representations.csv and write down what was found, be it right or wrong."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import csv_text, digest_files, write_checked_json
    from metaprobe.core.parquet import read_parquet
    from metaprobe.metafeatures.table import as_csv
    from metaprobe.tables.collect import target_table
    from metaprobe.tables.validation import examine
    from metaprobe.tables.written_table import describe_subset, read_table

    params, files = snakemake.params, snakemake.input
    folder = Path(files.table).parent
    written = {files.table: csv_text(target_table(read_parquet(files.experiments)))}
    if basic := files.get("basic"):
        written[basic] = as_csv(read_parquet(files.basic_parquet))
    table = read_table(
        files.table,
        params.experiments,
        params.configurations,
        dict(zip(params.tasks, map(describe_subset, files.subsets), strict=True)),
        params.replicates,
        basic or None,
        written,
    )
    tables = filter(None, [files.table, files.experiments, basic, files.get("basic_parquet")])
    report = examine(table, files.table, digest_files(folder, tables))
    write_checked_json(snakemake.output[0], report)
