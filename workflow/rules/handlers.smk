"""What happens before the first job, and after the last one."""

from metaprobe.core import jobs
from metaprobe.operations import costs, progress
from metaprobe.operations.slurm import check_slurm
from metaprobe.tables import partial as partial_table


def asked_for_experiments():
    """Whether the run was for the table, and not for the sweep or an answer alone."""
    targets = set(workflow.dag_settings.targets)
    return not targets or not targets <= {"sweep", *QUESTIONS}


def check_cluster():
    """Stop before any job where a run on this cluster would wait for ever, or spoil its files."""
    try:
        check_slurm(Path.cwd(), submits=workflow.executor_plugin.name == "slurm")
    except UserError as error:
        sys.exit(str(error))


def report_success():
    """Remove the partial table and report once the whole ones exist."""
    if not asked_for_experiments():
        return
    if (FLOW.results / "target_representations.csv").is_file():
        for name in "target_representations.partial.csv", "report.partial.html":
            (FLOW.results / name).unlink(missing_ok=True)


def repeat_warnings():
    """Say at the end what jobs have warned of in their logs."""
    for warning in jobs.warnings(FLOW.logs, STARTED):
        print(f"warning: {warning}", file=sys.stderr)


def report_failure():
    """Write the table of what is finished, and say in plain words what failed and why."""
    if only_asked():
        return
    lines = ["The sweep is not finished; what was trained is kept."]
    if asked_for_experiments():
        lines = [
            partial_table.write_finished(
                FLOW.results, FLOW.experiments, FLOW.expected_of_fragments
            )
        ]
    if failed := jobs.failures(FLOW.logs, STARTED):
        lines += [
            "",
            "What failed, and why (the rest of each log is in the file of that name):",
        ]
        lines += [f"  {FLOW.logs}/{failure}" for failure in failed]
    lines += ["", "Start the same command again to run only what is missing."]
    print("\n".join(lines), file=sys.stderr)


WATCH = None


def speak_for_snakemake():
    """Keep Snakemake's lines about each job off the terminal; return whether that was done.

    Not in a dry run or a cluster's job, and not where the user has set --quiet or --verbose, or a
    logger that has a display of its own.
    """
    output = workflow.output_settings
    if (
        output.dryrun
        or output.quiet
        or output.verbose
        or workflow.exec_mode.name != "DEFAULT"
    ):
        return False
    return progress.quiet(workflow.logger_manager.logger.handlers)


SPOKEN_FOR = speak_for_snakemake()


def watch_progress():
    """Say now and then how far the run is."""
    global WATCH
    if not SPOKEN_FOR or only_asked():
        return
    known = {
        job: costs.job_of(job.log[0], FLOW.logs)
        for job in workflow.dag.needrun_jobs()
        if job.log
    }
    size_of = costs.sizes(RUN.datasets, RUN.sources, FLOW.sizes)
    run = progress.Run(
        todo={known[job]: Path(job.log[0]) for job in known},
        needs={
            known[job]: [
                known[one] for one in workflow.dag.dependencies[job] if one in known
            ]
            for job in known
        },
        experiments=len(FLOW.experiments) if asked_for_experiments() else 0,
        at_once=workflow.cores if workflow.executor_plugin.name == "local" else None,
        size_of=size_of,
        started=STARTED,
        earlier=costs.rates(costs.recorded(FLOW.logs), size_of),
    )
    WATCH = progress.Watch(run, progress.say, progress.period())


def end_progress():
    if WATCH:
        WATCH.end()


onstart:
    check_cluster()
    watch_progress()


onsuccess:
    end_progress()
    report_success()
    repeat_warnings()


onerror:
    end_progress()
    report_failure()
