"""What the Snakemake of a single job costs: nothing of it grows with the table."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from checkouts import ROOT, planned

LOAD = """
import json
import sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, ExecutionSettings, OutputSettings
from snakemake.settings.types import ResourceSettings, WorkflowSettings
from snakemake_interface_executor_plugins.settings import ExecMode

with SnakemakeApi(OutputSettings(dryrun=True, quiet=["all"], enable_file_logging=False)) as api:
    loaded = api.workflow(
        ResourceSettings(cores=1),
        ConfigSettings(configfiles=[*map(Path, sys.argv[1:])]),
        workflow_settings=WorkflowSettings(exec_mode=ExecMode.REMOTE),
        snakefile=Path("Snakefile"),
    )
    job = DAGSettings(targets={"results/subsets/USPS.json"}, allowed_rules={"subset_index"})
    loaded.dag(job).execute_workflow("dryrun", execution_settings=ExecutionSettings(lock=False))
    workflow = loaded._workflow
    found = {
        "paths": sum(len(rule.input) for rule in workflow.rules),
        "computed": sorted(vars(workflow.globals["FLOW"])),
        "fingerprints": workflow.globals["fingerprint"].cache_info().currsize,
    }
    print(json.dumps(found))
"""


def loaded(*configfiles: str) -> dict[str, Any]:
    """What a Snakefile read for one job holds, by the names of its measures."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *configfiles],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_snakemake_of_one_job_does_not_build_the_table(tmp_path: Path) -> None:
    """A queued job of 0.05 GB whose two Snakemakes take 0.9 GB each, for 1,000 tasks × 48."""
    many = tmp_path / "many.json"
    entry = {"kind": "folder", "classes": 2}
    many.write_text(json.dumps({"datasets": {f"Folder{n}": entry for n in range(200)}}))
    small, large = loaded(), loaded("config/configurations-48.yaml", str(many))
    assert small["paths"] == large["paths"]
    assert small["computed"] == large["computed"]
    assert "experiments" not in large["computed"]
    assert small["fingerprints"] == large["fingerprints"] <= 3


def test_table_can_be_planned_in_parts(tmp_path: Path) -> None:
    """The command of docs/performance.md, for tables whose whole plan takes minutes."""
    command = "--batch aggregate=$part/10 -- results/target_representations.csv"
    assert command in (ROOT / "docs/performance.md").read_text()
    elsewhere = f"pathvars={{results: {tmp_path}, logs: {tmp_path}/logs}}"
    table = f"{tmp_path}/target_representations.csv"
    part = planned(ROOT, "--config", elsewhere, "--batch", "aggregate=1/10", "--", table)
    assert part["metrics_json"] == part["train_head"] == 18
    assert "aggregate" not in part
