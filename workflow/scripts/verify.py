"""Recompute some finished experiments and print how far the numbers are apart."""

import sys
from pathlib import Path

from metaprobe.config.datasets import parse_entry
from metaprobe.core.errors import UserError
from metaprobe.features.weights import weights_folder
from metaprobe.operations.verify import Settings, overall, report, verify
from metaprobe.tables.target import read_fragments

config, params = snakemake.config, snakemake.params
settings = Settings(
    datasets={name: parse_entry(entry) for name, entry in config["datasets"].items()},
    data=Path(config["data"]).expanduser(),
    seed=config["seed"],
    sizes={part: config[f"{part}_images"] for part in ("train", "test")},
    weights=config["weights"],
    weights_folder=weights_folder(config)[0],
    device=config["device"],
)
try:
    fragments, _ = read_fragments(params.fragments, params.experiments, params.expected)
    found = verify(fragments, settings, config["verify_experiments"], params.processes)
except UserError as error:
    sys.exit(f"verify: {error}")
print(report(found), flush=True)
if overall(found) not in ("identical", "within tolerance"):
    sys.exit("verify: the recomputed numbers are not those of the table; see above.")
