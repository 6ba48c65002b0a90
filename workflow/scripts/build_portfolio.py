"""Choose a few configurations that do well between them, and judge them on families held out."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import digest_files, write_checked_json, write_csv
    from metaprobe.recommend.meta_table import read_meta_table
    from metaprobe.recommend.noise_floor import noise_floors
    from metaprobe.recommend.portfolio import portfolio_rows, to_json, to_table

    files, seed = snakemake.input, snakemake.params.seed
    table = read_meta_table(files.experiments, files.basic)
    floors = noise_floors(files.predictions, seed)
    rows = portfolio_rows(table, floors, seed=seed)
    details = to_json(table, floors, rows)
    details["made_from"] = digest_files(Path(snakemake.output.details).parent, files)
    write_checked_json(snakemake.output.details, details)
    write_csv(snakemake.output.table, to_table(rows))
