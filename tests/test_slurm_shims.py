"""What a user of Slurm reads, with stand-ins for its commands: its queue, its reasons, its limits, its end."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from metaprobe.core import jobs
from metaprobe.operations.planning.costs import Job
from metaprobe.operations.progress import Run, Watch
from metaprobe.operations.slurm import commands, executor, limits, queue, reasons, trial
from metaprobe.operations.slurm.check import hidden_profile
from metaprobe.operations.status import Evidence, read_states

REFUSED = (
    "SLURM sbatch failed. The error message was 'sbatch: error: {}\n"
    "sbatch: error: Batch job submission failed: {}'.\n    sbatch call:\n        sbatch --parsable"
)
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
SACCT = """\
21|FAILED|9:0|130|20|2000M||node1
21.batch|FAILED|9:0|130|||10720K|node1
21.0|CANCELLED by 0|0:9|130|||2263040K|node1
22|TIMEOUT|0:0|1205|20|2000M||node0
22.batch|CANCELLED|0:15|1206|||902K|node0
23|CANCELLED by 0|0:0|3|20|2000M||node0
24|NODE_FAIL|1:0|3|20|2000M||node7
25|FAILED|127:0|1|20|2000M||node0
26|RUNNING|0:0|1|20|2000M||node0
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A function that puts a command on the path; what it was given is in `<name>.called`."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def tool(name: str, body: str) -> Path:
        called = folder / f"{name}.called"
        (folder / name).write_text(f'#!/bin/sh\necho "$@" >> {called}\n{body}\n')
        (folder / name).chmod(0o755)
        return called

    return tool


def waiting(folder: Path, number: str, reason: str, minutes: float, rule: str = "subset_index"):
    """A line of squeue."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 60 * minutes))
    return (
        f"{number}|PENDING|{reason}|{moment}|20:00|run|{folder}|rule_{rule}_wildcards_A_B{number}"
    )


class Pool:
    """Submits at once, as the plugin's pool does in its own time."""

    def submit(self, function, *arguments):
        function(*arguments)

    def shutdown(self, **options):
        pass


class Plugin:
    """The part of the plugin's executor that is attached to: as `run_job` and the callbacks use it."""

    def __init__(self, folder: Path, refusals: list[str]) -> None:
        self.run_uuid, self.wait, self.tmpdir = "metaprobe_1", True, str(folder / "tmp")
        self.refusals, self.taken, self.failed = refusals, [], []
        self._job_submission_executor = Pool()

    def report_job_submission(self, info, register_job=True):
        self.taken.append(info.job.name)

    def report_job_success(self, info):
        pass

    def report_job_error(self, info, msg=None, **options):
        self.failed.append(info.job.name)

    def _report_job_error_threadsafe(self, info, msg):
        self.report_job_error(info, msg=msg)

    def run_job(self, job):
        if self.refusals:
            said = self.refusals.pop(0)
            info = SimpleNamespace(job=job, external_jobid=None, aux=None)
            self._report_job_error_threadsafe(info, REFUSED.format(said, said))
        else:
            number = str(21 + len(self.taken))
            info = SimpleNamespace(job=job, external_jobid=number, aux={"slurm_logfile": "s.log"})
            self.report_job_submission(info)


def a_job(folder: Path, name: str) -> SimpleNamespace:
    log = str(folder / f"extract_features/{name}.log")
    return SimpleNamespace(name=name, log=[log], rule=SimpleNamespace(name="extract_features"))


def info_of(job: SimpleNamespace, number: str) -> SimpleNamespace:
    return SimpleNamespace(job=job, external_jobid=number, aux={"slurm_logfile": "s.log"})


def test_plugin_has_the_parts_that_are_attached_to() -> None:
    """A new version of the plugin in which nothing is cancelled and no reason is heard."""
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm")
    parts = (*vars(Plugin), "cancel")
    for name in parts:
        if not name.startswith("__"):
            assert hasattr(plugin.Executor, name), name
    source = Path(plugin.__file__).read_text()
    for text in ("self.run_uuid =", "self._job_submission_executor =", "SLURM status is: '"):
        assert text in source
    assert "SLURM sbatch failed. " in source and "The error message was '" in source
    assert "Job submission failed with exception: " in source


