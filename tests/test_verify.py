"""`metaprobe verify`: it recomputes, tells any difference, and changes nothing."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from checkouts import SETTINGS, copy_tiny, snakemake
from entries import WRITTEN_BACKBONES
from metaprobe.config.load import load_run
from metaprobe.core.errors import UserError
from metaprobe.core.files import with_checksum, write_json
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.verify import cached
from metaprobe.operations.verify.images import (
    Comparison,
    agreement,
    choose,
    overall,
    report,
    verify,
)

TINY = ("--configfile", "tiny.yaml", "--config", "verify_experiments=2")
FRAGMENT: dict[str, Any] = {
    "task_id": "Birds",
    "configuration": "plain",
    "test_accuracy": 0.5,
    "train_accuracy": 0.75,
    "test_loss": 0.5,
    "test_images": 1000,
    "train_images": 5000,
    "subset_sha256": "1",
    "pixels_sha256": "2",
    "device": "cpu",
    "versions": {"torch": "2.14.1"},
}


def compared(**changes: Any) -> Comparison:
    return Comparison(FRAGMENT, FRAGMENT | changes)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "identical"),
        ({"test_loss": 0.5 + 1e-12}, "within tolerance"),
        ({"test_accuracy": 0.51}, "within tolerance"),
        ({"test_accuracy": 0.511}, "OUTSIDE"),
        ({"train_accuracy": 0.7}, "OUTSIDE"),
        ({"test_loss": 0.52}, "OUTSIDE"),
        ({"test_loss": float("nan")}, "OUTSIDE"),
        ({"subset_sha256": "3"}, "OTHER IMAGES"),
        ({"pixels_sha256": "3"}, "OTHER IMAGES"),
    ],
)
def test_verdict(changes: dict[str, Any], verdict: str) -> None:
    """A difference that is not told, or rounding called an error."""
    one = compared(**changes)
    assert one.verdict() == verdict
    assert overall([compared(), one, compared()]) == verdict
    assert f"verdict: {verdict}" in report([compared(), one, compared()])


def test_differences_name_where_they_may_come_from() -> None:
    """A difference between two devices that looks like a mistake."""
    text = report([compared(device="cuda (A100)", versions={"torch": "3.0"}), compared()])
    assert "device: cpu then, cuda (A100) now" in text
    assert "torch: 2.14.1 then, 3.0 now" in text


def test_agreement_is_of_ranks() -> None:
    """A rank agreement that follows sizes, or that divides by nothing."""
    accuracies = [0.1, 0.2, 0.3]
    table = [FRAGMENT | {"test_accuracy": value} for value in accuracies]
    again = [FRAGMENT | {"test_accuracy": value} for value in (0.7, 0.8, 0.95)]
    assert agreement([Comparison(*pair) for pair in zip(table, again, strict=True)]) == 1
    reverse = zip(table, reversed(again), strict=True)
    assert agreement([Comparison(*pair) for pair in reverse]) == -1
    assert agreement([compared(), compared()]) is None


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        ({"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0}, "identical"),
        ({"a": 1.0, "b": 0.0}, {"a": 1.000001, "b": 0.0}, "within tolerance"),
        ({"a": 1.0, "b": 0.0}, {"a": 1.0001, "b": 0.0}, "OUTSIDE"),
        ({"a": 1.0, "b": 0.0}, {"a": 1.0}, "OUTSIDE"),
        ({"a": 1.0}, {"a": float("nan")}, "OUTSIDE"),
    ],
)
def test_verdict_on_a_description(then: dict, now: dict, verdict: str) -> None:
    """A meta-feature that nobody gets again, or rounding called an error."""
    assert cached.judge(then, now) == verdict
    lines = list(cached.report("descriptions", {"Birds": verdict}))
    assert lines[0] == f"descriptions, measured again from the cache: 1 {verdict}"
    assert lines[1:] == (["    OUTSIDE: Birds"] if verdict == "OUTSIDE" else [])


def test_choice_is_seeded() -> None:
    """Always the first ten, or others at each start."""
    fragments = [{"number": number} for number in range(50)]
    assert choose(fragments, 10, seed=0) == choose(fragments, 10, seed=0)
    assert choose(fragments, 10, seed=0) != choose(fragments, 10, seed=1)
    assert len(choose(fragments, 10, seed=0)) == 10
    assert choose(fragments[:3], 10, seed=0) == fragments[:3]


def test_nothing_to_verify_is_told(tmp_path) -> None:
    """A traceback in an empty results folder, or a success that checked nothing."""
    plain = {"plain": {"architecture": "ResNet18", "learning_rate": 0.1}}
    config = {"datasets": SETTINGS["datasets"], "configurations": plain}
    run = load_run(config | {"backbones": WRITTEN_BACKBONES}, [])
    with pytest.raises(UserError, match="no finished experiment to verify yet"):
        verify([], Workflow(run, tmp_path, tmp_path), 1)


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.slow
def test_verify_through_the_workflow(tmp_path) -> None:
    """An answer that does not see a wrong number, that calls a right one wrong, or that writes."""
    folder = copy_tiny(tmp_path / "checkout")
    settings = copy.deepcopy(SETTINGS) | {
        "only_datasets": ["Digits"],
        "only_configurations": ["resnet18-plain", "resnet18-regularized"],
        "described_by": ["ResNet18"],
    }
    (folder / "tiny.yaml").write_text(json.dumps(settings), encoding="utf-8")
    empty = snakemake(folder, "verify", *TINY)
    assert empty.returncode != 0
    assert "no finished experiment to verify yet" in empty.stdout
    assert "Traceback" not in empty.stdout

    assert snakemake(folder, *TINY).returncode == 0
    before = files(folder / "results")
    result = snakemake(folder, "verify", *TINY)
    assert result.returncode == 0, result.stdout
    assert "Every file is as it was written" in result.stdout
    assert "heads, measured again from the cache: 2 identical" in result.stdout
    assert "descriptions, measured again from the cache: 1 identical" in result.stdout
    assert "verdict: identical" in result.stdout
    assert files(folder / "results") == before

    path = folder / "results/metrics/Digits/resnet18-plain.json"
    fragment = json.loads(path.read_text())
    wrong = 0.0 if fragment["train_accuracy"] > 0.5 else 1.0
    for part in (fragment, fragment["replicates"][0]):
        part["train_accuracy"] = wrong
    write_json(path, with_checksum(fragment))
    result = snakemake(folder, "verify", *TINY)
    assert result.returncode != 0
    assert "experiments.parquet was made from other files than are there: metrics" in result.stdout
    for made in [*(folder / "results").glob("*.*"), *(folder / "results/metabu").glob("*")]:
        made.unlink()  # so that nothing is left that knows the true number
    result = snakemake(folder, "verify", *TINY)
    assert result.returncode != 0
    assert "heads, measured again from the cache: 1 OUTSIDE, 1 identical" in result.stdout
    assert "OUTSIDE: Digits/resnet18-plain" in result.stdout
    assert "verdict: OUTSIDE" in result.stdout
    assert not (folder / "results/target_representations.partial.csv").exists()
