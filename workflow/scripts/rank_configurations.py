"""Rank the configurations for the new data set from the table and its description."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import digest_files, write_checked_json, write_csv
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.ranking import read_new_task, recommend, to_table

    params = snakemake.params
    table = read_meta_table(snakemake.input.experiments, snakemake.input.basic)
    recommendation = recommend(
        params.task_id,
        read_new_task(snakemake.input.description, table),
        table,
        method=params.method,
        neighbours=params.neighbours,
        weights=params.weights,
    )
    folder = Path(snakemake.output.details).parent.parent
    recommendation["made_from"] = digest_files(folder, snakemake.input)
    write_checked_json(snakemake.output.details, recommendation)
    write_csv(snakemake.output.table, to_table(recommendation))
