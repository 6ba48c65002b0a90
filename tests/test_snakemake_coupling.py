"""What the project knows of Snakemake's inside: each test fails when a new Snakemake works otherwise."""

import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from checkouts import ROOT, planned, snakemake
from metaprobe.core.errors import UserError
from metaprobe.operations import snakemake_coupling as coupling
from metaprobe.operations.planning.costs import Job
from snakemake.cli import parse_config
from snakemake.logging import ColorizingTextHandler
from snakemake.scheduling import job_scheduler
from snakemake_interface_logger_plugins.common import LogEvent

QUESTIONS = ("status", "plan")
MAIN = SimpleNamespace(is_main_snakefile=lambda: True)
TOY = f"""
import json
import sys
from pathlib import Path

sys.path.insert(0, "{ROOT}/workflow")
from metaprobe.operations import snakemake_coupling as coupling

FILES = coupling.complete(workflow, config, Path(workflow.basedir))

HEARD = []

TODO = {{}}

def hear(event, number, moment, logs):
    if number in TODO:
        HEARD.append([event, TODO[number].rule, *logs])

def record():
    todo, needs = coupling.planned(workflow)
    TODO.update(todo)
    coupling.listen(workflow, hear)
    told = {{
        "config": config,
        "files": FILES,
        "results": workflow.pathvars.apply("<results>"),
        "todo": sorted([job.rule, job.name] for job in todo.values()),
        "needs": {{job.name: [one.name for one in needed] for job, needed in needs.items()}},
        "asked_for": coupling.asked_for(workflow, "second"),
        "cores": coupling.local_cores(workflow),
        "spoken_for": coupling.speak_for(workflow),
        "own_environments": coupling.has_own_environments(workflow),
    }}
    json.dump(told, open("told.json", "w"))

onstart: record()
onerror: json.dump(HEARD, open("heard.json", "w"))

def wanted(wildcards):
    coupling.before_lock(workflow, lambda: print("about to lock"))
    print("asked for", coupling.target_rules(workflow))
    coupling.run_again(workflow, config.get("again", []))
    return "<results>/x/y.b"

rule all:
    input: wanted

rule first:
    output: "<results>/{{one}}/{{two}}.a"
    log: "<results>/{{one}}/{{two}}.first.log"
    shell: "touch {{output}}"

rule second:
    input: rules.first.output
    output: "<results>/{{one}}/{{two}}.b"
    log: "<results>/{{one}}/{{two}}.second.log"
    shell: "{{config[command]}} {{output}}"
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A workflow whose second job fails, with configuration files as a checkout has them."""
    (tmp_path / "config").mkdir()
    for name in coupling.SECTIONS:
        (tmp_path / f"config/{name}.yaml").write_text(
            f"{name}: {{a: 1, b: {{c: 2}}}}\nwhose: {name}\n"
        )
    (tmp_path / "mine.yaml").write_text("grid: {b: {d: 3}}\npathvars: {results: theirs}\n")
    (tmp_path / "Snakefile").write_text(TOY)
    return tmp_path


def test_jobs_of_a_run_and_what_becomes_of_them(toy: Path, monkeypatch) -> None:
    """A line of progress that counts nothing, or a configuration that is merged otherwise."""
    changes = ["epochs=5", "names=[p,q]", "command=false", "pathvars={'results': 'mine'}"]
    arguments = ("--configfile", "mine.yaml", "--config", *changes)
    assert snakemake(toy, *arguments).returncode == 1
    told = json.loads((toy / "told.json").read_text())
    assert told["todo"] == [["first", "x/y"], ["second", "x/y"]]
    assert told["needs"]["x/y"] in ([], ["x/y"])
    assert told["asked_for"] == 1 and told["cores"] == 2 and told["spoken_for"] is True
    assert told["own_environments"] is False
    assert json.loads((toy / "heard.json").read_text()) == [
        ["job_started", "first"],
        ["job_finished", "first"],
        ["job_started", "second"],
        ["job_error", "second", "mine/x/y.second.log"],
    ]
    monkeypatch.chdir(toy)
    configuration, files, folders = coupling.merged_configuration(toy, [Path("mine.yaml")], changes)
    assert configuration == told["config"]
    assert configuration["epochs"] == 5 and configuration["grid"]["b"] == {"c": 2, "d": 3}
    assert told["files"] == [*files[:-1], str(toy / files[-1])]
    assert files == [*(f"config/{name}.yaml" for name in coupling.SECTIONS), "mine.yaml"]
    assert str(folders["results"]) == told["results"] == "mine"


