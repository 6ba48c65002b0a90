"""Judge metrics of transferability, and advice at equal cost."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.files import digest_files, write_checked_json, write_csv
    from metaprobe.core.parquet import write_parquet
    from metaprobe.recommend.arena.reading import probes_table, read_finished
    from metaprobe.recommend.arena.tables import as_tables, judge_run

    inputs, outputs = snakemake.input, snakemake.output
    finished = read_finished(inputs.experiments, inputs.predictions, inputs.scores)
    judged = judge_run(finished, snakemake.params.seed)
    judged["made_from"] = digest_files(Path(outputs.details).parent, inputs)
    arena, advice = as_tables(judged)
    write_csv(outputs.arena, arena)
    write_csv(outputs.advice, advice)
    write_parquet(outputs.probes, probes_table(finished), judged["made_from"])
    write_checked_json(outputs.details, judged)
    print(*judged["sentences"], sep="\n")