def test_queue_says_per_rule_what_runs_and_what_is_waited_for(tmp_path) -> None:
    """A run that sits still for a reason that only squeue tells, or another folder's jobs in it."""
    text = "\n".join(
        [
            f"1|RUNNING|None|2026-01-02T03:04:05|1-00:10:00|run|{tmp_path}|rule_extract_features_wildcards_A",
            f"2|RUNNING|None|2026-01-02T03:04:05|9:00|run|{tmp_path}|rule_extract_features_wildcards_B",
            waiting(tmp_path, "3", "Priority", 12),
            waiting(tmp_path, "4", "QOSMaxJobsPerUserLimit", 3),
            waiting(tmp_path, "5", "JobHeldUser", 5, "measure_pictures"),
            waiting(tmp_path / "other", "6", "PartitionDown", 1),
        ]
    )
    told = queue.lines(queue.parse_queue(tmp_path, text, time.time()))
    assert told == [
        "  extract_features: 2 running (the first has 9:00 left of its time limit)",
        "  subset_index: 2 wait, the longest for 12 min: Priority (other jobs come first), "
        "QOSMaxJobsPerUserLimit (a limit of the QOS is reached; it starts when others have ended)",
        "  measure_pictures: 1 waits, for 5 min: JobHeldUser (held by hand: scontrol release 5)",
    ]
    assert "closed" in queue.meaning("PartitionDown")
    assert "your account" in queue.meaning("AssocMaxJobsLimit")
    assert queue.meaning("Unheard") == "Unheard"


def test_squeue_that_hangs_holds_up_nobody(tools, tmp_path) -> None:
    """`status` that never answers; a child of squeue that keeps its pipe open for ever."""
    tools("squeue", "sleep 60; echo never")
    assert queue.read_queue_of_runs(tmp_path) == []  # no run there has to do with Slurm
    before = time.monotonic()
    assert queue.read_queue(tmp_path, seconds=0.5) is None
    assert time.monotonic() - before < 5
    assert "squeue gives no answer" in queue.report(None)[1]


def test_job_in_the_queue_waits_or_runs_whatever_its_old_log_says(tmp_path) -> None:
    """A second try that waits in the queue, told as failed by the log of the first one."""
    log = tmp_path / "extract_features/A/B.log"
    log.parent.mkdir(parents=True)
    assert queue.comment_of(str(log), tmp_path) == "rule_extract_features_wildcards_A_B"
    stages = {("A", "x"): [(str(log), str(tmp_path / "a.json"))]}
    for _ in ("no log yet", "an old one"):
        for state in ("waiting", "running"):
            found = read_states(stages, {}, Evidence(elsewhere={str(log): state}))
            assert found["A", "x"].name == state
        log.write_text("error: over its memory\n")


def test_a_run_in_which_nothing_moves_says_what_it_waits_for(tools, tmp_path, monkeypatch) -> None:
    """Silence for hours while the partition is down; or the same line every minute."""
    lines = "\n".join(waiting(tmp_path, str(n), "Priority", 12) for n in range(9))
    tools("squeue", f"cat <<E\n{lines}\nE")
    monkeypatch.setattr("metaprobe.operations.progress.STILL", 0)
    said: list[str] = []
    run = Run({0: Job("subset_index", "A")}, {}, 1, None, lambda job: 1.0, time.time())
    watch = Watch(run, said.append, 1000, lambda: queue.what_a_run_waits_for(tmp_path))
    watch.look()
    watch.look()
    watch.end()
    assert said == [
        "in Slurm's queue: 9 wait, the longest for 12 min: Priority (other jobs come first)"
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            "21",
            "over its 2,000 MB: 2,210. Slurm ended it. --set-resources extract_features:mem_mb=4000",
        ),
        (
            "22",
            "over its 20 min: Slurm ended it. --set-resources extract_features:runtime=40 gives",
        ),
        ("23", "cancelled in Slurm by root (scancel): start the run again"),
        ("24", "its node (node7) was lost"),
        (
            "25",
            "Slurm says FAILED: it ended with exit code 127 on node0 and wrote no reason; see s.log",
        ),
    ],
)
def test_reasons_are_slurms_with_numbers_and_what_mends_them(
    tools, tmp_path, number, words
) -> None:
    """`killed by hand, at its time limit, or out of memory`, where Slurm knows which; and `status`
    that guesses afterwards."""
    tools("sacct", f"cat <<E\n{SACCT}E")
    watched, job = executor.Watched("run"), a_job(tmp_path, "A")
    watched.submitted(info_of(job, number))
    Path(job.log[0]).parent.mkdir()
    Path(job.log[0]).write_text("process 9999999 on here since 2026-01-02 03:04:05\nepoch 1\n")
    watched.failure(info_of(job, number), "SLURM-job '21' failed, SLURM status is: 'FAILED'. x")
    watched.explain()
    assert words in jobs.failure(Path(job.log[0]))
    assert jobs.outcome(Path(job.log[0])).state == "failed"
    assert "epoch 1" in Path(job.log[0]).read_text()


