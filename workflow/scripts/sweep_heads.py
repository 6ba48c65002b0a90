"""Train and measure every entry of the grid on one features file."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    import shutil
    from pathlib import Path

    from metaprobe.config.configurations import Grid
    from metaprobe.training.sweep import sweep
    from metaprobe.training.sweep_table import write_rows

    features, output, params = snakemake.input.features, snakemake.output[0], snakemake.params
    chunks = Path(output).with_suffix(".chunks")
    grid = Grid.model_validate(params.grid)
    validation = (snakemake.input.get("validation") or [None])[0]
    rows = sweep(features, grid, params.seed, chunks, params.code, validation)
    print(write_rows(output, rows))
    shutil.rmtree(chunks)