def test_jobs_beyond_what_is_asked_for_are_not_counted(toy: Path) -> None:
    """A run until an earlier rule that tells of experiments done."""
    result = snakemake(toy, "--until", "first", "--config", "command=touch")
    assert result.returncode == 0, result.stdout
    assert json.loads((toy / "told.json").read_text())["asked_for"] == 0


def test_rules_that_are_asked_for_are_known_as_the_graph_begins(toy: Path) -> None:
    """Tables that are looked after where a single thing is wanted; the other way round."""
    for arguments, rules in ((), ["all"]), (("--", "all", "results/x/y.a"), ["all"]):
        said = snakemake(toy, "--dry-run", "--config", "command=touch", *arguments).stdout
        assert f"asked for {rules}" in said


def test_lock_is_taken_in_a_run_alone(toy: Path) -> None:
    """A run that starts beside another one; or a dry run that is refused, as one is going on."""
    for arguments, times in (("--dry-run",), 0), (("--nolock",), 0), ((), 1):
        said = snakemake(toy, *arguments, "--config", "command=touch").stdout
        assert said.count("about to lock") == times, said


def test_files_are_made_again_whatever_snakemake_remembers(toy: Path, monkeypatch) -> None:
    """Results of other settings that stay, as nobody has recorded under which they were made."""
    run = ("--config", "command=touch")
    assert snakemake(toy, *run).returncode == 0
    monkeypatch.chdir(toy)
    assert coupling.has_record(Path("results/x/y.a"))
    assert not coupling.has_record(Path("results/x/y.c"))
    assert planned(toy, *run) == {}
    assert planned(toy, *run, "again=[results/x/y.a]") == {"first": 1, "second": 1, "all": 1}
    assert planned(toy, *run, "again=[results/x/y.b]") == {"second": 1, "all": 1}


def test_dry_run_in_this_process_is_that_of_the_command_line() -> None:
    """A plan of other jobs than `snakemake -n` has; or one that prints, or locks the folder."""
    code = "import sys, json; from pathlib import Path\n"
    code += "from metaprobe.operations.snakemake_coupling import jobs_to_run\n"
    code += "demo = [Path('config/demo.yaml')]\n"
    code += "jobs = jobs_to_run(Path.cwd(), demo, ['pathvars={results: r, logs: l}'])\n"
    code += "print(json.dumps([[job.rule, job.name] for job in jobs]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    jobs = [Job(*job) for job in json.loads(done.stdout)]
    counts = planned(
        ROOT, "--configfile", "config/demo.yaml", "--config", "pathvars={results: r, logs: l}"
    )
    counts.pop("all")
    assert {rule: sum(job.rule == rule for job in jobs) for rule in counts} == counts
    assert len(jobs) == sum(counts.values())
    assert Job("metrics_json", "Digits/resnet18-plain") in jobs
    assert Job("extract_features", "Digits/ResNet18") in jobs
    assert done.stderr == ""


