"""`metaprobe partial`: the table and the report of what is finished now."""

from metaprobe.operations.flow.expected import expected_of_fragments
from metaprobe.operations.flow.stages import all_stages
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.status import (
    NOBODY_AT_WORK,
    NOTHING_YET,
    gather,
    read_experiments,
)
from metaprobe.tables import partial


def answer(flow: Workflow) -> int:
    """Write both, print how much is finished and what is left out; return the exit code.

    Nothing is written while there is nothing to put into the table.
    """
    evidence = gather(flow)
    states, found = read_experiments(all_stages(flow), expected_of_fragments(flow), evidence)
    fragments = list(found.values())
    if fragments:
        print(partial.write_finished(flow.results, fragments, len(states)))
    else:
        print(NOTHING_YET if evidence.at_work else f"{NOTHING_YET}, {NOBODY_AT_WORK}")
    for one, state in states.items():
        if state.name == "outdated":
            print(f"Left out: {'/'.join(one)} is outdated: {state.reason}")
        elif state.stage == "fragment":
            print(f"Left out: {state.reason}")
    if fragments:
        from metaprobe.report.page import write_partial_report
        from metaprobe.report.reading import partial_run

        run = partial_run(flow.results, states, fragments, flow.licences)
        print(f"The report of them: {write_partial_report(run, flow.results)}")
    return 0
