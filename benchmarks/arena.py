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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import moments, structure_of, variances_of
from metaprobe.recommend.advice.table import as_matrix, families_of, hyperparameters_of
from numpy.typing import NDArray
from PIL import Image

from benchmarks.real_weights import backbone, fetch_pictures, fetch_weights, run

ROOT = Path(__file__).parent.parent
# The backbones: real weights of three networks, at sizes that differ about twentyfold in cost.
SIDES = {0: (64, 96, 128, 160), 1: (96, 160), 2: (128, 192)}
# Of each data set the images drawn to train on, to test, and to choose on.
TRAIN, TEST, VALIDATION = 400, 300, 100
SIDE, CROPS = 64, 120  # of a crop of a photograph; and how many of each half
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"learning_rate": 0.01, "epochs": 3},
    "long": {"learning_rate": 0.01, "epochs": 20, "schedule": "cosine", "warmup_epochs": 1},
}
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "ihc", "motorcycle_left")
TEXTURES = ("brick", "grass", "gravel")
Pixels = NDArray[np.uint8]
Pictures = Iterator[tuple[str, str, Pixels]]  # split, class, picture


def textures(images: Path) -> Pictures:
    """Which of three textures a crop shows; training crops from the left halves, test from the right."""
    for name in TEXTURES:
        yield from _crops(name, np.asarray(Image.open(images / f"{name}.png").convert("RGB")))


def photographs(images: Path) -> Pictures:
    """Which of five photographs a crop is of; halves as of textures."""
    for name in PHOTOGRAPHS:
        yield from _crops(name, np.asarray(Image.open(images / f"{name}.png").convert("RGB")))


def rotations(images: Path) -> Pictures:
    """How a crop of scikit-learn's two photographs is turned."""
    from sklearn.datasets import load_sample_images

    for photograph in load_sample_images().images:
        for split, _, crop in _crops("", photograph):
            for turn in range(4):
                yield split, f"{90 * turn}", np.rot90(crop, turn)


def faces(images: Path) -> Pictures:
    """Faces (Labeled Faces in the Wild) or none: 200 grey pictures of 25 x 25, of scikit-image."""
    for number, picture in enumerate(np.load(images / "lfw_subset.npy")):
        split = "test" if number % 3 == 0 else "train"
        grey = (255 * picture).astype(np.uint8)
        yield split, "face" if number < 100 else "none", np.stack([grey] * 3, axis=2)


def digits(images: Path) -> Pictures:
    """scikit-learn's handwritten digits, 8 x 8."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (picture, digit) in enumerate(zip(data.images, data.target, strict=True)):
        split = "test" if number % 3 == 0 else "train"
        yield split, str(digit), np.stack([(picture * 15.9).astype(np.uint8)] * 3, axis=2)


def _crops(name: str, picture: Pixels) -> Pictures:
    rng = np.random.default_rng(len(name))
    height, width = picture.shape[:2]
    for split, low, high in (("train", 0, width // 2), ("test", width // 2, width)):
        for _ in range(CROPS):
            top, left = rng.integers(0, height - SIDE), rng.integers(low, high - SIDE)
            yield split, name, picture[top : top + SIDE, left : left + SIDE]


SETS: dict[str, tuple[Callable[[Path], Pictures], int]] = {
    "Textures": (textures, 3),
    "Photographs": (photographs, 5),
    "Rotations": (rotations, 4),
    "Faces": (faces, 2),
    "HandwrittenDigits": (digits, 10),
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
    run(folder, sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "scikit-image")
    (wheel,) = folder.glob("scikit_image-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith("skimage/data/")])
    for name, (pictures, _) in SETS.items():
        for number, (split, label, picture) in enumerate(pictures(folder / "skimage/data")):
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
    arena = pd.read_csv(results / "arena.csv")
    own = arena[arena.target == "head"].sort_values("weighted_tau", ascending=False)
    columns = ["ranker", "kind", "weighted_tau", "weighted_tau_low", "weighted_tau_high"]
    columns += ["regret_points", "regret_above_floor_points", "fidelity", "stability", "holm_p"]
    print(
        f"{own.tasks.max()} tasks, {own.families.max()} families, {own.backbones.max()} backbones"
    )
    print(own[columns].round(2).to_string(index=False))
    advice = pd.read_csv(results / "advice_evaluation.csv")
    columns = ["method", "budget", "seconds", "share_with_model", "regret_points"]
    columns += ["behind_everything_points", "behind_low", "behind_high", "within_one_point"]
    print(advice[[*columns, "p_against_random"]].round(3).to_string(index=False))
    print(deviations(pd.read_parquet(results / "experiments.parquet")))
    judged = json.loads((results / "arena.json").read_text(encoding="utf-8"))
    print(*judged["sentences"], sep="\n")


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
