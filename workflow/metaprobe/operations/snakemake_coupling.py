"""All that depends on how Snakemake works inside.

tests/test_snakemake_coupling.py fails when a new Snakemake works otherwise.
"""

import logging
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from metaprobe.config.load import check_before_snakemake, check_pathvars
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.operations.planning.costs import Job

KEY = re.compile(r"[a-zA-Z_][\w-]*\w$")
CONSTANTS = {"": None, "True": True, "False": False}
SECTIONS = ("config", "datasets", "backbones", "configurations", "grid")
# Events and one text that a run with a line of progress keeps off the terminal.
LEFT_OUT = (
    "workflow_started",
    "job_info",
    "job_started",
    "job_finished",
    "progress",
    "resources_info",
    "group_info",
)
SELECTING = "Select jobs to execute..."
HEARD = {"job_started": "jobs", "job_finished": "job_id", "job_error": "jobid"}
Hear = Callable[[str, int, float, Sequence[str]], None]


def merged_configuration(
    checkout: Path, configfiles: Sequence[Path], overrides: Sequence[str]
) -> tuple[dict[str, Any], list[str], dict[str, Path]]:
    """Return the configuration that a run has, its files by precedence, and its folders.

    Args:
        configfiles: what `--configfile` names; they override the checkout's own files.
        overrides: what `--config` says, KEY=VALUE; it overrides all files.

    Raises:
        UserError: a file is missing or cannot be read, or an override is not KEY=VALUE.
    """
    from snakemake.common.configfile import load_configfile
    from snakemake.exceptions import WorkflowError
    from snakemake.pathvars import Pathvars
    from snakemake.utils import update_config

    check_before_snakemake(configfiles)
    own = own_files(checkout)
    given: dict[str, Any] = {}
    try:
        for file in configfiles:
            update_config(given, load_configfile(file))
        update_config(given, parse_overrides(overrides))
        configuration = _laid_over(own, given)
        check_pathvars("--config", configuration)
        pathvars = Pathvars.with_defaults()
        pathvars.update(Pathvars.from_config(configuration))
    except (WorkflowError, OSError) as error:
        raise UserError(str(error)) from None
    folders = {name: Path(pathvars.apply(f"<{name}>")) for name in ("results", "logs")}
    return configuration, [*own, *map(str, configfiles)], folders


def own_files(checkout: Path) -> list[str]:
    """Return the checkout's own configuration files, whatever Snakemake's --directory says."""
    return [os.path.relpath(checkout / "config" / f"{name}.yaml") for name in SECTIONS]


