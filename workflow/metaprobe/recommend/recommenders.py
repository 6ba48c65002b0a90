"""Ways to rank the configurations for a task that has been described but not run.

A recommender is a function of the table and of the new task's meta-features. A new one is a
function here and its name in `RECOMMENDERS` and in `config/settings.py`.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from metaprobe.core.errors import UserError
from metaprobe.recommend.meta_table import Floats, MetaTable, fit_scaler, standardise_accuracy
from metaprobe.recommend.metabu import ACCURACY, CLIP, clouds, cost_matrix, obstacles, target_form

METABU_SEEDS = (0, 1, 2)  # its result depends on the seed; the mean of three is steadier
INSTALL_METABU = (
    "pip install POT tqdm 'scikit-learn<1.10' 'git+https://github.com/luxusg1/metabu.git'"
)


class Advice(NamedTuple):
    """Scores (C,), the higher, the better the configuration; and weights (T,) summing to 1: how much
    each task counts for what is to be expected.
    """

    scores: Floats
    weights: Floats


Recommender = Callable[[MetaTable, Floats], Advice]


def nearest(table: MetaTable, basic: Floats, neighbours: int) -> Advice:
    """Return the mean z-scored accuracy of the nearest tasks in the standardised space of meta-features.

    The l-th nearest counts exp(-l), as in Rakotoarison et al. (2022, section 5.3).

    Args:
        basic: (D,) the new task's meta-features.
    """
    weights = rank_weights(basic_distances(table, basic, CLIP), neighbours)
    return Advice(weights @ standardise_accuracy(table.chosen_by), weights)


def global_best(table: MetaTable, basic: Floats) -> Advice:
    """Return the mean z-scored accuracy over all tasks: the same ranking for every new task."""
    weights = np.full(len(table.tasks), 1 / len(table.tasks))
    return Advice(weights @ standardise_accuracy(table.chosen_by), weights)


def logme(table: MetaTable, basic: Floats) -> Advice:
    """Rank the architecture of the highest LogME (You et al. 2021) first; within it, the global best.

    Raises:
        UserError: the meta-features lack an architecture's LogME.
    """
    evidence = dict(zip(table.columns, basic, strict=True))
    overall = global_best(table, basic)
    architectures = [c["architecture"] for c in table.configurations.values()]
    for name in architectures:
        if f"LogME_{name}" not in evidence:
            raise UserError(f"basic_representations.csv has no column LogME_{name}: add it")
    keys = [evidence[f"LogME_{name}"] for name in architectures]
    worst_first = np.lexsort((overall.scores, keys))
    return Advice(np.argsort(worst_first).astype(np.float64), overall.weights)


def metabu(table: MetaTable, basic: Floats, neighbours: int) -> Advice:
    """Rank as `nearest` does, in the space that Metabu learns from both tables; the mean of three seeds.

    Trained on the table alone, so that the new task is truly held out.

    Raises:
        UserError: Metabu is not installed, or it could not learn from these tables.
    """
    metabu_class = import_metabu()
    table = replace(table, accuracy=table.chosen_by)
    form = target_form(table.configurations)
    points = clouds(table, form)
    if obstacle := next(obstacles(table, cost_matrix(points)), None):
        raise UserError(f"recommender: metabu: {obstacle}; or use recommender=nearest")
    ids = pd.Series(np.repeat(table.tasks, points.shape[1]), name="task_id")
    target = pd.DataFrame(points.reshape(-1, points.shape[2]), columns=[*form.columns, ACCURACY])
    scaler = fit_scaler(table.basic)
    known = pd.DataFrame(scaler.apply(table.basic, CLIP), columns=table.columns)
    new = pd.DataFrame(scaler.apply(basic[None], CLIP), columns=table.columns)
    known_ids = pd.Series(table.tasks, name="task_id")
    weights = np.zeros(len(table.tasks))
    for seed in METABU_SEEDS:
        learner = metabu_class(seed=seed)
        learner.train(
            pd.concat([known_ids, known], axis=1), pd.concat([ids, target], axis=1), "task_id"
        )
        distances = np.linalg.norm(learner.predict(known) - learner.predict(new), axis=1)
        weights += rank_weights(distances, neighbours) / len(METABU_SEEDS)
    return Advice(weights @ standardise_accuracy(table.chosen_by), weights)


def import_metabu() -> Any:
    """Return Metabu's class; tell how to install it where it is not."""
    try:
        return importlib.import_module("metabu").Metabu
    except ImportError as error:
        raise UserError(
            f"recommender: metabu needs a package that cannot be imported ({error}). It is on no "
            f"package index; install it by: {INSTALL_METABU}"
        ) from None


def basic_distances(table: MetaTable, basic: Floats, clip: float) -> Floats:
    """Return the (T,) root mean squared difference to each task over the columns that vary, in deviations."""
    scaler = fit_scaler(table.basic)
    difference = scaler.apply(table.basic, clip) - scaler.apply(basic, clip)
    varying = max(np.count_nonzero(scaler.deviation), 1)
    distances: Floats = np.sqrt(np.square(difference).sum(axis=1) / varying)
    return distances


def rank_weights(distances: Floats, neighbours: int) -> Floats:
    """Return (T,) exp(-l) for the l-th nearest of `neighbours`, 0 for the others, summing to 1."""
    order = np.argsort(distances, kind="stable")[:neighbours]
    weights = np.zeros(len(distances))
    weights[order] = np.exp(-np.arange(1, len(order) + 1))
    weights /= weights.sum()
    return weights


def recommender(name: str, neighbours: int) -> Recommender:
    """Return the recommender of that name in `config.yaml`."""
    return RECOMMENDERS[name](neighbours)


RECOMMENDERS: dict[str, Callable[[int], Recommender]] = {
    "nearest": lambda neighbours: partial(nearest, neighbours=neighbours),
    "metabu": lambda neighbours: partial(metabu, neighbours=neighbours),
    "logme": lambda neighbours: logme,
    "global_best": lambda neighbours: global_best,
}
