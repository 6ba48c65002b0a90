"""What the files of a run must say of themselves, if they are of this run and not of an earlier one."""

from typing import Any

from metaprobe.config.backbones import weights_id
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.operations.flow.workflow import Experiment, Workflow

TOLD_BY_FRAGMENTS = ("seed", "engine", "precision", "replicates")
# What trains more than the head, whatever engine extracts features.
BELOW_HEAD = {"engine": "torch", "precision": "float32"}


def expected_of_fragment(flow: Workflow, task_id: str, name: str) -> dict[str, Any]:
    """What the fragment of an experiment says if it is of this run and not of an earlier one."""
    settings, one = flow.run.settings, flow.run.configurations[name]
    backbone = flow.run.backbones[one.architecture]
    return {
        **RECIPE_DEFAULTS,
        **flow.hyperparameters[name],
        **{key: getattr(settings, key) for key in TOLD_BY_FRAGMENTS},
        "sampling": flow.sampling_of(task_id),
        "weights": weights_id(backbone, settings.weights, settings.seed),
        **(BELOW_HEAD if one.trainable != "head" else {}),
    }


def expected_of_fragments(flow: Workflow) -> dict[Experiment, dict[str, Any]]:
    """The same of all experiments."""
    return {one: expected_of_fragment(flow, *one) for one in flow.experiments}


def expected_of_descriptions(flow: Workflow) -> dict[str, dict[str, Any]]:
    """What the description of each data set says if it is of this run and not of an earlier one."""
    seed, ids = flow.run.settings.seed, weights_ids(flow)
    return {
        task_id: {
            "seed": seed,
            "sampling": flow.sampling_of(task_id),
            "weights": {name: ids[name] for name in flow.described_by},
        }
        for task_id in flow.run.datasets
    }


def weights_ids(flow: Workflow) -> dict[str, str]:
    """Architecture -> how fragments name its weights."""
    seed, weights = flow.run.settings.seed, flow.run.settings.weights
    return {name: weights_id(flow.run.backbones[name], weights, seed) for name in flow.extracted}
