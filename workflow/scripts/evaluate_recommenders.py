"""Hold out every task, recommend for it from the others, and compare with the global best."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import digest_files, write_checked_json, write_csv
    from metaprobe.core.jobs import WARNING
    from metaprobe.recommend.evaluation import evaluate
    from metaprobe.recommend.evaluation_table import evaluation_rows, to_json, to_table
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.noise_floor import noise_floors

    params, files = snakemake.params, snakemake.input
    table = read_meta_table(files.experiments, files.basic)
    floors = noise_floors(files.predictions, params.seed)
    outcomes = evaluate(
        table, floors, method=params.method, neighbours=params.neighbours, seed=params.seed
    )
    rows = evaluation_rows(outcomes, params.seed)
    details = to_json(outcomes, rows, table, floors, neighbours=params.neighbours)
    details["made_from"] = digest_files(Path(snakemake.output.details).parent, files)
    write_checked_json(snakemake.output.details, details)
    write_csv(snakemake.output.table, to_table(rows))
    for note in details["notes"]:
        print(f"{WARNING}{note}")
