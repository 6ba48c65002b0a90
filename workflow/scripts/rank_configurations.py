"""Rank the configurations for the new data set from the table and its description."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_json, write_text
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.ranking import read_new_task, recommend, to_csv

    params = snakemake.params
    folder = Path(snakemake.input.fragments[0]).parent.parent
    table = read_meta_table(folder, params.experiments, params.expected, snakemake.input.basic)
    recommendation = recommend(
        params.task_id,
        read_new_task(snakemake.input.description, table),
        table,
        method=params.method,
        neighbours=params.neighbours,
    )
    write_json(snakemake.output.details, recommendation)
    write_text(snakemake.output.table, to_csv(recommendation))
