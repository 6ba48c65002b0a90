"""Print what is there of every data set, what will be fetched, and what the user must do."""

import sys
from pathlib import Path

from metaprobe.operations.doctor import examine, needs_user, report

data = Path(snakemake.config["data"]).expanduser()
findings = examine(snakemake.params.datasets, snakemake.params.sources, data)
print(report(findings, snakemake.params.sources, data))
if needs_user(findings, snakemake.params.sources, data):
    sys.exit("Some data sets need you: see `manual` and `broken` above.")
