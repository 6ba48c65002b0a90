"""What keeps a run on Slurm out of the plugin's traps, as far as it shows without a cluster."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
import yte
from checkouts import ROOT, copy_workflow, snakemake
from metaprobe.core.errors import UserError
from metaprobe.operations.slurm.check import check_slurm, minimum_job_age
from metaprobe.operations.slurm.queue import parse_queue

TEXT = (ROOT / "profiles/slurm/profile.yaml").read_text()
PROFILE = yaml.safe_load(TEXT)
PAGE = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
RULES = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))


def slurm_tools(folder: Path, monkeypatch, *, squeue: str = "", age: int = 300) -> None:
    """Put a squeue and an scontrol on the path that answer so."""
    (folder / "queue").write_text(squeue)
    for name, command in {
        "squeue": f"cat '{folder}/queue'",
        "scontrol": f"echo 'MinJobAge               = {age} sec'",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_profile_is_found_by_its_name_and_holds_no_trap() -> None:
    """`snakemake --profile slurm` without a profile; or arrays and groups, which lose results."""
    assert (ROOT / "slurm").resolve() == ROOT / "profiles/slurm"
    assert (ROOT / "slurm").readlink() == Path("profiles/slurm")
    default = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text())
    assert not default.keys() & PROFILE.keys()
    assert PROFILE["executor"] == "slurm"
    assert PROFILE["slurm-status-command"] == "squeue"
    assert not {"slurm-array-jobs", "groups", "group-components", "report"} & PROFILE.keys()
    outage = PROFILE["slurm-status-attempts"] / PROFILE["max-status-checks-per-second"]
    assert outage >= 600


def test_profile_needs_no_cores_and_hides_no_other(tmp_path, monkeypatch) -> None:
    """A rule that asks for the number of cores, which a run on a cluster does not have; the user's
    own account not used, without a word."""
    folder = copy_workflow(tmp_path / "checkout")
    own = tmp_path / "config/snakemake/slurm"
    own.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    result = snakemake(folder, "-n", "--profile", "slurm", cores=None)
    assert result.returncode == 0, result.stdout
    assert "metrics_json" in result.stdout
    assert f"your own needs its path: --profile {own}" in result.stdout


def test_documented_commands_run_as_typed() -> None:
    """`snakemake: not found`, found only in the output of a job; an option without its file."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    submitted = [shlex.split(line)[-1] for line in lines if line.startswith("sbatch ")]
    assert len(submitted) == 2
    for line in [*lines, *submitted]:
        first = line.split()[0]
        assert first in ("make", "sbatch") or first.startswith(".venv/bin/"), line


def test_account_and_partition_come_from_the_environment(monkeypatch) -> None:
    """An account that must be written into a file that git tracks."""
    names = ("SBATCH_ACCOUNT", "SBATCH_PARTITION", "METAPROBE_PRECOMMAND")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    bare = yte.process_yaml(TEXT, require_use_yte=True)
    assert set(bare["default-resources"]) == {"mem_mb", "runtime"} and "precommand" not in bare
    for name in names:
        monkeypatch.setenv(name, f"my {name}")
    full = yte.process_yaml(TEXT, require_use_yte=True)
    assert full["default-resources"]["slurm_account"] == "my SBATCH_ACCOUNT"
    assert full["default-resources"]["slurm_partition"] == "my SBATCH_PARTITION"
    assert full["precommand"] == "my METAPROBE_PRECOMMAND"


def test_no_rule_retries_or_groups() -> None:
    """Retries that multiply inside one Slurm job; a failed head that takes its neighbours along."""
    assert not re.findall(r"^    (?:retries|group):", RULES, re.MULTILINE)


def test_only_work_of_minutes_is_submitted() -> None:
    """180 queue entries of a second each; or a backbone on the login node."""
    submitted = {
        re.match(r"\w+", rule)[0]
        for rule in re.split(r"^rule ", RULES, flags=re.MULTILINE)[1:]
        if "localrule: True" not in rule
    }
    assert submitted >= {"subset_index", "extract_features"}
    assert not submitted & {"download", "fetch_weights", "train_head", "metrics_json", "aggregate"}


def test_rules_grow_with_the_attempt_and_gpus_are_left_to_the_profile(tmp_path) -> None:
    """A second try with the memory that was too little; a GPU asked for where there is none."""
    assert "gpu" not in RULES
    folder = copy_workflow(tmp_path / "checkout")
    text = (folder / "profiles/slurm/profile.yaml").read_text()
    filled = re.sub(r"^# (set-resources:|  extract_features:|    gpu:)", r"\1", text, flags=re.M)
    assert yaml.safe_load(filled)["set-resources"] == {"extract_features": {"gpu": 1}}
    (folder / "profiles/slurm/profile.yaml").write_text(filled)
    result = snakemake(
        folder, "--dry-run", "--configfile", "config/demo.yaml", "--profile", "slurm"
    )
    assert result.returncode == 0, result.stdout
    wants = dict(re.findall(r"^rule (\w+):(?:\n .*)*?\n +resources: (.*)", result.stdout, re.M))
    assert "gpu=1" in wants["extract_features"]
    assert "gpu" not in wants["subset_index"]
    assert re.findall(r"mem_mb=\d+|runtime=\d+", wants["subset_index"]) == [
        "mem_mb=3000",
        "runtime=20",
    ]


def test_jobs_of_an_earlier_run_stop_this_one(tmp_path, monkeypatch) -> None:
    """A job of a killed run that deletes a file the new run has just made."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    jobs = (
        f"11|RUNNING|None|2026-01-02T03:04:05|9:00|run|{here}|rule_extract_features_wildcards_A",
        f"12|RUNNING|None|2026-01-02T03:04:05|9:00|run|{elsewhere}|rule_extract_features_wildcards_A",
        f"13|RUNNING|None|2026-01-02T03:04:05|9:00|wrap|{here}|(null)",
        f"14|PENDING|None|2026-01-02T03:04:05|9:00|run|{here}|rule_subset_index_wildcards_A|B",
    )
    queue = "\n".join(jobs)
    assert [job.number for job in parse_queue(here, queue, 0)] == ["11", "14"]
    slurm_tools(tmp_path, monkeypatch, squeue=queue)
    for submits in (True, False):
        with pytest.raises(UserError, match="scancel 11 14; once squeue shows none"):
            check_slurm(here, submits=submits)
    check_slurm(tmp_path, submits=True)


def test_cluster_that_forgets_jobs_is_refused(tmp_path, monkeypatch) -> None:
    """A run that waits for ever for a job which ended between two looks."""
    slurm_tools(tmp_path, monkeypatch, age=60)
    with pytest.raises(UserError, match="forgets finished jobs after 60 s"):
        check_slurm(tmp_path, submits=True)
    check_slurm(tmp_path, submits=False)
    assert minimum_job_age("MinJobAge               = 300 sec") == 300
    assert minimum_job_age("slurm_load_ctl_conf error") is None


def test_without_slurm_nothing_is_asked(tmp_path, monkeypatch) -> None:
    """A laptop without Slurm that cannot run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    check_slurm(tmp_path, submits=True)
