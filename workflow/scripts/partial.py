"""Write the table of what is finished now, and print how much that is."""

from pathlib import Path

from workflow.metaprobe.partial_table import answer

params = snakemake.params
print(answer(Path(params.results), params.experiments, params.expected))
