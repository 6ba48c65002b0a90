"""The arena and advice on real pictures with real weights: what docs/arena.md and docs/advice.md show.

`python -m benchmarks.arena FOLDER` makes six families of tasks of pictures that come with packages, each with
one of 100 images derived from it, runs them in a copy of this checkout in FOLDER on eight backbones and two
recipes, and prints the verdicts; started again, it goes on. `--print` only prints what is finished.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import moments, structure_of, variances_of
from metaprobe.recommend.advice.table import as_matrix, families_of, hyperparameters_of
from numpy.typing import NDArray
from PIL import Image

from benchmarks.real_weights import backbone, fetch_package, fetch_pictures, fetch_weights, run

ROOT = Path(__file__).parent.parent
# The backbones: real weights of three networks, at sizes that differ about twentyfold in cost.
SIDES = {0: (64, 96, 128, 160), 1: (96, 160), 2: (128, 192)}
# Of each data set the images drawn to train on, to test, and to choose on.
TRAIN, TEST, VALIDATION = 400, 600, 100
SIDE, CROPS = 64, 120  # of a crop of a photograph; and how many of each half
DRAWN, MOST = 160, 120  # pixels of a drawn picture; and how many of a class
LARGE = 1_000_000  # bytes; some that are larger have 170 million pixels
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"learning_rate": 0.01, "epochs": 3},
    "long": {"learning_rate": 0.01, "epochs": 20, "schedule": "cosine", "warmup_epochs": 1},
}
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "ihc", "motorcycle_left")
Pixels = NDArray[np.uint8]
Pictures = Iterator[tuple[str, str, Pixels]]  # split, class, picture


@dataclass(frozen=True)
class Drawn:
    """Drawn pictures of a Debian package, in one folder per class."""

    package: str
    folder: str  # of the classes
    classes: tuple[str, ...]

    def __call__(self, folder: Path) -> Pictures:
        """Yield up to `MOST` of each class on white, every third of them to test on."""
        root = folder / "unpacked" / self.folder
        for name in self.classes:
            files = (one for one in (root / name).rglob("*.png") if not one.is_symlink())
            found = sorted(one for one in files if one.stat().st_size < LARGE)
            for number, path in enumerate(spread(found)):
                yield "test" if number % 3 == 0 else "train", name, on_white(path)


def spread(found: list[Path]) -> list[Path]:
    """Return `MOST` of these files, evenly spread over their order; neighbours are often alike."""
    step = max(1.0, len(found) / MOST)
    return [found[int(i * step)] for i in range(min(len(found), MOST))]


def on_white(path: Path) -> Pixels:
    """Return a picture of at most `DRAWN` pixels a side, on white where it is transparent."""
    picture = Image.open(path).convert("RGBA")
    picture.thumbnail((DRAWN, DRAWN))
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


def photographs(folder: Path) -> Pictures:
    """Which of five photographs a crop is of; training crops from the left halves, test from the right."""
    for name in PHOTOGRAPHS:
        picture = np.asarray(Image.open(folder / f"skimage/data/{name}.png").convert("RGB"))
        rng = np.random.default_rng(len(name))
        height, width = picture.shape[:2]
        for split, low, high in (("train", 0, width // 2), ("test", width // 2, width)):
            for _ in range(CROPS):
                top, left = rng.integers(0, height - SIDE), rng.integers(low, high - SIDE)
                yield split, name, picture[top : top + SIDE, left : left + SIDE]


def digits(folder: Path) -> Pictures:
    """scikit-learn's handwritten digits, 8 x 8."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (picture, digit) in enumerate(zip(data.images, data.target, strict=True)):
        split = "test" if number % 3 == 0 else "train"
        yield split, str(digit), np.stack([(picture * 15.9).astype(np.uint8)] * 3, axis=2)


# What is printed: columns of arena.csv (of them some under a shorter name) and of advice_evaluation.csv.
RANKED = ["ranker", "kind", "weighted_tau", "weighted_tau_low", "weighted_tau_high"]
RANKED += ["regret_points", "regret_above_floor_points", "fidelity", "stability", "holm_p"]
SHORT = {"weighted_tau_low": "low", "weighted_tau_high": "high"}
SHORT |= {"regret_points": "regret", "regret_above_floor_points": "above floor"}
JUDGED = ["method", "budget", "seconds", "share_with_model", "behind_everything_points"]
JUDGED += ["behind_low", "behind_high", "within_one_point", "p_against_random"]
BUDGETS = (0.05, 0.1, 0.2, 1.0)
DRAWINGS = {
    "Clipart": Drawn(
        "openclipart-png",
        "usr/share/openclipart/png",
        ("animals", "food", "people", "plants", "recreation", "tools", "transportation"),
    ),
    "Stamps": Drawn(
        "tuxpaint-stamps-default",
        "usr/share/tuxpaint/stamps",
        ("animals", "food", "household", "plants", "seasonal", "symbols", "town", "vehicles"),
    ),
    "Icons": Drawn(
        "oxygen-icon-theme",
        "usr/share/icons/oxygen/base/64x64",
        ("actions", "apps", "devices", "mimetypes", "places", "status"),
    ),
}
SETS: dict[str, tuple[Callable[[Path], Pictures], int]] = {
    "Photographs": (photographs, len(PHOTOGRAPHS)),
    "HandwrittenDigits": (digits, 10),
    **{name: (drawn, len(drawn.classes)) for name, drawn in DRAWINGS.items()},
}