def _laid_over(own: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the checkout's own files say, where `given` does not say otherwise."""
    from snakemake.utils import update_config

    configuration: dict[str, Any] = {}
    for file in own:
        content = read_strictly(file)
        check_pathvars(file, content)
        update_config(configuration, content)
    update_config(configuration, given)
    return configuration


def is_module(workflow: Any) -> bool:
    """Return whether another Snakefile uses this workflow as a module."""
    return not workflow.modifier.is_main_snakefile()


def complete(workflow: Any, config: dict[str, Any], checkout: Path) -> list[str]:
    """Add to `config` what only the workflow's own files say; return all files, by precedence.

    Snakemake's `configfile:` means nothing in a module that is given a `config`. There files of the
    same names in a folder `config`, as a deployed copy has it, replace the checkout's.

    Raises:
        UserError: an own file is missing or cannot be read, or a module has a prefix.
    """
    from snakemake.pathvars import Pathvars
    from snakemake.utils import update_config

    own = own_files(checkout)
    if is_module(workflow):
        if workflow.modifier.path_modifier.modify("results") != "results":
            raise UserError(
                "metaprobe as a module takes no `prefix`: set `pathvars: {results: a/results, "
                "logs: a/logs}` in the module's config"
            )
        copies = [os.path.join("config", os.path.basename(file)) for file in own]
        pairs = zip(copies, own, strict=True)
        own = [copy if os.path.isfile(copy) else file for copy, file in pairs]
        if not workflow.modifier.skip_configfile:  # it is given none, not even the command line's
            update_config(config, workflow.config_settings.overwrite_config)
    named = [str(file) for file in workflow.overwrite_configfiles]
    check_before_snakemake(named)
    replaced = workflow.config_settings.replace_workflow_config
    configuration = _laid_over([] if replaced else own, config)
    check_pathvars("--config", configuration)
    config.clear()
    config.update(configuration)
    workflow.pathvars.update(Pathvars.from_config(config))
    files = [file for file in map(str, workflow.configfiles) if file not in [*own, *named]]
    files = [*([] if replaced else own), *files, *named]
    workflow.configfiles[:] = files
    return files


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return what `--config KEY=VALUE ...` sets.

    As `snakemake.cli.parse_config`, whose module alone takes longer to import than an answer may.

    Raises:
        UserError: it is not KEY=VALUE.
    """
    from snakemake.common import parse_key_value_arg
    from snakemake.utils import update_config

    found: dict[str, Any] = {}
    for entry in overrides:
        try:
            key, text = parse_key_value_arg(entry, errmsg="")
        except ValueError:
            raise UserError(f"--config {entry}: has no value: write {entry}=VALUE") from None
        if not KEY.match(key):
            raise UserError(f"--config: {key!r} is no key: write KEY=VALUE")
        update_config(found, {key: _value(text)})
    return found


def _value(text: str) -> Any:
    """Return a number, True, False, a list or mapping of texts, a text, or None for no text."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    for parse in (int, float, lambda text: yaml.load(text, Loader=yaml.BaseLoader)):
        try:
            return parse(text)
        except (ValueError, yaml.YAMLError):
            continue
    return text


def jobs_to_run(
    checkout: Path, configfiles: Sequence[Path], overrides: Sequence[str]
) -> frozenset[Job]:
    """Ask Snakemake what `snakemake` would run now; nothing is started, written or locked.

    Raises:
        UserError: Snakemake cannot tell.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
    )

    profile = yaml.safe_load((checkout / "profiles/default/profile.yaml").read_text("utf-8"))
    found: set[Job] = set()

    def note(told: Mapping[str, Any], moment: float) -> None:
        if str(told.get("event")) == "job_info" and told["log"]:  # `all` has none, and does nothing
            found.add(job_of(told["rule_name"], told["wildcards"]))

    try:
        with SnakemakeApi(OutputSettings(dryrun=True, enable_file_logging=False)) as api:
            logger = api.logger_manager.logger
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
            logger.addHandler(_Listener(note))
            workflow = api.workflow(
                ResourceSettings(cores=1),
                ConfigSettings(
                    config=parse_overrides(overrides),
                    configfiles=list(configfiles),
                    config_args=list(overrides),
                ),
                snakefile=checkout / "Snakefile",
            )
            dag = workflow.dag(
                DAGSettings(
                    rerun_triggers=RerunTrigger.parse_choices_set(profile["rerun-triggers"]),
                    force_incomplete=profile["rerun-incomplete"],
                )
            )
            dag.execute_workflow("dryrun", execution_settings=ExecutionSettings(lock=False))
    except Exception as error:  # whatever a Snakefile or Snakemake itself may raise
        raise UserError(f"Snakemake cannot tell what would run: {error}") from error
    return frozenset(found)


def job_of(rule: str, wildcards: Mapping[str, str]) -> Job:
    """Return a job by its rule and its wildcards in the order of its output."""
    return Job(rule, "/".join(wildcards.values()))


class _Listener(logging.Handler):
    """Calls a function with what Snakemake tells its logger, and when."""

    def __init__(self, hear: Callable[[Mapping[str, Any], float], None]) -> None:
        super().__init__()
        self.hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self.hear(vars(record), record.created)


def asked(workflow: Any, questions: Collection[str]) -> list[str]:
    """Return the questions that Snakemake's command line asks; none if it asks for files as well.

    The targets are not known yet when a Snakefile is read, hence the command line. A module is not
    asked: other targets may have the same names.
    """
    if is_module(workflow):
        return []
    program = Path(sys.argv[0])
    by_snakemake = "snakemake" in (program.name, program.parent.name)
    if not by_snakemake or workflow.exec_mode.name != "DEFAULT" or not {*questions} & {*sys.argv}:
        return []
    from snakemake.cli import get_argument_parser

    targets = list(get_argument_parser().parse_args(sys.argv[1:]).targets)
    return targets if set(targets) <= set(questions) else []


def hand_over(workflow: Any, questions: Sequence[str]) -> None:
    """Let `metaprobe` answer instead of Snakemake, with the same configuration; does not return."""
    from snakemake.cli import get_argument_parser

    settings, cores = workflow.config_settings, workflow.resource_settings.cores
    options = ["--checkout", str(workflow.basedir)]
    if settings.configfiles:
        options += ["--configfile", *map(str, settings.configfiles)]
    if settings.config_args:
        options += ["--config", *settings.config_args]
    if cores:
        options += ["--cores", str(cores)]
    given = get_argument_parser().parse_args(sys.argv[1:]).profile or []
    profile = {"doctor": ["--profile", *given[:1]]} if given else {}
    *first, last = (
        [sys.executable, "-m", "metaprobe", one, *options, *profile.get(one, ())]
        for one in questions
    )
    sys.stdout.flush()
    sys.stderr.flush()
    for command in first:
        if code := subprocess.run(command, check=False).returncode:
            sys.exit(code)
    os.execv(last[0], last)


def asked_for(workflow: Any, rule: str) -> int:
    """Return how many jobs of a rule the run is for, those among them that need not run."""
    dag = workflow.dag
    return sum(job.rule.name == rule for job in dag.bfs(dag.dependencies, *dag.targetjobs))


def target_rules(workflow: Any) -> list[str]:
    """Return the names of the rules that the run is asked for, once there is a DAG."""
    return sorted(rule.name for rule in workflow.dag.targetrules)


def has_own_environments(workflow: Any) -> bool:
    """Return whether jobs run in other environments than Snakemake itself, as with --sdm conda."""
    return bool(workflow.deployment_settings.deployment_method)


def run_again(workflow: Any, files: Iterable[str]) -> None:
    """Let the jobs that make these files run, whatever Snakemake remembers of them.

    To be called from an input function: before the Snakefile is read to its end there is no DAG
    and `workflow.dag_settings` is None, and after the input functions it is too late.
    """
    workflow.dag.forcefiles.update(files)


def before_lock(workflow: Any, take: Callable[[], None]) -> None:
    """Call `take` when Snakemake is about to lock its folder: not in a dry run, nor with --nolock.

    To be called from an input function, as there is nothing to lock before there is a DAG.
    """
    lock = workflow.persistence.lock
    if lock.__name__ != "lock":
        return

    def take_and_lock() -> Any:
        take()
        return lock()

    workflow.persistence.lock = take_and_lock


def has_record(path: Path) -> bool:
    """Return whether Snakemake, in the current folder, has a record of the making of a file."""
    return Path(".snakemake/metadata", urlsafe_b64encode(str(path).encode()).decode()).exists()


def planned(workflow: Any) -> tuple[dict[int, Job], dict[Job, list[Job]]]:
    """Return the jobs that a run will do, by Snakemake's id; and of each what must be done before."""
    dag = workflow.dag
    jobs = [job for job in dag.needrun_jobs() if job.log]  # `all` has none
    todo = {job: job_of(job.rule.name, job.wildcards_dict) for job in jobs}
    needs = {todo[job]: [todo[one] for one in dag.dependencies[job] if one in todo] for job in todo}
    return {dag.jobid(job): name for job, name in todo.items()}, needs


def executor_name(workflow: Any) -> str:
    """Return who runs the jobs: `local`, `slurm` or another plugin."""
    return str(workflow.executor_plugin.name)


def local_cores(workflow: Any) -> int | None:
    """Return how many jobs run at a time; None where they wait in a cluster's queue."""
    if executor_name(workflow) != "local":
        return None  # `workflow.cores` raises an error without --cores
    cores: int = workflow.cores
    return cores


def listen(workflow: Any, hear: Hear) -> None:
    """Call `hear` with event, job id, time and logs when Snakemake starts, finishes or fails a job.

    A job that Ctrl-C ends counts as failed; its log tells that from a failure. The logs are told of
    failures only.
    """

    def pass_on(told: Mapping[str, Any], moment: float) -> None:
        event = str(told.get("event"))
        if event in HEARD:
            ids = told[HEARD[event]]
            for number in ids if isinstance(ids, list) else [ids]:
                hear(event, number, moment, told.get("log", ()))

    workflow.logger_manager.logger.addHandler(_Listener(pass_on))


def speak_for(workflow: Any) -> bool:
    """Keep Snakemake's lines about each job off the terminal; return whether that was done.

    Not in a dry run, a module or a cluster's job, and not where the user has set --quiet or --verbose, or a
    logger plugin that has a display of its own. Errors stay, and so does Snakemake's log file.
    """
    from snakemake.logging import ColorizingTextHandler

    output = workflow.output_settings
    if is_module(workflow):
        return False  # Snakemake calls no handlers of a module, so there is no line of progress
    if output.dryrun or output.quiet or output.verbose or workflow.exec_mode.name != "DEFAULT":
        return False
    handlers = workflow.logger_manager.logger.handlers
    on_terminal = [one for one in handlers if isinstance(one, ColorizingTextHandler)]
    for handler in on_terminal:
        handler.addFilter(_is_for_the_terminal)
    return bool(on_terminal)


def _is_for_the_terminal(record: logging.LogRecord) -> bool:
    return str(vars(record).get("event")) not in LEFT_OUT and record.getMessage() != SELECTING
