"""Runs on a real Slurm: the numbers of a local run, whatever becomes of jobs, nodes and daemons.

The cluster is started by `slurm_cluster.sh`; where it cannot be, these tests are skipped.
"""

import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from checkouts import ROOT, copy_workflow, snakemake

pytestmark = pytest.mark.slow

SMALL = ("--configfile", "config/demo.yaml", "--config", "train_images=24", "test_images=12")
QUICK = ("--slurm-init-seconds-before-status-checks", "8", "--latency-wait", "20")
SLURM = ("--profile", "slurm", *QUICK, *SMALL, "epochs=2")
HOLD = """
import time
from pathlib import Path
hog = Path("hog").exists() and snakemake.wildcards.architecture == "MobileNetV2"
hog = b"x" * int(3e9 * hog)
hold = Path("hold", snakemake.wildcards.dataset + snakemake.wildcards.architecture)
while hold.exists():
    hold.with_suffix(".reached").touch()
    time.sleep(0.1)
"""
HELD = "rule_extract_features_wildcards_Digits_ResNet18"
DELETED = "Digits/(resnet18|mobilenetv2|ResNet18|MobileNetV2)"
QUEUED = {
    "subset_index": 3,
    "measure_pictures": 3,
    "extract_features": 9,
    "evaluate_recommenders": 1,
}
RETRY_POLICY = 600  # s; what takes longer is taken for a run that hangs


def cluster_does(lab: Path, *action: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tests/slurm_cluster.sh"), *action]
    environment = {**os.environ, "SLURM_LAB": str(lab)}
    # no pipe: the daemons would hold it open
    with open(lab / "said", "w+") as said:
        result = subprocess.run(command, env=environment, stdout=said, stderr=said, check=False)
        said.seek(0)
        return subprocess.CompletedProcess(command, result.returncode, stdout=said.read())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Callable[..., None]]:
    """A function that does something to the cluster: `cluster("node-down", "node0")`."""
    lab = Path(tempfile.mkdtemp(prefix="slurm-"))

    def act(*action: str) -> None:
        result = cluster_does(lab, *action)
        assert result.returncode == 0, result.stdout

    try:
        result = cluster_does(lab, "start")
        if result.returncode == 3:
            pytest.skip(f"no Slurm can be started here: {result.stdout.strip()}")
        assert result.returncode == 0, result.stdout
        yield act
        act("stop")
    finally:
        for process in Run.started:
            process.kill()
        cluster_does(lab, "stop")
        shutil.rmtree(lab)


def tell(*command: str) -> str:
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True).stdout


class Run:
    """Snakemake at work in the background."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, folder: Path, *arguments: str, path: str = ""):
        self.folder = folder
        self.said = folder / "said.txt"
        with open(self.said, "w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *SLURM, *arguments],
                cwd=folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}".lstrip(":")},
                # Whoever runs the tests in the background makes their children ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.started.append(self.process)

    def wait(self) -> int:
        try:
            return self.process.wait(RETRY_POLICY)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(RETRY_POLICY)
            pytest.fail(f"the run hangs: {self.said.read_text()}")

    def ends_well(self) -> None:
        assert self.wait() == 0, self.said.read_text()

    def job(self, *states: str, other_than: str = "") -> tuple[str, str]:
        """Id and node of the job that waits, or has waited, once it is in one of `states`."""
        queue, until = "", time.monotonic() + RETRY_POLICY
        while time.monotonic() < until and self.process.poll() is None:
            queue = tell("squeue", "--states=all", "--noheader", "--format=%T|%i|%N|%Z|%k")
            for line in queue.splitlines():
                state, *job, place = line.split("|", maxsplit=3)
                if place == f"{self.folder}|{HELD}" and state in states and other_than not in job:
                    return job[0], job[1]
            time.sleep(0.5)
        pytest.fail(f"no such job came to be {states}:\n{queue}\n{self.said.read_text()}")


def ask(folder: Path, *arguments: str) -> str:
    """What `metaprobe` answers, asked in a checkout."""
    command = [sys.executable, "-m", "metaprobe", *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
    result = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def status(folder: Path) -> str:
    """What `snakemake status` prints, asked as the run was started."""
    result = snakemake(folder, "status", *SLURM)
    assert result.returncode == 0, result.stdout
    return result.stdout


def jobs_since(start: float) -> Counter[str]:
    """Rule → number of jobs submitted to Slurm after `start`."""
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(start))
    lines = tell("sacct", "-X", "-n", "-P", "-S", since, "-o", "Submit,Comment").splitlines()
    submitted = [line.split("|") for line in lines]
    return Counter(
        re.match(r"rule_(\w+?)(?:_wildcards|$)", comment)[1]
        for at, comment in submitted
        if at >= since
    )


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of the table, without the one column that is never the same twice."""
    with open(folder / "results/demo/target_representations.csv", newline="") as file:
        return [{**row, "training_time_sec": ""} for row in csv.DictReader(file)]


