"""docs/extend.md: every example is applied to a copy of the repository, and run."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkouts import ROOT, copy_workflow, snakemake
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly

PAGE = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
FILES = [
    str(ROOT / f"config/{name}.yaml")
    for name in ("config", "datasets", "backbones", "configurations")
]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PATCHES = {
    re.findall(r"^\+\+\+ b/(\S+)", text, re.MULTILINE)[0]: text
    for kind, text in BLOCKS
    if kind == "diff"
}
TINY = ("--configfile", "mine.yaml")


def declared() -> dict[str, dict]:
    """All that the YAML blocks of the page declare."""
    merged: dict[str, dict] = {}
    for kind, text in BLOCKS:
        for section, entries in yaml.safe_load(text).items() if kind == "yaml" else ():
            merged.setdefault(section, {}).update(entries)
    return merged


def apply(patch: str, folder: Path) -> None:
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    subprocess.run(
        ["git", "apply", "-"], input=patch, text=True, cwd=folder, env=environment, check=True
    )


def copy(folder: Path) -> Path:
    copy_workflow(folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    return folder


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A checkout with all patches of the page."""
    folder = copy(tmp_path_factory.mktemp("extended") / "checkout")
    for patch in PATCHES.values():
        apply(patch, folder)
    return folder


def python(folder: Path, code: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (folder / "workflow", ROOT / "tests")))
    }
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: Path(path).stem)
def test_each_patch_applies_alone(tmp_path, patch: str) -> None:
    """A patch for code as it once was."""
    folder = copy(tmp_path / "copy")
    apply(PATCHES[patch], folder)
    assert (folder / patch).is_file()
    python(folder, "import metaprobe.config.load")


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ("workflow/metaprobe/config/datasets.py", []),
        ("workflow/metaprobe/training/optimizers.py", []),
        ("workflow/metaprobe/reader/columns.toml", []),
    ],
)
def test_what_runs_again_is_what_the_page_says(tmp_path, patch: str, changed: list[str]) -> None:
    """Hours of backbones that the page does not announce."""
    steps = ["subset_index", "extract_features", "train_head"]
    code = "from metaprobe.core.fingerprints import fingerprint\n"
    code += f"print(*[fingerprint(s, **({{'OPTIMIZERS': 'Adam'}} if s == 'train_head' else {{}})) for s in {steps}])"
    folder = copy(tmp_path / "copy")
    before = python(folder, code).split()
    apply(PATCHES[patch], folder)
    after = python(folder, code).split()
    found = [step for step, old, new in zip(steps, before, after, strict=True) if old != new]
    assert found == changed


def test_four_lines_declare_a_data_set(tmp_path) -> None:
    """A first example that is refused."""
    mine = tmp_path / "mine.yaml"
    known = {"datasets": {"MyBirds": declared()["datasets"]["MyBirds"]}}
    known["configurations"] = {"resnet18-sgd": declared()["configurations"]["resnet18-sgd"]}
    mine.write_text(yaml.safe_dump(known), encoding="utf-8")
    config: dict = {}
    for file in [*FILES, str(mine)]:
        for key, value in read_strictly(file).items():
            merges = isinstance(value, dict) and key in config
            config[key] = config[key] | value if merges else value
    run = load_run(config, [*FILES, str(mine)])
    assert run.datasets["MyBirds"].kind == "folder"
    assert run.configurations["resnet18-sgd"].momentum == 0.9


