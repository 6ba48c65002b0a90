"""Whole runs of Snakemake and its Slurm plugin, with a Slurm that is a few lines of shell: what a user
reads of jobs that wait, that are refused, and that are left when the run is stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkouts import SETTINGS, TINY, copy_tiny, write_pictures

pytest.importorskip("snakemake_executor_plugin_slurm")

pytestmark = pytest.mark.slow  # Whole runs, and waiting for answers that do not come.
SBATCH = """
for word; do
    case $last in --comment) comment=$word;; --job-name) name=$word;; esac
    last=$word
done
case $comment in *_Tints) [ -p slow ] && read nothing < slow;; esac
[ -e refusal ] && { cat refusal >&2; exit 1; }
echo "$$|PENDING|PartitionDown|$(date +%Y-%m-%dT%H:%M:%S)|20:00|$name|$PWD|$comment" >> queue
echo $$
"""
SQUEUE = """
[ -e silent ] && exec sleep 60
case $* in *%r*) cat queue;; *) cut -d '|' -f 1,2 queue;; esac
"""
SLURM = {
    "sbatch": SBATCH,
    "squeue": SQUEUE,
    "scancel": "[ -e silent ] && exec sleep 60\n: > queue",
    "scontrol": "echo 'MinJobAge               = 300 sec'",
    "sinfo": "echo 'cpu*'",
    "sacct": "exit 1",
    "sacctmgr": "exit 1",
}


class StandIn:
    """A checkout on a stand-in for Slurm, and Snakemake at work there."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.folder, self.said = copy_tiny(folder), folder / "said.txt"
        write_pictures(folder / "data/Tints")
        (folder / "tiny.yaml").write_text(json.dumps(SETTINGS), encoding="utf-8")
        (folder / "queue").touch()
        commands.mkdir()
        for name, body in SLURM.items():
            (commands / name).write_text(f"#!/bin/sh\ncd '{folder}'\n{body}\n")
            (commands / name).chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "workflow"),
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self.said, "w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments, *TINY],
                cwd=self.folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self.environment,
                # Whoever runs the tests in the background makes their children ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def queued(self, number: int) -> list[str]:
        """The jobs in the queue, once there are so many."""
        until = time.monotonic() + 120
        while len(jobs := (self.folder / "queue").read_text().splitlines()) < number:
            assert time.monotonic() < until, self.said.read_text()
            time.sleep(0.1)
        return [job.partition("|")[0] for job in jobs]

    def ask(self, question: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "metaprobe", question, *TINY],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def slurm(tmp_path) -> StandIn:
    return StandIn(tmp_path / "checkout", tmp_path / "commands")


def test_questions_answer_during_a_run_and_ctrl_c_ends_it(slurm) -> None:
    """`status` that advises to cancel the jobs of a healthy run; jobs that outlive Ctrl-C."""
    run = slurm.start()
    try:
        slurm.queued(2)
        told = slurm.ask("status")
        assert "- 6 waiting" in told, told
        assert "In Slurm's queue:\n  subset_index: 2 wait, the longest for " in told, told
        assert "PartitionDown (the partition is closed: ask the administrators" in told
        assert "waiting" in slurm.ask("plan")
        run.send_signal(signal.SIGINT)
        assert run.wait(30) != 0
    finally:
        run.kill()
    said = slurm.said.read_text()
    assert "2 Slurm jobs of this run cancelled." in said, said
    assert "Traceback" not in said and "What failed" not in said and "guess" not in said


def test_ctrl_c_ends_a_run_while_slurm_gives_no_answer(slurm) -> None:
    """A run that hangs for as long as slurmctld is away, and then leaves jobs without a word."""
    os.mkfifo(slurm.folder / "slow")  # one of the two jobs is being submitted all the time
    run = slurm.start("--slurm-init-seconds-before-status-checks", "1")
    try:
        (job,) = slurm.queued(1)
        (slurm.folder / "silent").touch()
        time.sleep(3)  # the plugin asks for their states, and waits
        before = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert run.wait(60) != 0
        seconds = time.monotonic() - before
    finally:
        run.kill()
    said = slurm.said.read_text()
    assert seconds < 12, said  # of which two to end Python, with other tests beside it
    words = "1 Slurm job of this run could NOT be cancelled (scancel gave no answer in 3 s): "
    assert words + job in said, said
    assert "When Slurm answers again: scancel --name=metaprobe_" in said
    assert "Traceback" not in said, said


def test_refused_jobs_have_slurms_reason_in_the_list(slurm) -> None:
    """`killed by hand` of jobs that Slurm never took; `status` that guesses afterwards."""
    word = "Requested node configuration is not available"
    (slurm.folder / "refusal").write_text(
        f"sbatch: error: Batch job submission failed: {word}\n", encoding="utf-8"
    )
    run = slurm.start()
    try:
        assert run.wait(120) != 0
    finally:
        run.kill()
    said = slurm.said.read_text()
    reason = f'Slurm refused it: "{word}". No node has what it asks for: ask for less, as by '
    listed = said.partition("What failed, and why")[2]
    assert f"subset_index/Digits: {reason}--set-resources subset_index:" in listed, said
    assert reason in slurm.ask("status")
