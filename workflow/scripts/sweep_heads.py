"""Train and measure every entry of the grid on one features file."""

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    import shutil
    from pathlib import Path

    from workflow.metaprobe.sweep import sweep
    from workflow.metaprobe.sweep_table import write_rows

    features, output, params = snakemake.input.features, snakemake.output[0], snakemake.params
    chunks = Path(output).with_suffix(".chunks")
    rows = sweep(features, params.grid, params.seed, chunks, params.code)
    print(write_rows(output, rows))
    shutil.rmtree(chunks)
