"""Where files lie and what they must say: what rules, questions and handlers share."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT
from entries import WRITTEN_BACKBONES
from metaprobe.config import layout
from metaprobe.config.datasets import Entry, Folder
from metaprobe.config.load import load_run
from metaprobe.operations.flow.expected import expected_of_descriptions, expected_of_fragments
from metaprobe.operations.flow.stages import all_stages, stages_of
from metaprobe.operations.flow.targets import recommendation_file
from metaprobe.operations.flow.workflow import Workflow

CONFIG: dict[str, Any] = {
    "backbones": WRITTEN_BACKBONES,
    "seed": 3,
    "datasets": {
        "One": {"kind": "pcam", "source": "net", "classes": 2, "licence": "MIT"},
        "Two": {"kind": "pcam", "source": "net", "classes": 2, "sampling": "stratified"},
        "Mine": {"kind": "folder", "path": "/somewhere/Mine", "classes": 2, "transform": "grey"},
    },
    "sources": {"net": {"download_mb": 1, "extracted_mb": 1}},
    "configurations": {
        "a": {"architecture": "MobileNetV2", "learning_rate": 0.1},
        "b": {"architecture": "ResNet18", "learning_rate": 0.2},
    },
}


def a_workflow(data: Path, **changes: Any) -> Workflow:
    """Of two data sets that share a source, and one that the user has put there."""
    new: dict[str, Entry] = {"New": Folder(kind="folder", path="/there/New", classes=2)}
    run = load_run(copy.deepcopy(CONFIG) | {"data": str(data)} | changes, [])
    return Workflow(replace(run, new=new), Path("results/x"), Path("logs/x"))


def test_logs_of_rules_are_called_as_the_layout_says() -> None:
    """A failure that `status` looks for in a log of another name."""
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    for rule, pattern in layout.STAGES.items():
        body = rules.partition(f"rule {rule}:")[2].partition("\nrule ")[0]
        names = [name for name, value in vars(layout).items() if value == pattern]
        assert f'"{layout.log_of(rule, pattern)}"' in body
        assert any(f"layout.{name}" in body for name in names), rule


def test_files_of_all_are_in_the_order_of_the_table(tmp_path: Path) -> None:
    """Rows in another order than declared, or a new data set in the table."""
    flow = a_workflow(tmp_path)
    tasks = ["One", "Two", "Mine"]
    assert flow.experiments == [(task, name) for task in tasks for name in ("a", "b")]
    assert flow.of_experiments(layout.FRAGMENT)[:2] == [
        "<results>/metrics/One/a.json",
        "<results>/metrics/One/b.json",
    ]
    assert flow.of_datasets(layout.SUBSET) == [f"<results>/subsets/{task}.json" for task in tasks]
    assert flow.architectures == ["ResNet18", "MobileNetV2"]
    assert flow.describing("One")[0] == "<results>/features/One/ResNet18.safetensors"
    assert flow.extracted == flow.described_by == ["ResNet18", "EfficientNetB0", "MobileNetV2"]
    assert flow.features_of("One", "a") == "<results>/features/One/MobileNetV2.safetensors"


def test_stages_are_those_the_experiment_needs(tmp_path: Path) -> None:
    """An old failure to fetch what a run does not need, held against it."""
    flow = a_workflow(tmp_path)
    assert stages_of(flow, "One", "b") == [
        ("logs/x/download/net.log", "results/x/sources/net.json"),
        ("logs/x/subset_index/One.log", "results/x/subsets/One.json"),
        ("logs/x/fetch_weights/ResNet18.log", "results/x/weights/ResNet18.json"),
        (
            "logs/x/extract_features/One/ResNet18.log",
            "results/x/features/One/ResNet18.safetensors",
        ),
        ("logs/x/train_head/One/b.log", "results/x/heads/One/b.safetensors"),
        ("logs/x/metrics_json/One/b.log", "results/x/metrics/One/b.json"),
    ]
    rules = [
        Path(log).parts[2]
        for log, _ in all_stages(a_workflow(tmp_path, weights="random"))["Mine", "a"]
    ]
    assert rules == ["subset_index", "extract_features", "train_head", "metrics_json"]


def test_data_that_is_there_is_not_fetched(tmp_path: Path) -> None:
    """A download of what the user has put there as folders of classes."""
    flow = a_workflow(tmp_path)
    assert flow.manifest("One") == ["<results>/sources/net.json"]
    for part in ("train", "test"):
        (tmp_path / "One" / part / "cat").mkdir(parents=True)
        (tmp_path / "One" / part / "cat" / "1.png").touch()
    assert flow.source_of("One") is None
    assert flow.manifest("One") == flow.manifest("Mine") == []


@pytest.mark.parametrize(("weights", "told"), [("imagenet", "V1"), ("random", "random (seed 3)")])
def test_expected_is_what_this_run_would_write(tmp_path: Path, weights: str, told: str) -> None:
    """Rows of an earlier run's seed, sampling or weights in the table."""
    flow = a_workflow(tmp_path, weights=weights)
    expected = expected_of_fragments(flow)["Two", "a"]
    assert expected["weights"].endswith(told)
    assert expected["sampling"] == "stratified" and expected["seed"] == 3
    assert expected["learning_rate"] == 0.1
    described = expected_of_descriptions(flow)
    assert described["One"]["sampling"] == "random"
    assert list(described["One"]["weights"]) == flow.described_by
    assert flow.receipt("ResNet18") == (
        ["<results>/weights/ResNet18.json"] if weights == "imagenet" else []
    )


def test_what_is_read_tells_folders_apart_but_not_machines(tmp_path: Path) -> None:
    """All run again on another machine; or a new data set taken for another of its name."""
    flow = a_workflow(tmp_path)
    assert flow.reading("Mine")["path"] == "Mine" and "transform" not in flow.reading("Mine")
    assert flow.reading("New")["path"] == "/there/New"
    assert flow.licences == {"One": "MIT"}


def test_recommendation_needs_a_data_set_and_a_finished_experiment(tmp_path: Path) -> None:
    """A traceback where a word is missing, or a ranking learnt from nothing."""
    flow = a_workflow(tmp_path)
    with pytest.raises(SystemExit, match="no finished experiment to learn from yet"):
        recommendation_file(flow)
    with pytest.raises(SystemExit, match="recommend for which"):
        recommendation_file(replace(flow, run=replace(flow.run, new={})))
    fragment = tmp_path / "metrics/One/a.json"
    fragment.parent.mkdir(parents=True)
    fragment.touch()
    there = recommendation_file(replace(flow, results=tmp_path))
    assert there == "<results>/recommendations/New.json"
