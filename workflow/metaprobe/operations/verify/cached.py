"""Measuring again, from cached files alone, all heads and all descriptions of a run."""

import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from metaprobe.config import layout
from metaprobe.core.arrays import read_arrays
from metaprobe.core.files import read_checked_json
from metaprobe.metafeatures.description import describe_dataset
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.verify.images import Comparison, Fragment
from metaprobe.training import metrics
from metaprobe.training.measurement import build_fragment

TOLERANCE = 1e-5  # relative, of a description: other processors may change its sixth digit
GOOD = ("identical", "within tolerance")
Verdicts = Mapping[
    str, str
]  # what was measured again -> `identical`, `within tolerance`, `OUTSIDE`


def measure_heads(fragments: Sequence[Fragment], flow: Workflow, processes: int) -> Verdicts:
    """Return the verdicts on the stored heads of these fragments.

    What has been deleted to save room cannot be measured and is left out, here and below.

    Raises:
        UserError: a file is broken, or files do not belong together.
    """
    there = [one for one in fragments if all(map(_exists(flow), _inputs_of_head(flow, one)))]
    names = [f"{one['task_id']}/{one['configuration']}" for one in there]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return dict(zip(names, pool.imap(partial(_head, flow), there), strict=True))


def measure_descriptions(flow: Workflow, processes: int) -> Verdicts:
    """Return the verdicts on the descriptions of the run's data sets.

    Raises:
        UserError: a file is broken, or files do not belong together.
    """
    tasks = flow.run.datasets
    there = [one for one in tasks if all(map(_exists(flow), _inputs_of_description(flow, one)))]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return dict(zip(there, pool.imap(partial(_description, flow), there), strict=True))


def _exists(flow: Workflow) -> Callable[[str], bool]:
    return lambda pattern: flow.path(pattern).is_file()


def _inputs_of_head(flow: Workflow, fragment: Fragment) -> tuple[str, str, str]:
    names = {"dataset": fragment["task_id"], "configuration": fragment["configuration"]}
    subset, head = layout.SUBSET.format(**names), layout.HEAD.format(**names)
    return subset, flow.features_of(**names), head


def _head(flow: Workflow, fragment: Fragment) -> str:
    subset, features, head = (str(flow.path(one)) for one in _inputs_of_head(flow, fragment))
    if not says_the_same(features, head):
        return "OUTSIDE"
    names = (fragment["task_id"], fragment["configuration"])
    drawn = [str(flow.path(one)) for one in flow.validation_of(*names)]
    again, _ = build_fragment(
        task_id=fragment["task_id"],
        configuration=fragment["configuration"],
        hyperparameters=flow.hyperparameters[fragment["configuration"]],
        family=fragment["family"],
        subset_path=subset,
        head_path=head,
        git_commit=None,
        validation_path=next(iter(drawn), None),
    )
    return Comparison(fragment, again).verdict()


def says_the_same(features_path: str, head_path: str) -> bool:
    """Return whether the weights of a linear head, on the cached features, say what was written.

    Of a network that was trained below its head, too, the features are not kept: that is true.
    """
    features, _ = read_arrays(features_path)
    head, training = read_arrays(head_path)
    if training["hyperparameters"].get("trainable", "head") != "head":
        return True
    return all(
        np.allclose(
            metrics.logits(features["test_features"], weight, bias), said, rtol=1e-6, atol=1e-6
        )
        for weight, bias, said in zip(
            head["weight"], head["bias"], head["test_logits"], strict=True
        )
    )


def _inputs_of_description(flow: Workflow, task_id: str) -> list[str]:
    patterns = (layout.DESCRIPTION, layout.SUBSET, layout.PICTURES)
    return [*(one.format(dataset=task_id) for one in patterns), *flow.describing(task_id)]


def _description(flow: Workflow, task_id: str) -> str:
    inputs = [str(flow.path(one)) for one in _inputs_of_description(flow, task_id)]
    path, subset, pictures, *features = inputs
    again = describe_dataset(
        task_id=task_id,
        seed=flow.run.settings.seed,
        subset_path=subset,
        pictures_path=pictures,
        features_paths=dict(zip(flow.described_by, features, strict=True)),
    )
    return judge(read_checked_json(path)["rows"][0], again["rows"][0])


def judge(then: Mapping[str, float], now: Mapping[str, float]) -> str:
    """Return the verdict on the values of a description."""
    if then == now:
        return "identical"
    near = partial(math.isclose, rel_tol=TOLERANCE, abs_tol=1e-9)
    close = then.keys() == now.keys() and all(near(then[key], now[key]) for key in now)
    return "within tolerance" if close else "OUTSIDE"


def report(kind: str, verdicts: Verdicts) -> Iterator[str]:
    """Yield how many of a kind have which verdict, and the names of those that are not good."""
    counts = Counter(verdicts.values())
    words = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    yield f"{kind}, measured again from the cache: {words or 'none, as nothing is cached'}"
    yield from (
        f"    {verdict}: {name}" for name, verdict in verdicts.items() if verdict not in GOOD
    )