def test_a_reason_is_there_at_once_and_the_jobs_own_one_stays(tools, tmp_path) -> None:
    """`status` during a run that guesses; a broken picture's sentence replaced by an exit code."""
    called = tools("sacct", f"cat <<E\n{SACCT}E")
    watched = executor.Watched("run")
    late, broken, running = (a_job(tmp_path, name) for name in ("A", "B", "C"))
    for job, number, state in (
        (late, "22", "TIMEOUT"),
        (broken, "25", "FAILED"),
        (running, "26", "FAILED"),
    ):
        watched.submitted(info_of(job, number))
        Path(broken.log[0]).parent.mkdir(exist_ok=True)
        Path(broken.log[0]).write_text("error: 3.png is no picture\n")
        watched.failure(
            info_of(job, number), f"SLURM-job '{number}' failed, SLURM status is: '{state}'."
        )
    assert "over its time limit: Slurm ended it" in jobs.failure(Path(late.log[0]))
    watched.explain()
    assert jobs.failure(Path(broken.log[0])) == "3.png is no picture"
    assert len(called.read_text().splitlines()) == 1


def test_the_log_of_an_earlier_run_is_no_reason(tools, tmp_path) -> None:
    """A job that was cancelled before it began to write, with no reason or that of last week."""
    tools("sacct", f"cat <<E\n{SACCT}E")
    tools("squeue", "")
    for ending in ("finished", "error: 3.png is no picture"):
        plugin = Plugin(tmp_path, [])
        watched, job = executor.attach(plugin), a_job(tmp_path, "A")
        log = Path(job.log[0])
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"process 9999999 on here since 2026-01-02 03:04:05\n\n{ending}\n")
        plugin.run_job(job)
        plugin.report_job_error(info_of(job, "23"), "SLURM-job '23' failed, SLURM status is: 'X'. ")
        watched.explain()
        assert jobs.failure(log).startswith("cancelled in Slurm by root")


def test_without_accounting_slurmctld_is_asked(tools) -> None:
    """No reason at all on a cluster that keeps no accounting."""
    tools("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    tools(
        "scontrol",
        "echo 'JobId=22 JobName=x JobState=TIMEOUT ExitCode=0:15 RunTime=00:20:05 "
        "TimeLimit=00:20:00 NodeList=node0 TRES=cpu=1,mem=2000M,node=1'",
    )
    told = reasons.look_up(["22", "23"])
    assert list(told) == ["22"] and told["22"].asked_mb == 2000
    assert reasons.because("a", told["22"]).startswith("over its 20 min")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Invalid partition name specified", "extract_features:slurm_partition=NAME sets it"),
        ("Requested node configuration is not available", "No node has what it asks for"),
        ("Requested time limit is invalid", "extract_features:runtime=MINUTES sets it"),
        ("Invalid account or account/partition combination", "slurm_account=NAME sets it"),
        ("Invalid generic resource (gres) specification", "No node has what it asks for"),
        (
            f"QOSMaxWallDurationPerJobLimit; {POLICY}",
            "the QOS: ask for less, as by --set-resources",
        ),
        (f"AssocMaxCpuPerJobLimit; {POLICY}", "It is over a limit of your account"),
    ],
)
def test_refused_job_says_so_and_which_option_mends_it(tmp_path, said, words) -> None:
    """`killed by hand` for a job that Slurm never took; or no reason at all."""
    plugin = Plugin(tmp_path, [said])
    executor.attach(plugin)
    job = a_job(tmp_path, "A")
    plugin.run_job(job)
    reason = jobs.failure(Path(job.log[0]))
    assert reason.startswith(f'Slurm refused it: "{said}". ') and words in reason
    assert plugin.failed == ["A"]


def test_refusal_of_the_plugin_itself_is_told(tmp_path) -> None:
    """A wrong account, which the plugin finds before sbatch does, without a reason in the list."""
    message = (
        "Job submission failed with exception: The given account nosuch appears to be invalid. "
        "Available accounts:\nroot, biFor further error details see the log"
    )
    watched, job = executor.Watched("run"), a_job(tmp_path, "A")
    watched.failure(SimpleNamespace(job=job, external_jobid=None, aux=None), message)
    reason = jobs.failure(Path(job.log[0]))
    assert "The given account nosuch appears to be invalid. Available accounts: root, bi" in reason
    assert "--set-resources extract_features:slurm_account=NAME sets it" in reason


