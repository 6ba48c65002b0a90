"""`kill -9` at any moment: the next start finishes the same table."""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkouts import planned, snakemake
from metaprobe.operations.planning.costs import read_benchmark
from tiny_runs import EXPERIMENTS, TINY, checkout, host, metrics, restart, start, wait_for_job

STAGES = (
    ("download", 1),
    ("subset_index", 2),
    ("extract_features", 2),
    ("train_head", EXPERIMENTS),
    ("metrics_json", EXPERIMENTS),
    ("describe_dataset", 2),
    ("aggregate", 1),
    ("compare_configurations", 1),
    ("evaluate_recommenders", 1),
    ("report", 1),
)
BASIC = "results/basic_representations.csv"
VICTIMS = ("controller", "job", "everything")


@dataclass(frozen=True)
class Moment:
    """A share of the usual time of the `number`-th job of a stage, counted from its start."""

    rule: str
    number: int
    share: float
    victim: str


def moments(count: int, seed: int = 0) -> list[Moment]:
    """Moments that go through all stages and all victims in turn, the rest drawn."""
    draw = random.Random(seed)
    found = []
    for i in range(count):
        rule, jobs = STAGES[i % len(STAGES)]
        victim = VICTIMS[(i + i // len(STAGES)) % len(VICTIMS)]
        found.append(Moment(rule, draw.randint(1, jobs), draw.random(), victim))
    return found


@dataclass(frozen=True)
class Undisturbed:
    """What a run gives that nobody disturbs, and how long its jobs take."""

    address: str
    metrics: list[dict[str, str]]
    basic: bytes
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    with host(tmp_path_factory.mktemp("host")) as address:
        folder = checkout(tmp_path_factory.mktemp("undisturbed") / "checkout", address)
        result = snakemake(folder, *TINY)
        assert result.returncode == 0, result.stdout
        seconds = {rule: seconds_of(folder, rule) for rule, _ in STAGES}
        basic = (folder / BASIC).read_bytes()
        yield Undisturbed(address, metrics(folder), basic, seconds)


def seconds_of(folder: Path, rule: str) -> float:
    file = next((folder / "results/logs" / rule).glob("**/*.tsv"))
    return float(read_benchmark(file)["s"])


def jobs_of(controller: int) -> list[int]:
    """Processes that `controller` has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [pid for pid, parent in pairs if parent == controller]


def kill(running: subprocess.Popen[str], victim: str) -> None:
    if victim == "everything":
        os.killpg(running.pid, signal.SIGKILL)
    elif victim == "controller":
        running.kill()
    else:
        for job in jobs_of(running.pid)[:1]:
            os.kill(job, signal.SIGKILL)


def start_and_kill(folder: Path, moment: Moment, undisturbed: Undisturbed) -> None:
    with start(folder) as running:
        seconds = moment.share * undisturbed.seconds[moment.rule]
        wait_for_job(folder, running, moment.rule, moment.number, seconds)
        kill(running, moment.victim)


def check_restart(folder: Path, undisturbed: Undisturbed) -> None:
    result = restart(folder)
    assert result.returncode == 0, result.stdout
    assert metrics(folder) == undisturbed.metrics
    assert (folder / BASIC).read_bytes() == undisturbed.basic
    assert planned(folder, *TINY) == {}
    assert not list((folder / "results").glob("**/.*.tmp"))
    assert not (folder / "results/target_representations.partial.csv").exists()


@pytest.mark.slow
def test_a_run_that_is_killed_at_every_stage_loses_nothing(undisturbed, tmp_path) -> None:
    """Half a file taken for whole, a lost experiment, a number that is not the undisturbed one."""
    folder = checkout(tmp_path / "checkout", undisturbed.address)
    for moment in moments(len(STAGES)):
        start_and_kill(folder, moment, undisturbed)
    check_restart(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("moment", moments(len(STAGES)), ids=str)
def test_kill_at_any_moment_loses_nothing(undisturbed, tmp_path, moment: Moment) -> None:
    """The same of a run that is killed once, so that no other kill has a part in it."""
    folder = checkout(tmp_path / "checkout", undisturbed.address)
    start_and_kill(folder, moment, undisturbed)
    check_restart(folder, undisturbed)
