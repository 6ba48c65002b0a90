"""The tables of a run as an advice reads them: by task, configuration, backbone and rung."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaprobe.config.configurations import HYPERPARAMETERS, RECIPE_DEFAULTS
from metaprobe.core.errors import UserError
from metaprobe.core.parquet import read_parquet
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Table, no_table
from metaprobe.recommend.advice.probes import RUNGS, rungs_of

Floats = NDArray[np.float64]
Say = Callable[[str], None]
OF_EXPERIMENTS = (
    "task_id",
    "configuration",
    "architecture",
    "family",
    "weights_id",
    "subset_sha256",
    "test_accuracy",
    "train_images",
)
OF_PROBES = (
    "task_id",
    "architecture",
    "images",
    "leave_one_out_accuracy",
    "weights_id",
    "subset_sha256",
)
SHOWN = 3


def taught(
    results: Path, candidates: Candidates, weights: Mapping[str, str], train_images: int, say: Say
) -> tuple[Table, dict[str, float]]:
    """Return what the tables of a run teach of the candidates; and of heads the seconds per image.

    A row teaches if it is of the same weights and hyperparameters, and of no more training
    images than are drawn now; fewer are those of a smaller data set. A table that is not there teaches
    nothing; neither does a damaged one. What is ignored is said.

    Args:
        weights: backbone -> how fragments name its weights.
    """
    frame = _read(results / "experiments.parquet", OF_EXPERIMENTS, say)
    if frame is None:
        return no_table(candidates), {}
    frame = _that_fit(frame, candidates, weights, train_images, say)
    if frame.empty:
        return no_table(candidates), {}
    tasks, columns = _once(frame.task_id), _once(frame.configuration)
    places = [candidates.configurations.index(name) for name in columns]
    accuracy = np.full((len(tasks), len(candidates.configurations)), np.nan)
    accuracy[:, places] = as_matrix(frame, "test_accuracy")
    probes = np.full((len(tasks), len(candidates.backbones), len(RUNGS)), np.nan)
    beside = _read(results / "probes.parquet", OF_PROBES, say)
    if beside is not None:
        probes = probes_of(_of_these(beside, frame, weights), tasks, candidates.backbones)
    return Table(families_of(frame), accuracy, probes), _seconds_of_heads(frame, candidates)


def _of_these(
    probes: pd.DataFrame, experiments: pd.DataFrame, weights: Mapping[str, str]
) -> pd.DataFrame:
    """Return the probes of these weights, and of the images of these experiments."""
    images = experiments.drop_duplicates("task_id").set_index("task_id").subset_sha256
    same = probes.architecture.map(weights) == probes.weights_id
    same &= probes.task_id.map(images) == probes.subset_sha256
    found: pd.DataFrame = probes[same]
    return found


def _read(path: Path, columns: Sequence[str], say: Say) -> pd.DataFrame | None:
    """Return a table; None if it is not there, damaged, or of an older version, which is said."""
    if not path.is_file():
        return None
    try:
        frame = read_parquet(path)
    except UserError as error:
        say(f"warning: nothing is learned from a table: {error}")
        return None
    if lacking := [name for name in columns if name not in frame]:
        say(f"warning: nothing is learned from {path}: it has no column {lacking[0]}")
        return None
    return frame


def _that_fit(
    frame: pd.DataFrame,
    candidates: Candidates,
    weights: Mapping[str, str],
    train_images: int,
    say: Say,
) -> pd.DataFrame:
    """Return the rows of the candidates as they would be trained now; say how many others there are."""
    frame = frame[frame.configuration.isin(candidates.configurations)]
    of_weights = np.array(frame.architecture.map(weights) == frame.weights_id, bool)
    of_recipe = _same_recipe(frame, candidates)
    of_size = np.array(frame.train_images <= train_images, bool)
    changed = _once(frame.configuration[~of_recipe])
    ignored = {
        "of other weights": np.sum(~of_weights),
        f"of what was another recipe then ({_few(changed)})": np.sum(of_weights & ~of_recipe),
        f"of more than {train_images} training images": np.sum(of_weights & of_recipe & ~of_size),
    }
    if told := [f"{count} {why}" for why, count in ignored.items() if count]:
        say(f"note: of {len(frame)} rows of the table are ignored: {', '.join(told)}")
    kept: pd.DataFrame = frame[of_weights & of_recipe & of_size]
    return kept


def _same_recipe(frame: pd.DataFrame, candidates: Candidates) -> NDArray[np.bool_]:
    """Return of each row whether its hyperparameters are those of the candidate of its name."""
    names = [name for name in HYPERPARAMETERS if name in frame]
    now = {
        name: RECIPE_DEFAULTS | dict(candidates.hyperparameters[name])
        for name in _once(frame.configuration)
    }
    records: list[Any] = frame[names].to_dict("records")
    rows = zip(frame.configuration, records, strict=True)
    same = [now[name] == RECIPE_DEFAULTS | as_hyperparameters(row) for name, row in rows]
    return np.array(same, bool)


def _seconds_of_heads(frame: pd.DataFrame, candidates: Candidates) -> dict[str, float]:
    """Return CPU seconds per training image of those that train a head on plain features, if known."""
    if "seconds_head_cpu" not in frame:
        return {}
    rates = (frame.seconds_head_cpu / frame.train_images).groupby(frame.configuration).mean()
    heads = np.array(candidates.configurations)[candidates.only_head]
    return {str(name): float(rate) for name, rate in rates.dropna().items() if name in heads}


def _once(column: "pd.Series[str]") -> list[str]:
    return list(dict.fromkeys(column))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def families_of(experiments: pd.DataFrame) -> list[str]:
    """Return the family of each task, in the order of the table; a task without one is its own."""
    tasks = experiments.drop_duplicates("task_id")
    return [str(one) for one in tasks.family.fillna(tasks.task_id)]


def hyperparameters_of(experiments: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the hyperparameters in use of each configuration, in the order of the table."""
    rows = experiments.drop_duplicates("configuration").set_index("configuration")
    names = [name for name in HYPERPARAMETERS if name in rows]
    found: dict[Any, Any] = rows[names].to_dict("index")
    return {str(name): as_hyperparameters(row) for name, row in found.items()}