def files(folder: Path, but: str = "(?!)") -> dict[Path, tuple[int, int]]:
    """Every result outside `but`, with what would change if it were written again."""
    found = {}
    for stage in ("subsets", "features", "heads", "metrics"):
        for path in (folder / "results/demo" / stage).glob("**/*.*"):
            if not re.search(but, str(path.relative_to(folder))):
                found[path] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> list[dict[str, str]]:
    """The table of a run without Slurm."""
    folder = copy_workflow(tmp_path_factory.mktemp("local") / "checkout")
    result = snakemake(folder, *SMALL, "epochs=2")
    assert result.returncode == 0, result.stdout
    return table(folder)


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory) -> Path:
    """A checkout in which the demo has run on Slurm."""
    folder = copy_workflow(tmp_path_factory.mktemp("slurm") / "checkout")
    script = folder / "workflow/scripts/extract_features.py"
    text = script.read_text()
    first, _, rest = text.partition("\nwith logged")
    script.write_text(f"{first}{HOLD}\nwith logged{rest}")
    (folder / "hold").mkdir()
    Run(folder).ends_well()
    return folder


@pytest.fixture
def checkout(finished, tmp_path) -> Path:
    """The finished run less two architectures of one data set; the job of one of them will wait."""
    folder = shutil.copytree(finished, tmp_path / "checkout", symlinks=True)
    for path in (folder / "results/demo").glob("*/Digits/*"):
        if re.search(DELETED, str(path)):
            path.unlink()
    (folder / "hold/DigitsResNet18").touch()
    return folder


def documented(part: str) -> list[str]:
    """The `sbatch` line of the page on clusters that has `part`, its last word what it wraps."""
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^sbatch .*{re.escape(part)}.*$", page, re.MULTILINE)
    return [word for word in shlex.split(line) if word != "--wrap"]


def release(folder: Path) -> None:
    (folder / "hold/DigitsResNet18").unlink()


def test_numbers_are_those_of_a_local_run_and_heads_are_not_queued(finished, local) -> None:
    """A job that computes something else; 180 queue entries of a second; needs not handed on."""
    assert table(finished) == local
    query = ("sacct", "-X", "-n", "-P", "-o", "Comment,State,ReqMem,TimelimitRaw,AllocCPUS,WorkDir")
    jobs = [line.split("|") for line in tell(*query).splitlines()]
    jobs = [job[:-1] for job in jobs if job[-1] == str(finished)]
    plan = snakemake(finished, "--dry-run", "--forceall", *SLURM).stdout
    wants = re.findall(r"^rule (\w+):(?:\n .*)*?\n +resources: (.*)", plan, re.MULTILINE)
    asked = {
        rule: (re.search(r"mem_mb=(\d+)", needs)[1], re.search(r"runtime=(\d+)", needs)[1])
        for rule, needs in wants
    }
    expected: Counter[tuple[str, ...]] = Counter()
    for rule, number in QUEUED.items():
        memory, minutes = asked[rule]
        expected["COMPLETED", f"{memory}M", minutes, "1"] += number
    assert Counter(tuple(job[1:]) for job in jobs) == expected
    before = files(finished)
    again = Run(finished)
    again.ends_well()
    assert "Nothing to be done" in again.said.read_text()
    assert files(finished) == before


