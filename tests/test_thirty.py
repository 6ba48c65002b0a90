"""All thirty tasks through the real workflow, on stand-ins in their true formats on disk."""

import csv
import json
from pathlib import Path

import pytest
from checkouts import copy_tiny, edit_yaml, snakemake
from standins import CLASSES, COUNTS, WRITERS

READER = "workflow/metaprobe/data/readers/torchvision.py"
OPENS = "    from torchvision import datasets\n"
# torchvision hashes some files when it opens them; the copy's reader takes the stand-ins for true.
RELAXED = OPENS + "    datasets.utils.check_md5 = lambda *a, **k: True\n"


def fit_to_standins(folder: Path, data: Path) -> None:
    """Let the shipped entries declare what the stand-ins hold."""

    def change(content):
        for task, entry in content["datasets"].items():
            entry |= {"images": COUNTS[task], "classes": CLASSES[task]}
        for source in content["sources"].values():
            found = {pattern: len(list(data.glob(pattern))) for pattern in source["provides"]}
            source["provides"] = {pattern: count for pattern, count in found.items() if count}
            assert source["provides"]
            source.pop("contents", None)
            for file in source.get("files", ()):
                file.pop("md5"), file.pop("bytes", None)

    edit_yaml(folder / "config/datasets.yaml", change)


@pytest.mark.slow
def test_thirty_rows_from_thirty_true_formats(tmp_path) -> None:
    """A task that loads in a unit test but not in the workflow, or whose labels are not its own."""
    folder = copy_tiny(tmp_path / "checkout")
    data = tmp_path / "data"
    for write in WRITERS.values():
        write(data)
    fit_to_standins(folder, data)
    reader = (folder / READER).read_text()
    assert reader.count(OPENS) == 1
    (folder / READER).write_text(reader.replace(OPENS, RELAXED))
    settings = {
        "only_configurations": ["resnet18-plain"],
        "described_by": ["ResNet18"],
        "weights": "random",
        "sampling": "stratified",
        "train_images": 40,
        "test_images": 20,
        "epochs": 20,
        "data": str(data),
    }
    (folder / "mine.yaml").write_text(json.dumps(settings))
    result = snakemake(folder, "aggregate", "--configfile", "mine.yaml", "--quiet", "rules")
    assert result.returncode == 0, result.stdout[-4000:]
    with open(folder / "results/target_representations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["task_id"] for row in rows] == list(COUNTS)
    for row in rows:
        # Two images a class of many classes cannot be learned; few classes can, if labels are true.
        if CLASSES[row["task_id"]] <= 10:
            assert float(row["train_accuracy"]) > 1.5 / CLASSES[row["task_id"]], row
    fragment = json.loads((folder / "results/metrics/MNIST/resnet18-plain.json").read_text())
    assert fragment["family"] == "nist"
    assert fragment["partial"] is False
    fragment = json.loads(
        (folder / "results/metrics/STL10_Unlabeled/resnet18-plain.json").read_text()
    )
    assert fragment["pretext"] == "rotation"
    manifest = json.loads((folder / "results/sources/eurosat.json").read_text())
    assert manifest.pop("sha256")
    assert len(manifest.pop("sizes")) == 150
    assert manifest == {"source": "eurosat", "files": {"eurosat/2750/*/*.jpg": 150}}
