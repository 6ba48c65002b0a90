"""Print what is there of every data set, what will be fetched, and what the user must do."""

import sys
from pathlib import Path

from metaprobe.config.datasets import Source, parse_entry
from metaprobe.operations.doctor import examine, needs_user, report

data = Path(snakemake.config["data"]).expanduser()
datasets = {name: parse_entry(one) for name, one in snakemake.params.datasets.items()}
sources = {name: Source.model_validate(one) for name, one in snakemake.params.sources.items()}
findings = examine(datasets, sources, data)
print(report(findings, sources, data))
if needs_user(findings, sources, data):
    sys.exit("Some data sets need you: see `manual` and `broken` above.")
