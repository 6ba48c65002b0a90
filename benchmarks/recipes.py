"""What the recipes of config/recipes.yaml are worth, on real pictures with real weights.

`python -m benchmarks.recipes FOLDER` runs them in a copy of this checkout in FOLDER, beside the table's
two heads, and prints a table; started again, it goes on. `--print` only prints what is finished.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from metaprobe.config.reading import read_strictly

from benchmarks.real_weights import backbone, fetch_pictures, fetch_weights

ROOT = Path(__file__).parent.parent
NAME = "EfficientNetLite0"
TRAIN, TEST, VALIDATION, REPLICATES, RESAMPLES = 200, 500, 100, 2, 10_000


def settings(file: Path) -> dict[str, Any]:
    """The configuration of the run: each recipe, and the table's two heads, on that backbone."""
    six = read_strictly(ROOT / "config/configurations.yaml")["configurations"]
    twelve = read_strictly(ROOT / "config/recipes.yaml")["configurations"]
    chosen = {k: one for k, one in (six | twelve).items() if one["architecture"] == "ResNet18"}
    mine = {
        name.removeprefix("resnet18-"): one
        | {"architecture": NAME}
        | ({"validation_images": VALIDATION} if "validation_images" in one else {})
        for name, one in chosen.items()
    }
    return {
        "only_datasets": ["FashionMNIST"],
        "only_configurations": list(mine),
        "described_by": [NAME],
        "train_images": TRAIN,
        "test_images": TEST,
        "replicates": REPLICATES,
        "backbones": {NAME: backbone(file)},
        "configurations": mine,
    }


def run(folder: Path) -> None:
    """Run everything in a copy of this checkout."""
    checkout = folder / "checkout"
    if not (folder / "mine.yaml").exists():
        for part in ("workflow", "config", "profiles", "envs"):
            shutil.copytree(ROOT / part, checkout / part, symlinks=True, dirs_exist_ok=True)
        shutil.copy2(ROOT / "Snakefile", checkout)
        fetch_pictures(folder, checkout / "data/FashionMNIST/raw")
        weights = fetch_weights(folder)
        (folder / "mine.yaml").write_text(json.dumps(settings(weights)), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "aggregate"]
    command += ["compare_configurations", "--configfile", str(folder / "mine.yaml")]
    environment = os.environ | {"PYTHONPATH": str(checkout / "workflow")}
    subprocess.run(command, cwd=checkout, env=environment, check=True)


def show(folder: Path) -> None:
    """Print accuracy, its distance from the better of the table's two heads, and CPU seconds."""
    results = folder / "checkout/results"
    table = pd.read_csv(results / "experiments.csv").set_index("configuration")
    said = pd.read_parquet(results / "predictions.parquet")
    said["right"] = said.predicted_class == said.true_class
    right = said.groupby(["configuration", "image"]).right.mean().unstack()
    # Chosen on accuracy over all test images: what the recipes are held to is rather too good.
    base = max(("plain", "regularized"), key=lambda name: right.loc[name].mean())
    draws = np.random.default_rng(0).integers(0, right.shape[1], (RESAMPLES, right.shape[1]))
    print(
        f"FashionMNIST, {TRAIN} training and {TEST} test images, {NAME}, {REPLICATES} seeds each;"
    )
    print(f"against {base}: paired bootstrap of the test images, 95 %")
    print(
        f"{'recipe':<16}{'accuracy':>9}{'± seeds':>9}{'gain':>8}{'95 % of the gain':>20}{'CPU s':>8}"
    )
    for name in table.index:
        gain = (right.loc[name] - right.loc[base]).to_numpy()
        low, high = np.percentile(gain[draws].mean(1), [2.5, 97.5])
        row = table.loc[name]
        print(
            f"{name:<16}{row.test_accuracy:>9.3f}{row.test_accuracy_std:>9.3f}{gain.mean():>8.3f}"
            f"{f'{low:+.3f} to {high:+.3f}':>20}{row.seconds_head_cpu:>8.2f}"
        )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if "--print" not in sys.argv:
        run(place)
    show(place)