def test_all_that_is_declared_is_accepted_and_planned(extended) -> None:
    """A kind, an architecture or an optimiser that is still refused."""
    settings = declared() | {"only_datasets": ["MyArrays"]}
    settings["only_configurations"] = list(settings["configurations"])
    (extended / "mine.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    result = snakemake(extended, "--dry-run", *TINY)
    assert result.returncode == 0, result.stdout
    assert "features/MyArrays/ShuffleNetV2.safetensors" in result.stdout


def test_the_sweep_knows_the_optimiser(extended) -> None:
    """An optimiser of the table that the grid still refuses."""
    settings = declared() | {"grid": {"optimizer": ["Adamax", "SGD"]}}
    (extended / "mine.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    result = snakemake(extended, "--dry-run", "sweep", *TINY)
    assert result.returncode == 0, result.stdout


def test_optimiser_is_torchs(extended) -> None:
    """An example that teaches a wrong algorithm."""
    python(
        extended,
        """
import numpy as np, torch
from metaprobe.training.many_heads import TORCH
from metaprobe.training.optimizers import Adamax
options = dict(learning_rate=0.01, weight_decay=0.1, momentum=0.0)
columns = {name: torch.full((1, 1), value, dtype=torch.float64) for name, value in options.items()}
rng = np.random.default_rng(0)
start = rng.normal(size=20)
many = torch.from_numpy(start.copy())[None]
ours = Adamax(start, options)
swept = Adamax(many, columns, TORCH)
parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
theirs = torch.optim.Adamax([parameter], lr=0.01, weight_decay=0.1)
for _ in range(30):
    gradient = rng.normal(size=20)
    parameter.grad = torch.from_numpy(gradient.copy())
    theirs.step()
    swept.step(torch.from_numpy(gradient.copy())[None])
    ours.step(gradient)
np.testing.assert_allclose(start, parameter.detach().numpy(), rtol=1e-12)
np.testing.assert_allclose(many[0].numpy(), parameter.detach().numpy(), rtol=1e-12)
""",
    )


def test_metric_is_scikit_learns_and_reaches_the_fragment(extended, tmp_path) -> None:
    """An example that computes something else, or whose fragments are refused."""
    python(
        extended,
        f"""
import numpy as np
from pathlib import Path
from sklearn.metrics import cohen_kappa_score
from fragments import experiment
from metaprobe.core.files import (write_json)
from metaprobe.training.fragment import read_fragment
from metaprobe.training.metrics import cohen_kappa
rng = np.random.default_rng(0)
for classes in (1, 2, 5):
    labels, guesses = rng.integers(classes, size=(2, 40))
    if classes > 1:
        assert abs(cohen_kappa(guesses, labels) - cohen_kappa_score(labels, guesses)) < 1e-12
    else:
        assert cohen_kappa(guesses, labels) == 0
folder = Path({str(tmp_path)!r})
fragment = experiment(folder, replicates=2).fragment()
write_json(folder / "fragment.json", fragment)
read = read_fragment(folder / "fragment.json", "Birds", "plain")
assert read.replicates[1].test_cohen_kappa
""",
    )


@pytest.mark.slow
def test_run_with_everything_that_the_page_adds(extended) -> None:
    """An example that is accepted but does not run to its end."""
    folder = extended / "data" / "MyArrays"
    folder.mkdir(parents=True)
    labels = np.repeat(np.arange(3), 12)
    noise = np.random.default_rng(0).integers(0, 60, (36, 30, 40, 3))
    np.save(folder / "images.npy", (noise + 60 * labels[:, None, None, None]).astype(np.uint8))
    np.save(folder / "labels.npy", labels)
    settings = declared() | {
        "only_datasets": ["MyArrays"],
        "only_configurations": ["shufflenetv2-plain", "resnet18-adamax", "resnet18-sgd"],
        "described_by": ["ResNet18", "ShuffleNetV2"],
        "weights": "random",
        "data": "data",
    }
    (extended / "mine.yaml").write_text(json.dumps(settings), encoding="utf-8")
    result = snakemake(extended, *TINY)
    assert result.returncode == 0, result.stdout
    with open(extended / "results/experiments.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["configuration"] for row in rows] == settings["only_configurations"]
    assert all(-1 <= float(row["test_cohen_kappa"]) <= 1 for row in rows)
    basic = (extended / "results/basic_representations.csv").read_text(encoding="utf-8")
    assert "LogME_ShuffleNetV2" in basic
    (code,) = (text for kind, text in BLOCKS if kind == "python")
    printed = python(extended, code)
    found = [float(line.split()[-1]) for line in printed.splitlines()[1 : 1 + len(rows)]]
    assert found == pytest.approx([float(row["test_cohen_kappa"]) for row in rows], abs=1e-5)
