"""How much of the disk cached activations take, told before anything starts."""

import math
from collections import defaultdict
from collections.abc import Collection

from metaprobe.core.errors import UserError
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.planning.costs import Job, images_of_part

BYTES = {"float16": 2, "float32": 4, "uint8": 1}


def megabytes_of(flow: Workflow, jobs: Collection[Job]) -> dict[str, float]:
    """Return data set, architecture and cut → megabytes of activations that these jobs cache.

    Raises:
        UserError: one line for each backbone that cannot be cut where a configuration trains it.
    """
    caching = [job for job in jobs if job.rule == "cache_activations"]
    if not caching:
        return {}
    from metaprobe.tuning.activations import shape_of

    per_image: dict[tuple[str, str], float] = {}
    complaints = []
    for name, cut in sorted({(job.name.split("/")[1], job.name.split("/")[2]) for job in caching}):
        try:
            shape = shape_of(flow.run.backbones[name], cut)
            per_image[name, cut] = math.prod(shape) * BYTES[cut.rpartition(".")[2]] / 1e6
        except UserError as error:
            complaints.append(f"backbones/{name}: {error}")
    if complaints:
        raise UserError("\n".join(complaints))
    found: dict[str, float] = defaultdict(float)
    for job in caching:
        task_id, name, cut, part = job.name.split("/")
        found[f"{task_id}/{name}/{cut}"] += per_image[name, cut] * images_of_part(part, flow.sizes)
    return dict(found)


def check_room(megabytes: dict[str, float], free: float) -> None:
    """See that these fit on the disk, all at once, as a queue may compute all before the first is used.

    Args:
        free: megabytes where the results lie.

    Raises:
        UserError: they do not.
    """
    if (most := sum(megabytes.values())) > free:
        name = max(megabytes, key=megabytes.__getitem__)
        raise UserError(
            f"cached activations take up to {most / 1000:.1f} GB (the largest: {name}, "
            f"{megabytes[name] / 1000:.1f} GB), and {free / 1000:.1f} GB are free where the results are"
            " written: make room, or run some data sets at a time (only_datasets)"
        )
