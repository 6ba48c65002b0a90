"""A run, read from its results folder; and where its numbers come from."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from metaprobe.core.files import read_checked_json
from metaprobe.operations.status import State
from metaprobe.report.data import Run
from metaprobe.tables.collect import Tables, read_tables, tables_of
from metaprobe.training.fragment import Experiment, Fragment

CPUINFO = Path("/proc/cpuinfo")
TEXTS = dict.fromkeys(("task_id", "configuration_a", "configuration_b"), str)


def read_run(results: Path, licences: Mapping[str, str]) -> Run:
    """Read what is known of a run whose tables are written."""
    tables = read_tables(results)
    ids = tables.experiments[["task_id", "configuration"]].itertuples(index=False, name=None)
    comparisons = results / "comparisons.csv"
    return Run(
        states=dict.fromkeys(ids, State("done")),
        tables=tables,
        licences=licences,
        validation=read_checked_json(results / "validation.json"),
        evaluation=read_checked_json(results / "recommendation_evaluation.json"),
        machine=machine(results, tables),
        portfolio=read_checked_json(results / "portfolio.json"),
        comparisons=pd.read_csv(comparisons, dtype=TEXTS) if comparisons.is_file() else None,
    )


def partial_run(
    results: Path,
    states: Mapping[Experiment, State],
    fragments: Sequence[Fragment],
    licences: Mapping[str, str],
) -> Run:
    """Return what there is of a run, its tables from the sound fragments; what follows from a whole
    table, as a validation and an evaluation, is left out.
    """
    tables = tables_of(fragments)
    return Run(dict(states), tables, licences, None, None, machine(results, tables))


def provenance(run: Run) -> dict[str, str]:
    """Return it as names and values."""
    experiments = run.experiments

    def values(column: str) -> str:
        found = experiments[column].astype(object).fillna("not recorded")
        return ", ".join(dict.fromkeys(map(str, found)))

    if experiments.empty:
        return dict(run.machine)
    versions = [name for name in map(str, experiments) if name.startswith("versions_")]
    rows = {
        "heads per experiment": values("replicates"),
        "weights": values("weights_id"),
        "seed": values("seed"),
        "backbone ran on": f"{values('device')}, {values('precision')}",
        "engine": f"{values('engine_name')} {values('engine_version')}",
        "commit": values("git_commit"),
        "versions": "; ".join(
            f"{name.removeprefix('versions_')} {values(name)}" for name in versions
        ),
    }
    return rows | dict(run.machine)


def machine(results: Path, tables: Tables) -> dict[str, str]:
    """Return when the fragments were written, and what the report was made on."""
    found = {}
    ids = tables.experiments[["task_id", "configuration"]].itertuples(index=False, name=None)
    files = [results / "metrics" / task_id / f"{name}.json" for task_id, name in ids]
    times = [datetime.fromtimestamp(one.stat().st_mtime, UTC) for one in files if one.is_file()]
    if times:
        first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (min(times), max(times)))
        found["fragments written"] = f"{first} to {last} UTC"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return found | {"report made on": f"{system}, {processor()}, {cores} cores"}


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    told = CPUINFO.read_text() if CPUINFO.is_file() else ""
    found = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown processor"
