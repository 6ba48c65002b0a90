"""Write the report of a run, and its pictures."""

from pathlib import Path

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.report.data import read_run
    from metaprobe.report.page import write_report

    params, output = snakemake.params, snakemake.output
    run = read_run(Path(output.page).parent, params.stages, params.expected, params.licences)
    write_report(run, output.page, output.figures)
