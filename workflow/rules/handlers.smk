"""What happens before the first job, and after the last one."""

from metaprobe.core import jobs
from metaprobe.operations import lock, progress, snakemake_coupling, status
from metaprobe.operations.beforehand import check_machine
from metaprobe.operations.flow.expected import expected_of_fragments
from metaprobe.operations.flow.stages import all_stages
from metaprobe.operations.slurm import run as slurm_run
from metaprobe.tables import partial as partial_table

SLURM = None


def check_cluster():
    """Stop before any job where a run on this cluster would wait for ever, or spoil its files."""
    global SLURM
    try:
        SLURM = slurm_run.begin(Path.cwd(), workflow)
    except UserError as error:
        sys.exit(str(error))


def check_this_machine():
    """Stop before any job where this machine lacks what they need."""
    here = workflow.executor_plugin.name == "local"
    own = snakemake_coupling.has_own_environments(workflow)
    jobs = snakemake_coupling.planned(workflow)[0].values()
    try:
        check_machine(FLOW, jobs, here=here, packages=not own)
    except UserError as error:
        sys.exit(str(error))


def asked_for():
    """How many experiments the run is for; none if for the sweep or a model, or until an earlier rule."""
    if is_fit():
        return 0
    return snakemake_coupling.asked_for(workflow, layout.LAST_OF_EXPERIMENT)


def report_success():
    """Remove the partial table and report once the whole ones exist."""
    whole = FLOW.results / "target_representations.csv"
    if asked_for() and whole.is_file():
        for name in "target_representations.partial.csv", "report.partial.html":
            (FLOW.results / name).unlink(missing_ok=True)


def repeat_warnings():
    """Say at the end what jobs have warned of in their logs."""
    for warning in jobs.warnings(FLOW.logs, STARTED):
        print(f"warning: {warning}", file=sys.stderr)


def report_failure():
    """Write the table of what is finished, and say in plain words what failed and why."""
    if SLURM:
        SLURM.explain()
    lines = ["The run is not finished; what is done is kept."]
    if asked_for():
        found = status.gather(FLOW)
        _, finished = status.read_experiments(
            all_stages(FLOW), expected_of_fragments(FLOW), found
        )
        fragments = list(finished.values())
        lines = [
            partial_table.write_finished(FLOW.results, fragments, len(FLOW.experiments))
        ]
    if failed := jobs.failures(FLOW.logs, STARTED):
        why = "What failed, and why (the rest of each log is in the file of that name):"
        lines += ["", why]
        lines += [f"  {FLOW.logs}/{failure}" for failure in failed]
    lines += ["", "Start the same command again to run only what is missing."]
    print("\n".join(lines), file=sys.stderr)


WATCH = None
SPOKEN_FOR = snakemake_coupling.speak_for(workflow)


def watch_progress():
    """Say now and then how far the run is; with --touch nothing is computed."""
    global WATCH
    if SPOKEN_FOR and workflow.executor_plugin.name != "touch":
        WATCH = progress.watch(workflow, FLOW, asked_for(), STARTED)


def end_progress():
    if WATCH:
        WATCH.end()


onstart:
    jobs.begin_run()
    check_cluster()
    check_this_machine()
    watch_progress()


onsuccess:
    lock.leave(FLOW.results)
    end_progress()
    report_success()
    repeat_warnings()


onerror:
    lock.leave(FLOW.results)
    end_progress()
    report_failure()
