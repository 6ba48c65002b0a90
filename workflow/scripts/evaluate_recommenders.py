"""Hold out every task, recommend for it from the others, and compare with the global best."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import write_json, write_text
    from metaprobe.core.jobs import WARNING
    from metaprobe.recommend import evaluation_table
    from metaprobe.recommend.evaluation import evaluate
    from metaprobe.recommend.meta_table import read_meta_table

    params = snakemake.params
    folder = Path(snakemake.input.fragments[0]).parent.parent
    table = read_meta_table(folder, params.experiments, params.expected, snakemake.input.basic)
    outcomes = evaluate(table, method=params.method, neighbours=params.neighbours, seed=params.seed)
    rows = evaluation_table.evaluation_rows(outcomes, params.seed)
    details = evaluation_table.to_json(outcomes, rows, neighbours=params.neighbours)
    write_json(snakemake.output.details, details)
    write_text(snakemake.output.table, evaluation_table.to_csv(rows))
    for note in details["notes"]:
        print(f"{WARNING}{note}")
