"""A temporary copy of the workflow, and Snakemake run in it as a user would, on a tiny run if need be."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import warm_snakemake
import yaml
from PIL import Image

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")
TINY = ("--configfile", "tiny.yaml")
SETTINGS = {
    "only_datasets": ["Digits", "Tints"],
    "only_configurations": ["resnet18-plain", "resnet18-regularized", "mobilenetv2-plain"],
    "train_images": 24,
    "test_images": 12,
    "described_by": ["ResNet18", "MobileNetV2"],
    "weights": "random",
    "data": "data",
    "pathvars": {"results": "results", "logs": "results/logs"},
    "datasets": {
        "Digits": {
            "kind": "embedded",
            "class": "handwritten_digits",
            "classes": 10,
            "transform": "grey",
        },
        "Tints": {"kind": "folder", "classes": 3, "sampling": "stratified"},
        "MoreTints": {"kind": "folder", "path": "Tints", "classes": 3},
    },
}


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
    return warm_snakemake.run(folder, [*with_cores, *arguments])


def ask(folder: Path, *arguments: str, package: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Ask the command of `package` in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "metaprobe", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package / "workflow")},
        capture_output=True,
        text=True,
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


def write_pictures(folder: Path) -> None:
    """A folder of pictures as a user has it: three classes, one pool."""
    rng = np.random.default_rng(0)
    for name, tint in {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}.items():
        (folder / name).mkdir(parents=True)
        for number in range(15):
            pixels = np.array(tint) + rng.integers(-40, 41, (30, 40, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


def copy_tiny(target: Path) -> Path:
    """Copy the workflow; its backbones look at 64 x 64 pixels, a twelfth of the arithmetic."""

    def shrink(content: dict[str, Any]) -> None:
        for backbone in content["backbones"].values():
            backbone |= {"preprocessing": "own", "input_size": 64}

    edit_yaml(copy_workflow(target) / "config/backbones.yaml", shrink)
    return target


def run_tiny(folder: Path, *targets: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Make a checkout with the settings of the tiny run, changed so, and see a run end well."""
    copy_tiny(folder)
    write_pictures(folder / "data" / "Tints")
    (folder / "tiny.yaml").write_text(json.dumps(SETTINGS | changes), encoding="utf-8")
    result = snakemake(folder, *targets, *TINY)
    assert result.returncode == 0, result.stdout
    return result
