"""The jobs that an experiment needs, first to last: by these its progress and its failure are known."""

from collections.abc import Mapping

from metaprobe.config import layout
from metaprobe.operations.flow.workflow import Experiment, Workflow


def stages_of(flow: Workflow, task_id: str, configuration: str) -> list[tuple[str, str]]:
    """Return the jobs that an experiment needs, first to last: (log, output)."""
    tuned = flow.run.configurations[configuration].trainable != "head"
    names = {"dataset": task_id, "configuration": configuration}
    training = {"tune_blocks" if tuned else "train_head": layout.HEAD}
    own = training | {layout.LAST_OF_EXPERIMENT: layout.FRAGMENT}
    tasks = dict.fromkeys([flow.origin_of(task_id), task_id])
    before = [job for one in tasks for job in _before_training(flow, one, configuration)]
    return [*before, *(_job(flow, rule, output, names) for rule, output in own.items())]


def _job(flow: Workflow, rule: str, output: str, names: Mapping[str, str]) -> tuple[str, str]:
    patterns = layout.log_of(rule, output), output
    log, made = (str(flow.path(pattern.format(**names))) for pattern in patterns)
    return log, made


def _before_training(flow: Workflow, task_id: str, configuration: str) -> list[tuple[str, str]]:
    """Return the jobs whose files a training reads: (log, output)."""
    architecture = flow.run.configurations[configuration].architecture
    derived, source = flow.origin_of(task_id) != task_id, flow.source_of(task_id)
    names = {"dataset": task_id, "architecture": architecture, "source": source or ""}
    needless = set() if source else {"download"}
    needless |= set() if flow.receipt(architecture) and not derived else {"fetch_weights"}
    first = [rule for rule in layout.BEFORE_TRAINING if rule not in needless]
    files = [(rule, layout.STAGES[rule]) for rule in first]
    files += _of_recipe(flow, task_id, configuration)
    return [
        _job(flow, layout.OF_DERIVED.get(rule, rule) if derived else rule, file, names)
        for rule, file in files
    ]


def _of_recipe(flow: Workflow, task_id: str, configuration: str) -> list[tuple[str, str]]:
    """Return the rules and files of validation images, views and cached activations."""
    draws = flow.validation_of(task_id, configuration)
    found = {"draw_validation": draws}
    if flow.run.configurations[configuration].trainable != "head":
        found["cache_activations"] = flow.activations_of(task_id, configuration)
    else:
        parts = flow.parts_of(task_id, configuration)
        found["extract_part"] = [*parts.validation, *parts.views]
    return [(rule, file) for rule, files in found.items() for file in files]


def all_stages(flow: Workflow) -> dict[Experiment, list[tuple[str, str]]]:
    """The jobs of each experiment."""
    return {experiment: stages_of(flow, *experiment) for experiment in flow.experiments}
