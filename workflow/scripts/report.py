"""Write the report of a run, and its pictures."""

from pathlib import Path

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.report.page import write_report
    from metaprobe.report.reading import read_run

    page = snakemake.output.page
    run = read_run(Path(page).parent, snakemake.params.licences)
    write_report(run, page, snakemake.output.figures)