def test_what_snakemake_cannot_tell_is_an_error_of_the_users(tmp_path: Path) -> None:
    """An empty plan, or a traceback."""
    (tmp_path / "profiles/default").mkdir(parents=True)
    profile = ROOT / "profiles/default/profile.yaml"
    (tmp_path / "profiles/default/profile.yaml").write_text(profile.read_text())
    with pytest.raises(UserError, match="cannot tell what would run"):
        coupling.jobs_to_run(tmp_path, [], [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status"], ["status"]),
        (["-n", "status", "--cores", "1", "--configfile", "a.yaml"], ["status"]),
        (["--config", "a=1", "--profile", "slurm", "--", "status", "plan"], ["status", "plan"]),
        (["--cores", "4"], []),
        (["--until", "status"], []),
        (["status", "all"], []),
    ],
)
def test_questions_are_told_from_other_targets(monkeypatch, arguments, expected) -> None:
    """A run that ends as an answer, or an option's value taken for a question."""
    workflow = SimpleNamespace(exec_mode=SimpleNamespace(name="DEFAULT"), modifier=MAIN)
    for program in ("/bin/snakemake", "/lib/snakemake/__main__.py"):
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        assert coupling.asked(workflow, QUESTIONS) == expected
    monkeypatch.setattr(sys, "argv", ["/lib/metaprobe/__main__.py", *arguments])
    assert coupling.asked(workflow, QUESTIONS) == []
    monkeypatch.setattr(sys, "argv", ["/bin/snakemake", *arguments])
    workflow.exec_mode.name = "SUBPROCESS"
    assert coupling.asked(workflow, QUESTIONS) == []


def test_profile_is_handed_over_to_the_doctor_alone(monkeypatch) -> None:
    """`snakemake doctor --profile slurm` that sends no job, or `status` that does not know the option."""
    workflow = SimpleNamespace(
        config_settings=SimpleNamespace(configfiles=[], config_args=[]),
        resource_settings=SimpleNamespace(cores=None),
        basedir="/checkout",
    )
    started: list[list[str]] = []
    monkeypatch.setattr(coupling.os, "execv", lambda program, command: started.append(command[3:]))
    for question in ("doctor", "status"):
        monkeypatch.setattr(sys, "argv", ["snakemake", question, "--profile", "slurm"])
        coupling.hand_over(workflow, [question])
    common = ["--checkout", "/checkout"]
    assert started == [["doctor", *common, "--profile", "slurm"], ["status", *common]]


def record(event: str | None, text: str = "text") -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, text, None, None)
    if event:
        made.event = LogEvent(event)
    return made


def test_errors_pass_and_lines_about_jobs_do_not() -> None:
    """A failure that nobody sees, or 500 jobs that bury the line."""
    terminal, file = ColorizingTextHandler(), logging.NullHandler()
    output = SimpleNamespace(dryrun=False, quiet=None, verbose=False)
    logger = SimpleNamespace(handlers=[terminal, file])
    workflow = SimpleNamespace(
        output_settings=output,
        exec_mode=SimpleNamespace(name="DEFAULT"),
        modifier=MAIN,
        logger_manager=SimpleNamespace(logger=logger),
    )
    assert coupling.speak_for(workflow)
    for event in ("job_error", "error", "run_info", None):
        assert terminal.filter(record(event))
    for event in ("job_info", "job_finished", "progress"):
        assert not terminal.filter(record(event))
        assert file.filter(record(event))
    assert not terminal.filter(record(None, coupling.SELECTING))
    logger.handlers = [file]
    assert not coupling.speak_for(workflow)


def test_events_and_texts_are_snakemakes() -> None:
    """A filter or a listener that a new Snakemake renders empty."""
    events = {str(event) for event in LogEvent}
    assert {*coupling.LEFT_OUT, *coupling.HEARD} <= events
    assert coupling.SELECTING in inspect.getsource(job_scheduler)


@pytest.mark.parametrize(
    "text",
    [
        *("3", "1e-2", "0.5", "True", "true", "", "a b", "'quoted'", "[p, 1]", "{a: {b: 2}}"),
        *("{'a': 'b'}", "[unclosed", "a: b: c", "~", "/some/path", "100_000", "nan", "null", "x=y"),
    ],
)
def test_overrides_are_parsed_as_snakemake_does(text: str) -> None:
    """`metaprobe status` about another run than the one with the same `--config`."""
    entries = ["first=1", f"key={text}", "first=2"]
    assert repr(coupling.parse_overrides(entries)) == repr(parse_config(entries))


@pytest.mark.parametrize("wrong", ["epochs", "=3", "3a=1", "a.b=1"])
def test_override_that_is_none_is_told(wrong: str) -> None:
    """A traceback for a missing `=`, or a key that Snakemake refuses."""
    with pytest.raises(ValueError):
        parse_config([wrong])
    with pytest.raises(UserError, match="--config"):
        coupling.parse_overrides([wrong])
