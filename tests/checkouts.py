"""A temporary copy of the workflow, and Snakemake run in it as a user would."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")


def copy_workflow(target: Path) -> Path:
    """Copy what a checkout holds of the workflow."""
    target.mkdir(parents=True, exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        if (ROOT / part).is_dir() and not (ROOT / part).is_symlink():
            shutil.copytree(ROOT / part, target / part, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(ROOT / part, target / part, follow_symlinks=False)
    return target


def snakemake(
    folder: Path, *arguments: str, cores: int | None = 2
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder`; output and errors together in `stdout`."""
    with_cores = [] if cores is None else ["--cores", str(cores)]
    command = [sys.executable, "-m", "snakemake", *with_cores, *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1200,
        check=False,
    )


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Rule → number of jobs that a dry run plans."""
    result = snakemake(folder, "--dry-run", "--quiet", "rules", *arguments)
    assert result.returncode == 0, result.stdout
    table = result.stdout.rpartition("Job stats:")[2].partition("total")[0]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def edit_yaml(path: Path, change) -> None:
    """Load a YAML file, apply `change` to its content, write it back."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
