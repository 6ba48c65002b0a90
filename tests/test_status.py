"""`metaprobe status`: what is done, what failed and why, what is missing."""

from pathlib import Path

import pytest
from metaprobe.core import processes
from metaprobe.core.jobs import logged
from metaprobe.core.processes import Process
from metaprobe.operations.status import Evidence, State, read_states, report

TASKS = ("MNIST", "STL10_Unlabeled")
NAMES = ("resnet18-plain", "resnet18-regularized")


def states(**found: State) -> dict[tuple[str, str], State]:
    every = {(task, name): State("missing") for task in TASKS for name in NAMES}
    return every | {(TASKS[0], name.replace("_", "-")): state for name, state in found.items()}


def test_grid_is_readable_and_the_sums_are_right() -> None:
    """A row under another data set's name, or a failure counted as missing."""
    found = states(
        resnet18_plain=State("done"),
        resnet18_regularized=State("failed", "train_head.log", "diverged at epoch 1, step 2: oh"),
    )
    lines = report(found).splitlines()
    assert lines[:3] == [
        "                  1 2",
        "MNIST             # x",
        "STL10_Unlabeled   . .",
    ]
    assert "1 resnet18-plain  2 resnet18-regularized" in lines
    assert "# 1 done, x 1 failed (1 diverged), . 2 missing, of 4 experiments" in lines
    assert (
        lines[-1] == "MNIST/resnet18-regularized: diverged at epoch 1, step 2: oh (train_head.log)"
    )


def test_a_job_at_work_runs_and_the_others_wait(tmp_path: Path) -> None:
    """A healthy job told as killed by hand, three of three times; a run that is going on told as missing."""
    log, made = tmp_path / "extract_features/MNIST.log", tmp_path / "MNIST.safetensors"
    log.parent.mkdir()
    stages = {
        ("MNIST", "plain"): [(str(log), str(made)), ("no.log", str(tmp_path / "a.json"))],
        ("USPS", "plain"): [("no.log", str(tmp_path / "b.json"))],
    }
    with logged(str(log)):
        found = read_states(stages, {}, Evidence(at_work=processes.this()))
    assert [one.name for one in found.values()] == ["running", "waiting"]
    text = report(found)
    assert "# 0 done, > 1 running, - 1 waiting, x 0 failed, . 0 missing, of 2 experiments" in text
    assert f"running since {found['MNIST', 'plain'].reason}: {log}" in text
    assert "starts the run" not in text
    assert [one.name for one in read_states(stages, {}).values()] == ["missing", "missing"]


def test_job_of_a_node_runs_as_long_as_its_run_does(tmp_path: Path) -> None:
    """A job of another machine told as killed; or one of an earlier run told as running."""
    log = tmp_path / "a.log"
    log.write_text("process 12 on node7 since 2026-01-02 03:04:05\nrun 77-1700000000\n")
    stages = {("MNIST", "plain"): [(str(log), str(tmp_path / "a.json"))]}
    for controller, state in ((77, "running"), (78, "failed"), (None, "failed")):
        at_work = controller and Process(controller, "head", 1.0)
        found = read_states(stages, {}, Evidence(at_work=at_work))
        assert found["MNIST", "plain"].name == state


def test_other_settings_are_outdated_not_broken(tmp_path: Path) -> None:
    """Results of other settings counted as done, or as damaged files that should be deleted."""
    subset, made = tmp_path / "subset.json", tmp_path / "fragment.json"
    made.write_text("{}")
    stages = {("MNIST", "plain"): [("no.log", str(subset)), ("no.log", str(made))]}
    why = "its train images number 40, not 30"
    text = report(read_states(stages, {}, Evidence(outdated={subset: why})))
    assert "o 1 outdated" in text
    assert f"MNIST/plain: outdated: {why}" in text
    assert "delete" not in text


@pytest.mark.parametrize("count", [1, 6, 20, 48, 400])
def test_eighty_columns(count: int) -> None:
    """A grid that a terminal breaks."""
    found = {("STL10_Unlabeled", f"configuration-{i}"): State("missing") for i in range(count)}
    assert max(map(len, report(found).splitlines())) <= 80


def test_one_dead_source_is_said_once() -> None:
    """The same reason printed for each of the experiments that wait for it."""
    failed = State("failed", "logs/download/mnist.log", "mnist: host is dead")
    text = report(states(resnet18_plain=failed, resnet18_regularized=failed))
    assert text.count("host is dead") == 1
    assert "MNIST/resnet18-plain and 1 more: mnist: host is dead" in text


def test_nothing_yet_is_a_friendly_sentence(tmp_path: Path) -> None:
    """A traceback for an empty results folder."""
    stages = {
        (task, name): [(str(tmp_path / "a.log"), str(tmp_path / "a"))]
        for task in TASKS
        for name in NAMES
    }
    assert "No experiment is finished yet" in report(read_states(stages, {}))


def test_reasons_are_of_jobs_whose_output_is_missing(tmp_path: Path) -> None:
    """An old failure that was mended, or a later stage blamed for an earlier one's failure."""
    logs = [tmp_path / f"{name}.log" for name in ("download", "train", "metrics")]
    outputs = [tmp_path / name for name in ("manifest", "head", "fragment")]
    logs[0].write_text("error: host is dead\n")
    outputs[0].touch()
    logs[1].write_text("error: diverged at epoch 2\n")
    stages = {("a", "b"): [(str(log), str(out)) for log, out in zip(logs, outputs, strict=True)]}
    assert read_states(stages, {})["a", "b"] == State("failed", str(logs[1]), "diverged at epoch 2")
    outputs[1].touch()
    assert read_states(stages, {})["a", "b"] == State("missing")
    outputs[2].write_text("{}")
    broken = read_states(stages, {})["a", "b"]
    assert broken.name == "failed" and str(outputs[2]) in broken.reason
