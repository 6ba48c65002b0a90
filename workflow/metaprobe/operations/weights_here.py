"""The weights of a run's backbones: which are here, which will be fetched, and which are missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from metaprobe.core.errors import UserError
from metaprobe.core.text_table import aligned
from metaprobe.operations.flow.workflow import Workflow

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Weights:
    """Of one backbone.

    Attributes:
        state: `here`, `will download` or `missing`.
        megabytes: to download, by the number of its parameters.
        detail: the file, where it comes from, or what is wrong.
    """

    backbone: str
    state: str
    megabytes: float
    detail: str


def look(flow: Workflow) -> list[Weights]:
    """Return what is known of the weights of each backbone of a run; nothing if they are random."""
    settings = flow.run.settings
    if settings.weights == "random":
        return []
    return [_look(flow, name) for name in flow.extracted]


def _look(flow: Workflow, name: str) -> Weights:
    from metaprobe.features.facts import find_out
    from metaprobe.features.weights import place, weights_folder

    settings, backbone = flow.run.settings, flow.run.backbones[name]
    try:
        there, origin = place(backbone, weights_folder(settings.weights_folder, settings.data))
        if there:
            return Weights(name, "here", 0.0, there)
        if backbone.own_file is not None:
            return Weights(name, "missing", 0.0, f"there is no file {origin}")
        if settings.weights_folder is not None:
            return Weights(name, "missing", 0.0, f"weights_folder has none: put {origin} there")
        if not origin:
            return Weights(name, "missing", 0.0, "its library has no weights of it")
        megabytes = find_out(backbone).parameters * FLOAT_BYTES / 1e6
        return Weights(name, "will download", megabytes, origin)
    except UserError as error:
        return Weights(name, "missing", 0.0, str(error))


def report(found: Sequence[Weights]) -> str:
    """Return a table of them, and how much is to be downloaded."""
    rows = [("backbone", "weights", "MB", "what")]
    for one in found:
        size = f"{one.megabytes:.0f}" if one.megabytes else "-"
        rows.append((one.backbone, one.state, size, one.detail))
    total = sum(one.megabytes for one in found)
    lines = [*aligned(rows), ""]
    return "\n".join([*lines, f"weights to download: {total / 1000:.1f} GB"])