@pytest.mark.parametrize(
    "said",
    [
        "AssocMaxSubmitJobLimit",
        "QOSMaxSubmitJobPerUserLimit",
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "Socket timed out on send/recv operation",
        POLICY,
        f"AssocMaxSubmitJobLimit; {POLICY}",
    ],
)
def test_a_full_queue_means_later(tmp_path, capsys, said) -> None:
    """Experiments that are lost as the site takes no more than some jobs at once."""
    plugin = Plugin(tmp_path, [said, said, said])
    executor.attach(plugin, pause=0.05)
    for name in "ABC":
        plugin.run_job(a_job(tmp_path, name))
    until = time.monotonic() + 10
    while len(plugin.taken) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert sorted(plugin.taken) == ["A", "B", "C"] and plugin.failed == []
    assert capsys.readouterr().err.count("Slurm takes no more jobs for now") == 1


def test_submit_limit_is_that_of_the_account_and_the_qos(tools) -> None:
    """A hundred jobs sent to a queue that takes fifty; another account's limit."""
    classes = "normal|20\nlong|5\nfree|\n"
    assert limits.submit_limit("root||\n", "normal|\n") is None
    assert limits.submit_limit("a|50|\nb|9|\n", "normal|\n") == 9
    assert limits.submit_limit("a|50|\nb|9|\n", "normal|\n", account="a") == 50
    assert limits.submit_limit("a|50|\n", classes) == 20
    assert limits.submit_limit("a|50|free\n", classes) == 50
    assert limits.submit_limit("a|50|\n", classes, qos="long") == 5
    tools("sacctmgr", "case $* in *assoc*) echo 'a|6|';; *) echo 'normal|';; esac")
    tools("squeue", "echo 1; echo 2")
    assert limits.free_places() == (6, 4)
    scheduler = SimpleNamespace(global_resources={"_nodes": 100}, resources={"_nodes": 98})
    assert executor.lower_jobs(scheduler, 4) and not executor.lower_jobs(scheduler, 4)
    assert scheduler.global_resources["_nodes"] == 4 and scheduler.resources["_nodes"] == 2


def stopped(plugin: Plugin, tmp_path: Path) -> tuple[float, Path]:
    """Submit one job, stop the run as Ctrl-C does; seconds that took, and the job's log."""
    executor.attach(plugin)
    job = a_job(tmp_path, "A")
    plugin.run_job(job)
    before = time.monotonic()
    plugin.cancel()
    return time.monotonic() - before, Path(job.log[0])


def test_ctrl_c_cancels_though_squeue_hangs(tools, tmp_path, capsys, monkeypatch) -> None:
    """Jobs that go on in the queue as their states were being asked for when Ctrl-C came."""
    monkeypatch.setattr(executor, "QUICK", 0.5)
    tools("squeue", "sleep 60")
    called = tools("scancel", "exit 0")
    seconds, log = stopped(Plugin(tmp_path, []), tmp_path)
    assert seconds < 5
    assert called.read_text().split() == ["--name=metaprobe_1", "--quiet"]
    said = capsys.readouterr().err
    assert "1 Slurm job of this run cancelled; squeue gives no answer" in said
    assert jobs.outcome(log).state == "stopped"


def test_ctrl_c_names_what_could_not_be_cancelled(tools, tmp_path, capsys, monkeypatch) -> None:
    """Silence, or a hang for as long as slurmctld is away."""
    monkeypatch.setattr(executor, "QUICK", 0.5)
    tools("squeue", "sleep 60")
    tools("scancel", "sleep 60")
    seconds, _ = stopped(Plugin(tmp_path, []), tmp_path)
    assert seconds < 5
    said = capsys.readouterr().err
    assert (
        "1 Slurm job of this run could NOT be cancelled (scancel gave no answer in 0 s): 21" in said
    )
    assert "When Slurm answers again: scancel --name=metaprobe_1" in said


def test_three_commands_are_asked_within_ten_seconds() -> None:
    """An end that takes longer than people wait."""
    assert 3 * commands.QUICK + executor.IN_FLIGHT <= 10


def test_no_job_is_submitted_after_the_end(tools, tmp_path, monkeypatch) -> None:
    """A job of the list for later that comes into the queue after all others were cancelled."""
    tools("squeue", "")
    tools("scancel", "")
    plugin = Plugin(tmp_path, ["AssocMaxSubmitJobLimit"])
    executor.attach(plugin, pause=0.1)
    plugin.run_job(a_job(tmp_path, "A"))
    plugin.cancel()
    time.sleep(0.3)
    assert plugin.taken == [] and threading.active_count() < 20


