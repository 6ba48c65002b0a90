"""What a sweep at full size costs whoever reads it: MB on the disk, seconds to load, a query.

    python -m benchmarks.reader

The numbers in the sweep are SYNTHETIC: drawn, not trained. Their files are true: the entries are those of
`config/grid.yaml` on thirty data sets, written by the workflow's own code, losses as random as doubles are,
accuracies of 1,000 test and 500 validation images, curves of three epochs; what coincides is trained once.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from metaprobe import load
from metaprobe.config.configurations import EPOCHS, Grid
from metaprobe.config.reading import read_strictly
from metaprobe.training.sweep import distinct, expand
from metaprobe.training.sweep_table import concatenate, write_rows

ROOT = Path(__file__).parent.parent
TASKS = 30
QUERIES = 20_000


def main() -> None:
    """Write the sweep, read it, and print what that took."""
    grid = Grid.model_validate(
        {"epochs": [EPOCHS]} | read_strictly(ROOT / "config/grid.yaml")["grid"]
    )
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        write(results, grid, TASKS)
        print("SYNTHETIC numbers in files of the true format")
        for line in measured(results):
            print(line)


def write(results: Path, grid: Grid, tasks: int) -> None:
    """Write the sweep of a grid as a run does: a part per data set and backbone, and all in one."""
    rng = np.random.default_rng(0)
    parts = []
    for task in range(tasks):
        for architecture in grid.architecture:
            parts.append(results / f"sweep/Task{task}/{architecture}.parquet")
            shared = {"task_id": f"Task{task}", "architecture": architecture}
            write_rows(parts[-1], drawn(shared, grid, rng))
    concatenate(results / "sweep.parquet", parts)


def drawn(shared: dict[str, Any], grid: Grid, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the rows of one data set and backbone."""
    entries = expand(grid)
    trainings, index = distinct(entries)
    outcomes = [outcome(rng, one["epochs"]) for one in trainings]
    shared = shared | {"alpha": 1.0, "validation_images": grid.validation_images, "seed": 0}
    shared |= {"engine": "torch", "weights": "IMAGENET1K_V1", "features_sha256": "0" * 64}
    return [
        shared | entry | outcomes[training] for entry, training in zip(entries, index, strict=True)
    ]


def outcome(rng: np.random.Generator, epochs: int) -> dict[str, Any]:
    """Return what a training might have come to."""
    curves = {
        **{f"epoch_{name}_loss": rng.exponential(size=epochs) for name in ("train", "test")},
        "epoch_validation_loss": rng.exponential(size=epochs),
        "epoch_test_accuracy": rng.integers(1001, size=epochs) / 1000,
        "epoch_validation_accuracy": rng.integers(501, size=epochs) / 500,
    }
    made: dict[str, Any] = {name: curve.tolist() for name, curve in curves.items()}
    last = {name.removeprefix("epoch_"): curve[-1] for name, curve in made.items()}
    last.pop("train_loss")
    measured = {"train_accuracy": rng.integers(5001) / 5000, "seconds": rng.exponential()}
    return made | last | {name: float(value) for name, value in measured.items()}


def measured(results: Path) -> list[str]:
    """Return lines about a folder of results with a sweep: its size, and what reading takes."""
    size = (results / "sweep.parquet").stat().st_size / 1e6
    load(results).sweep  # noqa: B018 (the first one also imports Arrow)
    loading = processor_seconds(lambda: load(results).sweep)
    found = load(results)
    sweep = found.sweep
    chosen = sweep.sample(QUERIES, random_state=0, replace=True)
    names = [one for one in Grid.model_fields if one in sweep and one != "validation_images"]
    wanted = chosen[names].to_dict("records")
    tasks, epochs = chosen.task_id.tolist(), [1 + row % EPOCHS for row in range(QUERIES)]
    indexing = processor_seconds(lambda: found.query(tasks[0], wanted[0]))
    last = [found.query(*pair).test for pair in zip(tasks, wanted, strict=True)]
    assert last == chosen.test_accuracy.tolist()

    def ask() -> None:
        for task, configuration, epoch in zip(tasks, wanted, epochs, strict=True):
            found.query(task, configuration, epoch)

    asking = processor_seconds(ask)
    return [
        f"{len(sweep):,} rows with curves: {size:.1f} MB",
        f"loaded in {loading[0]:.2f} s ({loading[1]:.2f} CPU s), digest checked",
        f"first query {indexing[0]:.2f} s ({indexing[1]:.2f} CPU s): the index",
        f"a query with an epoch: {asking[0] / QUERIES * 1e6:.1f} µs "
        f"({asking[1] / QUERIES * 1e6:.1f} CPU µs), mean of {QUERIES:,}",
    ]


def processor_seconds(call: Any) -> tuple[float, float]:
    """Return the wall and CPU seconds of a call; on a busy machine the latter say more."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())
