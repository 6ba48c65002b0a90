"""Whether a bundle of somebody else's is true: some of its experiments, computed again from pictures on."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metaprobe.exchange.bundle import opened
from metaprobe.exchange.holdings import Item, holdings
from metaprobe.exchange.merge import choose
from metaprobe.operations.flow.expected import expected_of_fragment
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.verify import images
from metaprobe.operations.verify.cached import GOOD
from metaprobe.training.fragment import Fragment


def check_bundle(bundle: Path, flow: Workflow, count: int, seed: int, processes: int) -> list[str]:
    """Check a bundle against a run's settings, and compute some of its experiments again; return a line
    for each thing that is wrong.

    Args:
        seed: of the draw of the experiments. Whoever made the bundle must not know it.

    Raises:
        UserError: the bundle is damaged, or pictures or weights are not here.
    """
    with opened(bundle) as folder:
        items = [*choose([holdings(folder, bundle)]).items.values()]
    fragments = [one for one in items if one.kind.word == "fragment"]
    wrong = {one.name: [*_strangeness(one, flow)] for one in fragments}
    ours = [dict(one.said) for one in fragments if not wrong[one.name]]
    print(f"{bundle}: {len(fragments)} experiments, as they were written; {len(ours)} of this run")
    again = _again(images.choose(ours, count, seed), flow, processes) if ours and count else []
    return [line for lines in wrong.values() for line in lines] + again


def _strangeness(item: Item, flow: Workflow) -> Iterator[str]:
    """Yield why an experiment is not of this run."""
    task_id, name = item.names["dataset"], item.names["configuration"]
    if (task_id, name) not in flow.experiments:
        yield f"{item}: this configuration has no {task_id}/{name}"
        return
    fragment = Fragment.model_validate(dict(item.said))
    for key, value in expected_of_fragment(flow, task_id, name).items():
        if repr(found := fragment.value_of(key)) != repr(value):
            yield f"{item}: its {key} is {found}, not {value}"


def _again(chosen: Sequence[dict[str, Any]], flow: Workflow, processes: int) -> list[str]:
    compared = [*images.recompute(chosen, flow, processes)]
    print(images.report(compared), flush=True)
    return [
        f"{one.table['task_id']}/{one.table['configuration']}: {_apart(one)}"
        for one in compared
        if one.verdict() not in GOOD
    ]


def _apart(one: images.Comparison) -> str:
    if one.verdict() == "OTHER IMAGES":
        return "it is of other images than those here"
    moved = {name: one.differences()[name] / one.tolerance(name) for name in images.METRICS}
    worst = max(moved, key=lambda name: moved[name])
    return f"its {worst} is {one.table[worst]:.4f}, computed again {one.again[worst]:.4f}"