def settings(data: Path, weights: dict[int, Path]) -> dict[str, Any]:
    """The configuration of the run."""
    backbones = {
        f"Lite{number}at{side}": backbone(weights[number], number) | {"input_size": side}
        for number, sides in SIDES.items()
        for side in sides
    }
    configurations = {
        f"lite{name.removeprefix('Lite')}-{recipe}": {"architecture": name}
        | own
        | {"validation_images": VALIDATION}
        for name in backbones
        for recipe, own in RECIPES.items()
    }
    sets: dict[str, Any] = {
        name: {
            "kind": "folder",
            "path": str(data / name),
            "classes": classes,
            "transform": "colour",
        }
        for name, (_, classes) in SETS.items()
    }
    parents = ["FashionMNIST", *sets]
    derived = {
        f"{name}_n100": {"kind": "derived", "from": name, "train_images": 100} for name in parents
    }
    return {
        "only_datasets": [*parents, *derived],
        "only_configurations": list(configurations),
        "described_by": ["Lite0at64"],
        "train_images": TRAIN,
        "test_images": TEST,
        "backbones": backbones,
        "configurations": configurations,
        "datasets": sets | derived,
    }


def prepare(folder: Path, checkout: Path) -> dict[str, Any]:
    """Fetch pictures and weights, write the data sets, and return the configuration."""
    for part in ("workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, checkout / part, symlinks=True, dirs_exist_ok=True)
    shutil.copy2(ROOT / "Snakefile", checkout)
    fetch_pictures(folder, checkout / "data/FashionMNIST/raw")
    for drawn in DRAWINGS.values():
        fetch_package(folder, drawn.package)
    run(folder, sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "scikit-image")
    (wheel,) = folder.glob("scikit_image-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith("skimage/data/")])
    for name, (pictures, _) in SETS.items():
        for number, (split, label, picture) in enumerate(pictures(folder)):
            path = folder / "sets" / name / split / label / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(picture)).save(path)
    return settings(folder / "sets", {number: fetch_weights(folder, number) for number in SIDES})


def main(folder: Path) -> None:
    """Run everything in a copy of this checkout."""
    checkout = folder / "checkout"
    if not (folder / "mine.yaml").exists():
        content = json.dumps(prepare(folder, checkout))
        (folder / "mine.yaml").write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "arena"]
    command += ["--configfile", str(folder / "mine.yaml")]
    environment = os.environ | {"PYTHONPATH": str(checkout / "workflow")}
    subprocess.run(command, cwd=checkout, env=environment, check=True)


def show(folder: Path) -> None:
    """Print what the arena says of the heads, what advice reaches, and the verdicts."""
    results = folder / "checkout/results"
    arena, advice = (pd.read_csv(results / f"{n}.csv") for n in ("arena", "advice_evaluation"))
    experiments = pd.read_parquet(results / "experiments.parquet")
    own = arena[arena.target == "head"].sort_values("weighted_tau", ascending=False)
    print(
        f"{own.tasks.max()} tasks, {own.families.max()} families, {own.backbones.max()} backbones"
    )
    print(own[RANKED].round(2).rename(columns=SHORT).to_string(index=False))
    print(advice[advice.budget.isin(BUDGETS)][JUDGED].round(3).to_string(index=False))
    print(deviations(experiments))
    print(costs(experiments))
    judged = json.loads((results / "arena.json").read_text(encoding="utf-8"))
    print(*judged["sentences"], sep="\n")


def costs(experiments: pd.DataFrame) -> str:
    """What share of trying everything a backbone's passes are: advice pays those of what it names."""
    seconds = experiments.groupby("architecture").seconds_features_cpu.mean()
    cheapest, dearest = seconds.min() / seconds.sum(), seconds.max() / seconds.sum()
    return f"Of all passes the cheapest backbone takes {cheapest:.0%}, the dearest {dearest:.0%}"


def deviations(experiments: pd.DataFrame) -> str:
    """By how much accuracies differ between tasks, backbones and recipes: what an advice believes at first."""
    candidates = Candidates(hyperparameters_of(experiments), {})
    accuracy = as_matrix(experiments, "test_accuracy")
    families = families_of(experiments)
    sample = moments(accuracy, families)[1]
    found = np.sqrt(variances_of(structure_of(candidates), sample))
    names = ("tasks", "backbones", "recipes", "the rest")
    told = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, found, strict=True))
    return f"Standard deviation of accuracy between {told}"


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    if "--print" not in sys.argv:
        main(place)
    show(place)