def test_a_cancelled_job_costs_only_itself(checkout, local) -> None:
    """A run that waits for a cancelled job for ever; neighbours lost; a GPU that is not asked for."""
    before = files(checkout, but=DELETED)
    start = time.time()
    gpu = ("extract_features:gpu=1", "extract_features:slurm_partition=gpu")
    run = Run(checkout, "--set-resources", *gpu)
    first, _ = run.job("RUNNING")
    assert "gres/gpu=1" in tell("scontrol", "show", "job", first)
    told = status(checkout)
    assert re.search(r"> [24] running", told), told  # experiments of one job, or of both
    assert re.search(r"extract_features: \d running \(the first has [\d:]+ left", told), told
    tell("scancel", first)
    second, _ = run.job("RUNNING", other_than=first)
    tell("scancel", second)
    assert run.wait() != 0
    said = run.said.read_text()
    assert "16 of 18 experiments are finished" in said
    reason = "cancelled in Slurm by root (scancel): start the run again to do it"
    assert f"extract_features/Digits/ResNet18: {reason}" in said
    assert reason in status(checkout)
    assert jobs_since(start) == {"extract_features": 3}
    assert files(checkout, but=DELETED) == before

    release(checkout)
    before = files(checkout, but="Digits/(resnet18|ResNet18)")
    time.sleep(1)
    start = time.time()
    Run(checkout).ends_well()
    assert table(checkout) == local
    assert jobs_since(start) == {"extract_features": 1, "evaluate_recommenders": 1}
    assert files(checkout, but="Digits/(resnet18|ResNet18)") == before


@pytest.mark.long
def test_time_limit_and_a_restarted_controller(checkout, local, cluster) -> None:
    """A job that is killed in the same minute again; jobs forgotten while slurmctld is away."""
    before = files(checkout, but=DELETED)
    run = Run(checkout, "--set-resources", "extract_features:runtime=attempt")
    first, _ = run.job("RUNNING")
    until = time.monotonic() + 60
    while not (checkout / "hold/DigitsResNet18.reached").exists() and time.monotonic() < until:
        time.sleep(0.1)
    cluster("controller-down")
    time.sleep(15)
    cluster("controller-up")
    run.job("TIMEOUT")
    second, _ = run.job("RUNNING", other_than=first)
    release(checkout)
    run.ends_well()
    limits = tell("sacct", "-X", "-n", "-P", "-j", f"{first},{second}", "-o", "TimelimitRaw")
    assert limits.split() == ["1", "2"]
    assert table(checkout) == local
    assert files(checkout, but=DELETED) == before


def test_reasons_are_slurms(checkout) -> None:
    """`killed by hand, at its time limit, or out of memory`, for three jobs of which Slurm knows why."""
    nowhere = Run(checkout, "--set-resources", "extract_features:slurm_partition=nosuch")
    assert nowhere.wait() != 0
    words = (
        'Slurm refused it: "invalid partition specified: nosuch; Invalid partition name specified"'
    )
    said = nowhere.said.read_text()
    assert f"extract_features/Digits/ResNet18: {words}" in said
    assert "--set-resources extract_features:slurm_partition=NAME sets it" in said
    assert words in status(checkout)

    too_many = Run(checkout, "--retries", "0", "--set-resources", "extract_features:gpu=9")
    assert too_many.wait() != 0
    words = 'Slurm refused it: "Requested node configuration is not available". No node has what'
    assert f"extract_features/Digits/ResNet18: {words}" in too_many.said.read_text()

    (checkout / "hog").touch()
    limits = ("extract_features:runtime=1", "extract_features:mem_mb=2000")
    run = Run(checkout, "--retries", "0", "--set-resources", *limits)
    assert run.wait() != 0
    said = run.said.read_text()
    over_memory = r"Digits/MobileNetV2: over its 2,000 MB: [2-9],\d{3}\. Slurm ended it\. "
    assert re.search(over_memory + r"--set-resources extract_features:mem_mb=\d+ gives", said), said
    over_time = "over its 1 min: Slurm ended it. --set-resources extract_features:runtime=2 gives"
    assert f"Digits/ResNet18: {over_time}" in said
    assert "ended without a word" not in said
    told = status(checkout)
    assert over_time in told and "over its 2,000 MB" in told


