"""Input functions that do more than name files: see what is outdated, or that nothing is there."""

from functools import cache

from metaprobe.operations import lock
from metaprobe.operations.arrived import restore_order
from metaprobe.operations.outdated import find_outdated, in_words


def take_lock():
    """Lock the results for this run, or end it with a word on who has locked them."""
    try:
        lock.take(FLOW.results)
    except UserError as error:
        sys.exit(str(error))


def is_fit():
    """Whether the run is for a model of the new data set, and for nothing else."""
    return snakemake_coupling.target_rules(workflow) == ["fit"]


TABLES_IN_ORDER = "aggregate aggregate_descriptions compare_configurations".split()
TABLES_IN_ORDER += "check_table validate export_metabu".split()
TABLES_IN_ORDER += "evaluate_recommenders build_portfolio report".split()


def inputs_of(rule):
    """The input files of a rule that has no wildcards."""
    for one in rule.input:
        yield from one(None) if callable(one) else [one]


@cache
def compare_with_settings():
    """Mark what is outdated for a rerun, as --forcerun does; or see to the order of a copy.

    Once, while Snakemake builds the graph of its jobs: then the jobs can be marked, and the times
    of files have not been read. Not in the Snakemake of a single job.
    """
    if workflow.exec_mode.name != "DEFAULT":
        return
    snakemake_coupling.before_lock(workflow, take_lock)
    for_tables = not is_fit()
    flow = FLOW if for_tables else FLOW.alone()
    if found := find_outdated(flow, tables=for_tables):
        print(in_words(found), file=sys.stderr)
        snakemake_coupling.run_again(workflow, map(str, found))
    else:
        made = [getattr(rules, name) for name in TABLES_IN_ORDER if for_tables]
        steps = [([*one.output, one.benchmark], inputs_of(one)) for one in made]
        tables = [[[*map(FLOW.path, files)] for files in step] for step in steps]
        restore_order(flow, tables, snakemake_coupling.has_record)


def manifest(wildcards):
    """The manifest of a data set's source. Every graph of jobs begins here."""
    compare_with_settings()
    return FLOW.manifest(wildcards.dataset)
