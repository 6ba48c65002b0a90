"""`metaprobe partial`: the table and the report of what is finished now."""

from metaprobe.operations.workflow import Workflow
from metaprobe.tables import partial


def answer(flow: Workflow) -> int:
    """Write both and print how much is finished; return the exit code."""
    print(partial.answer(flow.results, flow.experiments, flow.expected_of_fragments))
    if not any((flow.results / "metrics").glob("*/*.json")):
        return 0
    from metaprobe.report.data import read_partial_run
    from metaprobe.report.page import write_partial_report

    run = read_partial_run(flow.results, flow.stages, flow.expected_of_fragments, flow.licences)
    if run.count("done"):
        print(f"The report of them: {write_partial_report(run, flow.results)}")
    return 0
