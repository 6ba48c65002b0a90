"""Write the report of a run, and its pictures."""

from pathlib import Path

from workflow.metaprobe.jobs import logged

with logged(snakemake.log[0]):
    from workflow.metaprobe.report_data import read_run
    from workflow.metaprobe.report_page import write_report

    params, output = snakemake.params, snakemake.output
    run = read_run(Path(output.page).parent, params.stages, params.expected, params.licences)
    write_report(run, output.page, output.figures)