def test_limits_are_told_and_a_full_queue_means_later(checkout, local) -> None:
    """Experiments that are lost as the site takes no more jobs; limits and nodes that nobody told of."""
    limit = ("sacctmgr", "-i", "modify", "user", "root", "set")
    tell(*limit, "MaxSubmitJobs=5")
    try:
        told = ask(checkout, "doctor", "--profile", "slurm", *SMALL)
        run = Run(checkout)
        run.job("RUNNING")
        other = tell("sbatch", "--parsable", "--hold", "--wrap", "true").strip()
        tell(*limit, "MaxSubmitJobs=1")
        release(checkout)
        full = 'Slurm takes no more jobs for now ("AssocMaxSubmitJobLimit'
        until = time.monotonic() + RETRY_POLICY
        while full not in run.said.read_text() and time.monotonic() < until:
            time.sleep(0.5)
        tell("scancel", other)
        run.ends_well()
    finally:
        tell(*limit, "MaxSubmitJobs=-1")
    assert full in run.said.read_text()
    assert "Slurm lets you have 5 jobs in its queue at once" in run.said.read_text()
    assert table(checkout) == local
    for words in (
        "jobs you may have in the queue (MaxSubmitJobs): 5, 5 free now",
        "remembered for 300 s (MinJobAge): enough",
        "gpu:1",
        "export SBATCH_ACCOUNT=root",
        "complete",
        "data folder: ",
        "GPU:         none",
        "clock:       within 10 s of here",
    ):
        assert words in told, told


@pytest.mark.long
def test_a_run_may_be_a_job_itself(checkout, local) -> None:
    """The documented line that ends with `snakemake: not found` in a file that nobody looks at."""
    release(checkout)
    (checkout / ".venv").symlink_to(sys.prefix)
    *options, wrapped = documented("--profile slurm")
    wrapped = f"{wrapped} {shlex.join((*QUICK, *SMALL, 'epochs=2'))}"
    subprocess.run([*options, "--wait", "--wrap", wrapped], cwd=checkout, check=True)
    assert table(checkout) == local


def test_ctrl_c_cancels_while_squeue_is_asked(checkout, tmp_path) -> None:
    """Jobs that run on as Ctrl-C came while Slurm was asked for their states, and nothing said."""
    shims, slow = tmp_path / "shims", tmp_path / "slow"
    shims.mkdir()
    real = shutil.which("squeue")
    (shims / "squeue").write_text(f'#!/bin/sh\n[ -e {slow} ] && sleep 60\nexec {real} "$@"\n')
    (shims / "squeue").chmod(0o755)
    run = Run(checkout, path=str(shims))
    run.job("RUNNING")
    slow.touch()
    time.sleep(10)  # the plugin looks every 8 s
    before = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.wait() != 0
    assert time.monotonic() - before < 15
    said = run.said.read_text()
    assert re.search(r"\d Slurm jobs? of this run cancelled", said), said
    assert "Traceback" not in said and "What failed" not in said
    until = time.monotonic() + 30
    while (
        left := tell("squeue", "--noheader", "--states=PENDING,RUNNING")
    ) and time.monotonic() < until:
        time.sleep(0.5)
    assert not left


@pytest.mark.long
def test_a_lost_node_costs_only_time(checkout, local, cluster) -> None:
    """A job that dies with its node, or a node that is never used again."""
    before = files(checkout, but=DELETED)
    run = Run(checkout)
    _, node = run.job("RUNNING")
    cluster("node-down", node)
    run.job("RUNNING", other_than=node)
    cluster("node-up", node)
    release(checkout)
    run.ends_well()
    assert table(checkout) == local
    assert files(checkout, but=DELETED) == before


@pytest.mark.long
def test_jobs_that_outlive_their_snakemake_spoil_nothing(checkout, local) -> None:
    """Two runs that write the same files, or an orphan that deletes them when it is cancelled."""
    before = files(checkout, but=DELETED)
    run = Run(checkout)
    orphan, _ = run.job("RUNNING")
    run.process.kill()
    run.process.wait()
    for arguments in ((), ("--executor", "local", "--cores", "2")):
        refused = Run(checkout, *arguments)
        assert refused.wait() != 0
        said = refused.said.read_text()
        assert re.search(rf"still in Slurm's queue.* scancel .*\b{orphan}\b", said), said
    tell("scancel", *re.search(r"scancel ([\d ]+);", said)[1].split())
    until = time.monotonic() + RETRY_POLICY
    while tell("squeue", "--noheader") and time.monotonic() < until:
        time.sleep(0.5)
    release(checkout)
    Run(checkout).ends_well()
    assert table(checkout) == local
    assert files(checkout, but=DELETED) == before
