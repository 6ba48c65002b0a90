"""Finished results with two open data sets and some closed ones, and the command that publishes them."""

import json
from pathlib import Path

import planted_results
from metaprobe.__main__ import main
from metaprobe.core.files import digest_file, write_checked_json

LICENCES = {
    "Birds": "CC BY 4.0",
    "MNIST": "MIT",
    "Flowers": "CC BY-ND 4.0",
    "USPS": "MIT (not verified)",
}
OPEN = ["Birds", "Birds-half", "Birds-grey", "MNIST"]  # derived ones as their parent
CLASSES = ["crow", "it's, a duck", "owl"]


def write_finished(folder: Path) -> Path:
    """Write results that passed their own validation, and `own.yaml` beside them; return their folder."""
    results = planted_results.write_results(folder / "results")
    for task in planted_results.FAMILIES:
        test = {"pool": "test", "indices": list(range(planted_results.IMAGES)), "labels": [0, 1, 2]}
        train = {"pool": "train", "indices": [0, 1, 2], "labels": [0, 1, 2]}
        subset = {"task_id": task, "class_names": CLASSES, "class_count": 3}
        subset |= {"train": train, "test": test}
        write_checked_json(results / f"subsets/{task}.json", subset)
    made_from = {"experiments.parquet": digest_file(results / "experiments.parquet")}
    write_checked_json(results / "validation.json", {"checks": [], "made_from": made_from})
    (results / "report.html").write_text("<p>the report")
    (folder / "own.yaml").write_text(json.dumps({"datasets": entries()}))
    return results


def entries() -> dict[str, dict[str, str]]:
    """The data sets as a run's configuration declares them."""
    own = {
        task: {"licence": LICENCES[task]} if task in LICENCES else {}
        for task in planted_results.FAMILIES
    }
    return own | {task: {"from": "Birds"} for task in ("Birds-half", "Birds-grey")}


def publish(results: Path, target: Path, *options: str) -> int:
    """Publish with the licences of `own.yaml`."""
    own = str(results.parent / "own.yaml")
    return main(["publish", str(results), "--to", str(target), "--configfile", own, *options])
