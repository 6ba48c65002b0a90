"""What the backbones of a run are like: by their receipts, or found out where there is none yet."""

from collections.abc import Collection

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_json
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.planning.costs import Job
from metaprobe.operations.planning.plan import EXTRACTING, Work, architecture_of


def work_of(flow: Workflow, jobs: Collection[Job]) -> dict[str, Work]:
    """Return what a picture costs each backbone that these jobs run.

    Raises:
        UserError: one line for each that cannot be built or cut.
    """
    names = {architecture_of(job) for job in jobs if job.rule in EXTRACTING}
    found, complaints = {}, []
    for name in flow.extracted:
        if name in names:
            try:
                found[name] = _work(flow, name)
            except UserError as error:
                complaints.append(f"backbones/{name}: {error}")
    if complaints:
        raise UserError("\n".join(complaints))
    return found


def _work(flow: Workflow, name: str) -> Work:
    receipt = flow.path(layout.WEIGHTS.format(architecture=name))
    told = read_json(receipt) if receipt.is_file() else {}
    if "gflop" in told:
        return Work(told["gflop"], told["width"])
    from metaprobe.features.facts import find_out

    facts = find_out(flow.run.backbones[name])
    return Work(facts.gflop, facts.width)
