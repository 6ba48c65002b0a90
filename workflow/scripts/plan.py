"""Print what a run would do and cost."""

import sys
from pathlib import Path, PurePosixPath

from metaprobe.config.datasets import Source, parse_entry
from metaprobe.core.errors import UserError
from metaprobe.operations import costs, doctor
from metaprobe.operations.plan import Plan, jobs_to_run, report
from metaprobe.operations.plan_times import expected_times
from metaprobe.operations.status import read_states

config, params = snakemake.config, snakemake.params
data, results = Path(config["data"]).expanduser(), Path(params.results)
datasets = {name: parse_entry(one) for name, one in snakemake.params.datasets.items()}
sources = {name: Source.model_validate(one) for name, one in snakemake.params.sources.items()}
try:
    jobs = jobs_to_run(params.command, params.overrides, PurePosixPath(params.results))
    size_of = costs.sizes(
        datasets,
        sources,
        {part: config[f"{part}_images"] for part in ("train", "test")},
    )
    per_unit, measured = expected_times(
        jobs, size_of, results, Path(params.logs), config, params.cores
    )
except UserError as error:
    sys.exit(f"plan: {error}")
plan = Plan(
    states=read_states(params.stages, params.expected),
    jobs=jobs,
    findings=doctor.examine(datasets, sources, data),
    sources=sources,
    per_unit=per_unit,
    measured=measured,
    size_of=size_of,
    cores=params.cores,
    free={"data": doctor.free_megabytes(data), "results": doctor.free_megabytes(results)},
)
print(report(plan))
