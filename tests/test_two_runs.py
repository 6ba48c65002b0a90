"""Two runs at once in one folder: the second says so and harms nothing."""

import time

import pytest
from checkouts import snakemake
from tiny_runs import ALONE, EXPERIMENTS, TINY, checkout, host, metrics, start, wait_for_job

pytestmark = pytest.mark.slow


def test_second_run_stops_and_the_first_ends_well(tmp_path) -> None:
    """Two jobs that write one file, or a second run that spoils the logs or tables of the first."""
    with host(tmp_path / "host") as address:
        folder = checkout(tmp_path / "checkout", address, **ALONE)
        with start(folder) as first:
            wait_for_job(folder, first, "extract_features")
            time.sleep(0.2)
            logs = folder / "results/logs"
            before = {log: log.stat().st_ino for log in logs.glob("**/*.log")}
            second = snakemake(folder, *TINY)
            assert first.poll() is None
            after = {log: log.stat().st_ino for log in before}
        assert second.returncode != 0
        assert f"another run is at work on results: process {first.pid} on " in second.stdout
        assert f"stop it: kill -INT {first.pid}" in second.stdout
        assert "Traceback" not in second.stdout
        assert before == after
        assert not (folder / "results/target_representations.partial.csv").exists()
        assert first.returncode == 0, (folder / "output.txt").read_text()
        assert len(metrics(folder)) == 1


def test_questions_during_a_run_are_answered_and_harm_nothing(tmp_path) -> None:
    """A question that takes the lock away, deletes a running job's files, or is refused."""
    with host(tmp_path / "host") as address:
        folder = checkout(tmp_path / "checkout", address)
        with start(folder) as run:
            wait_for_job(folder, run, "extract_features")
            asked = 0
            for question in ("status", "partial", "plan", "status --nolock", "partial --nolock"):
                answer = snakemake(folder, *question.split(), *TINY)
                assert answer.returncode == 0, answer.stdout
                assert "Traceback" not in answer.stdout
                if run.poll() is None:
                    asked += 1
                    assert list((folder / ".snakemake/locks").glob("*.lock")), question
        said = (folder / "output.txt").read_text()
        assert asked >= 2
        assert run.returncode == 0, said
        assert f"{EXPERIMENTS} of {EXPERIMENTS} experiments done" in said
        assert len(metrics(folder)) == EXPERIMENTS
        assert not (folder / "results/target_representations.partial.csv").exists()