def as_matrix(experiments: pd.DataFrame, column: str) -> Floats:
    """Return a column as (T, C), in the order of the table; NaN where it has no such column."""
    tasks = list(dict.fromkeys(experiments.task_id))
    names = list(dict.fromkeys(experiments.configuration))
    if column not in experiments:
        return np.full((len(tasks), len(names)), np.nan)
    found = experiments.pivot(index="task_id", columns="configuration", values=column)
    return found.reindex(index=tasks, columns=names).to_numpy(dtype=np.float64)


def as_hyperparameters(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row of experiments is in use: no NaN, no None."""
    return {key: value for key, value in row.items() if value is not None and value == value}


def probes_of(table: pd.DataFrame, tasks: Sequence[str], backbones: Sequence[str]) -> Floats:
    """Return probes by rung (T, B, K) of `probes.parquet`; NaN where there is none.

    A task with fewer images than a rung has has none there.
    """
    found = np.full((len(tasks), len(backbones), len(RUNGS)), np.nan)
    for ids, own in table.groupby(["task_id", "architecture"]):
        task_id, name = map(str, ids)
        if task_id in tasks and name in backbones:
            curve = dict(zip(own.images.tolist(), own.leave_one_out_accuracy.tolist(), strict=True))
            place = list(tasks).index(task_id), list(backbones).index(name)
            found[place] = rungs_on(curve, max(curve))
    return found


def rungs_on(probes: dict[int, float], train_images: int) -> Floats:
    """Return a task's probes by rung: (K,), NaN beyond its images."""
    found = np.full(len(RUNGS), np.nan)
    for number, images in enumerate(rungs_of(train_images)):
        found[number] = probes.get(images, np.nan)
    return found
