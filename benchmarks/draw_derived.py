"""Derive some 340 tasks from the thirty: fewer classes, fewer images, imbalance, wrong labels.

`python benchmarks/draw_derived.py > config/derived-300.yaml` writes the file again.

How many classes and images a task can keep follows from how many images of a class its data set's 5,000 are
expected to hold: those that would be too few of the rarest are left out. Which classes and images are
kept is drawn by the run, from its seed and the task's id.
"""

import sys
from pathlib import Path

import yaml

THIRTY = Path(__file__).parent.parent / "config" / "datasets.yaml"
TRAIN_IMAGES = 5000
IMAGES = [50, 100, 500, 1000]
IMBALANCES = [10, 100]
NOISES = [0.2, 0.4]
DRAWS = 3  # of the same number of classes
FEWEST = 4  # expected images of the smallest class, so that 2 are there whatever is drawn
# Share of the rarest class, of those whose classes are not as good as equal in number.
RAREST = {
    "EMNIST_ByClass": 0.0025,
    "EMNIST_ByMerge": 0.0035,
    "USPS": 0.074,
    "FER2013": 0.015,
    "SVHN": 0.064,
    "GTSRB": 0.0056,
    "StanfordCars": 0.0029,
    "Caltech101": 0.0036,
    "LFWPeople": 0.0066,
    "Omniglot": 0.0,  # 5 images of a class: some have none
}
HEADER = """\
# {tasks} tasks derived from the thirty: fewer classes (_c5_1, _c5_2, ... are other draws), fewer images (_n50),
# largest over smallest class (_imb10), share of wrong labels in per cent (_noise20). Over features that are
# there no backbone runs: snakemake --cores 4 --configfile config/derived-300.yaml
# Written by: python benchmarks/draw_derived.py > config/derived-300.yaml
datasets:
"""


def main() -> None:
    """Print the file."""
    tasks = derived(yaml.safe_load(THIRTY.read_text(encoding="utf-8"))["datasets"])
    sys.stdout.write(HEADER.format(tasks=len(tasks)))
    for task_id, keys in tasks.items():
        entry = {"kind": "derived", **keys}
        text = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000)
        sys.stdout.write(f"  {task_id}: {text}")


def derived(datasets: dict[str, dict]) -> dict[str, dict]:
    """Id of each task → its keys but `kind`."""
    return {
        f"{name}_{suffix}": {"from": name, **keys}
        for name, entry in datasets.items()
        for suffix, keys in variants(name, entry).items()
    }


def variants(name: str, entry: dict) -> dict[str, dict]:
    """What is derived of one data set: suffix of the id → keys."""
    classes, most = entry["classes"], images_of(entry)
    rarest = RAREST.get(name, 1 / classes) * most
    found: dict[str, dict] = {}
    for kept in kept_classes(name, classes):
        for draw in range(1, DRAWS + 1):
            found[f"c{kept}_{draw}"] = {"classes": kept}
    if rarest < FEWEST:
        return found
    for number in IMAGES:
        if 2 * classes <= number < most:
            found[f"n{number}"] = {"train_images": number}
    for imbalance in IMBALANCES:
        if rarest / imbalance >= FEWEST:
            found[f"imb{imbalance}"] = {"imbalance": imbalance}
    for noise in NOISES:
        found[f"noise{round(100 * noise)}"] = {"label_noise": noise}
    return found


def images_of(entry: dict) -> int:
    """Training images of its subset."""
    declared = entry["images"]
    return min(TRAIN_IMAGES, declared.get("train") or round(0.8 * declared["pool"]))


def kept_classes(name: str, classes: int) -> list[int]:
    """Return numbers of classes to keep, so that each task has some fifty test images or more."""
    if name == "Omniglot":  # some classes have no test image
        return [50, 200]
    if classes >= 100:
        return [20, 50]
    if classes > 10:
        return [5, 20]
    return [kept for kept in (2, 5) if 2 * kept <= classes]


if __name__ == "__main__":
    main()
