"""Write the table and the report of what is finished now, and print how much that is."""

from pathlib import Path

from metaprobe.report.data import read_partial_run
from metaprobe.report.page import write_partial_report
from metaprobe.tables.partial import answer

params = snakemake.params
results = Path(params.results)
print(answer(results, params.experiments, params.expected))
run = read_partial_run(results, params.stages, params.expected, params.licences)
if run.count("done"):
    print(f"The report of them: {write_partial_report(run, results)}")