def test_own_profile_is_not_hidden_silently(tmp_path, monkeypatch) -> None:
    """A user's account that is not charged as the checkout has a profile of the same name."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "slurm").mkdir()
    arguments = ["snakemake", "--profile", "slurm", "-n"]
    assert hidden_profile(arguments, tmp_path) == []
    (tmp_path / "config/snakemake/slurm").mkdir(parents=True)
    (note,) = hidden_profile(arguments, tmp_path)
    assert f"your own needs its path: --profile {tmp_path}/config/snakemake/slurm" in note
    assert hidden_profile(["snakemake", "--profile=slurm"], tmp_path) == [note]
    assert hidden_profile(["snakemake", "--profile", "other"], tmp_path) == []
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "slurm")
    assert hidden_profile(["snakemake"], tmp_path) == [note]


SINFO = "cat <<E\ncpu*|up|infinite|1:00:00|(null)\nbig|up|1-00:00:00|1:00:00|gpu:a100:4\nE"


def small_job(tools, tmp_path, profile: dict, sbatch: str) -> tuple[int, str, str]:
    """Exit code, what was said, and what sbatch was given."""
    tools("sinfo", SINFO)
    tools("scontrol", "echo 'MinJobAge               = 300 sec'")
    tools("sacctmgr", "case $* in *assoc*MaxSubmit*) echo 'lab|50|';; *assoc*) echo lab;; esac")
    called = tools("sbatch", sbatch)
    said: list[str] = []
    (tmp_path / "data/MNIST").mkdir(parents=True)
    code = trial.send(profile, tmp_path / "data", tmp_path / "logs", said.append, patience=0.5)
    return code, "\n".join(said), called.read_text()


def test_doctors_small_job_says_what_a_node_sees(tools, tmp_path) -> None:
    """Thirty data sets queued for a node that does not see the data, or has no GPU for torch."""
    tools("squeue", "")
    profile = {
        "default-resources": {"slurm_account": "lab"},
        "set-resources": {"extract_features": {"gpu": 1, "slurm_partition": "big"}},
        "precommand": "true",
    }
    run = 'for last; do :; done; sh -c "$last"; echo 7'
    code, said, called = small_job(tools, tmp_path, profile, run)
    for option in ("--account=lab", "--partition=big", "--gpus=1"):
        assert option in called
    for words in (
        "big: up; 1-00:00:00, 1:00:00; gpu:a100:4",
        "remembered for 300 s (MinJobAge): enough",
        "(MaxSubmitJobs): 50, 50 free now",
        "export SBATCH_ACCOUNT=lab",
        "--set-resources extract_features:gpu=1 extract_features:slurm_partition=big",
        "data folder: the same as here",
        "clock:       within 10 s of here",
    ):
        assert words in said, said
    if "NONE for torch" in said:
        assert code == 1


def test_doctors_small_job_that_waits_says_for_what(tools, tmp_path) -> None:
    """A doctor that waits for ever in a queue that is closed; a job that is left there."""
    tools("squeue", "case $* in *%r*) echo 'PENDING|PartitionDown';; *) echo PENDING;; esac")
    cancelled = tools("scancel", "")
    code, said, _ = small_job(tools, tmp_path, {}, "echo 7")
    assert code == 1
    assert "it waits: PartitionDown (the partition is closed" in said
    assert cancelled.read_text().strip() == "7"


def test_doctors_small_job_that_is_refused_says_so(tools, tmp_path) -> None:
    """A traceback for a wrong account."""
    refusal = "echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1"
    code, said, _ = small_job(tools, tmp_path, {}, refusal)
    assert code == 1 and 'Slurm refused it: "Invalid account"' in said


def test_another_clock_and_another_folder_are_told(tmp_path) -> None:
    """Failures that are missed as a node's clock is behind; data on a disk of the login node."""
    (tmp_path / "MNIST").mkdir()
    seen = {"node": "n1", "python": "3.11", "missing": ["torch"], "entries": None}
    seen |= {"gpu": "", "internet": False, "clock": 1000.0}
    lines, well = trial.findings(seen, tmp_path, 1045.0, wants_gpu=True)
    text = "\n".join(lines)
    assert not well
    for words in ("NOT the same as here", "-45 s from here", "lacks torch", "NONE for torch"):
        assert words in text
