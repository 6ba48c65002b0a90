"""What other tasks teach: the belief about a new task's accuracies before anything of it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaprobe.recommend.advice.belief import Belief
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.probes import RUNGS

Floats = NDArray[np.float64]

# What is believed without a table, in accuracy. Tasks differ by far more than networks, networks by
# more than recipes: `python -m benchmarks.arena` prints the same order of a measured table.
LEVEL = 0.7
OF_TASK, OF_BACKBONE, OF_RECIPE, OF_BOTH = 0.25, 0.05, 0.03, 0.02
PER_SIZE = 0.02  # per standard deviation of the log of parameters: the static list by size
# A probe of 64 images falls short of the final accuracy by this, and each doubling halves it.
SHORTFALL = 0.2
COMMON = 0.1  # how much that differs from task to task, on the first rung; it halves, too
OWN = 0.3  # times 1 / sqrt(images): how much it differs among the backbones of one task
# As many families as what is believed without a table counts for.
WITHOUT_TABLE = 2.0
# As many as the simple structure counts for beside the whole covariance, which has far more numbers than
# a table has tasks.
STRUCTURE = 30.0


@dataclass(frozen=True)
class Table:
    """Finished tasks, T of them.

    Attributes:
        families: (T,) tasks of one family share pictures and count together as one.
        accuracy: (T, C) of the candidates, NaN where a configuration was not run.
        probes: (T, B, K) leave-one-out accuracies on the rungs, NaN where there is none.
    """

    families: Sequence[str]
    accuracy: Floats
    probes: Floats

    def without(self, family: str) -> "Table":
        """Return the tasks of the other families."""
        kept = np.array([one != family for one in self.families], bool)
        families = [one for one in self.families if one != family]
        return Table(families, self.accuracy[kept], self.probes[kept])

    def with_accuracies(self) -> "Table":
        """Return the tasks of which any accuracy is known."""
        kept = np.asarray(np.isfinite(self.accuracy).any(axis=1))
        families = [one for one, there in zip(self.families, kept, strict=True) if there]
        return Table(families, self.accuracy[kept], self.probes[kept])

    def commonly_known(self) -> NDArray[np.bool_]:
        """Return which configurations at least half of the tasks have: (C,); none of no tasks."""
        there = np.isfinite(self.accuracy)
        return np.asarray(2 * there.sum(axis=0) >= max(len(there), 1))


def filled(accuracy: Floats) -> Floats:
    """Return accuracies (T, C) with each hole filled by what the others of its task and of its
    configuration add up to (Yates' estimate of a missing cell, to its fixed point).
    """
    holes = np.isnan(accuracy)
    found = np.where(holes, np.nanmean(accuracy), accuracy)
    for _ in range(100 if holes.any() else 0):
        rows, columns = found.mean(axis=1, keepdims=True), found.mean(axis=0, keepdims=True)
        found = np.where(holes, rows + columns - found.mean(), found)
    return found


def no_table(candidates: Candidates) -> Table:
    """Return the table of no tasks."""
    shape = 0, len(candidates.backbones), len(RUNGS)
    return Table([], np.empty((0, len(candidates.configurations))), np.empty(shape))


@dataclass(frozen=True)
class Lessons:
    """A belief about C accuracies and K shortfalls, and how exactly a probe shows their sum.

    A probe of a backbone on rung k is the mean accuracy of its heads, less the shortfall of the
    rung, which all backbones of a task share, and an error of its own.

    Attributes:
        belief: of C + K unknowns.
        probe_variance: (K,) of that error.
        families: that were learned from.
    """

    candidates: Candidates
    belief: Belief
    probe_variance: Floats
    families: int

    def probe_weights(self, backbone: int, rung: int) -> Floats:
        """Return the weights of the unknowns in a probe: (C + K,)."""
        weights = np.zeros(len(self.belief.mean))
        heads = self.candidates.of_backbone(backbone)
        weights[heads] = 1 / len(heads)
        weights[len(self.candidates.configurations) + rung] = -1.0
        return weights

    def own_weights(self, configuration: int) -> Floats:
        """Return the weights that pick one configuration's accuracy: (C + K,)."""
        weights = np.zeros(len(self.belief.mean))
        weights[configuration] = 1.0
        return weights


def learn(candidates: Candidates, table: Table) -> Lessons:
    """Return what a table teaches.

    The mean and the four variances (tasks, backbones, recipes, and the rest) are those of the table,
    shrunk to what is believed without one; the covariance made of them takes in that of the table as
    far as the number of families allows. A configuration that fewer than half of the tasks have counts
    as not run.
    """
    table = table.with_accuracies()
    structure = structure_of(candidates)
    variances = np.square([OF_TASK, OF_BACKBONE, OF_RECIPE, OF_BOTH])
    mean = LEVEL + PER_SIZE * candidates.size
    covariance = np.tensordot(variances, structure, 1)
    weights = family_weights(table.families)
    known = table.commonly_known()
    families = len(set(table.families)) if known.any() else 0
    if families:
        centre, sample = moments(filled(table.accuracy[:, known]), table.families)
        share = families / (families + WITHOUT_TABLE)
        inside = structure[:, known][:, :, known]
        found = variances_of(inside, sample)
        variances = (1 - share) * variances + share * found
        covariance = np.tensordot(variances, structure, 1)
        level = float((centre - mean[known]).mean())
        mean, covariance = _informed(
            mean + share * level,
            covariance,
            known,
            centre,
            sample,
            share,
            families / (families + STRUCTURE),
        )
    shortfall, common, own = _probe_model(candidates, table, weights)
    count, rungs = len(mean), len(RUNGS)
    whole = np.zeros((count + rungs, count + rungs))
    whole[:count, :count] = covariance
    # One rung's shortfall tells of the next one's: a task that is learned slowly is so throughout.
    whole[count:, count:] = np.outer(common, common) * (0.8 + 0.2 * np.eye(rungs))
    belief = Belief(np.concatenate([mean, shortfall]), whole)
    return Lessons(candidates, belief, own, families)


def structure_of(candidates: Candidates) -> Floats:
    """Return which configurations share a task, a backbone, a recipe, and all of it: (4, C, C)."""
    backbone, recipe = candidates.backbone_of, candidates.recipe_of
    count = len(backbone)
    return np.stack(
        [
            np.ones((count, count)),
            (backbone[:, None] == backbone).astype(float),
            (recipe[:, None] == recipe).astype(float),
            np.eye(count),
        ]
    )


def family_weights(families: Sequence[str]) -> Floats:
    """Return weights of the tasks, summing to 1, the same for each family."""
    counts = {name: families.count(name) for name in families} if families else {}
    return np.array([1 / (len(counts) * counts[name]) for name in families])


def moments(accuracy: Floats, families: Sequence[str]) -> tuple[Floats, Floats]:
    """Return mean (C,) and covariance (C, C) over tasks, in which each family weighs the same."""
    weights = family_weights(families)
    centre = weights @ accuracy
    apart = accuracy - centre
    count = len(set(families))  # as if each family were one draw: relatives lend no certainty
    correction = count / (count - 1) if count > 1 else 1.0
    return centre, (apart * weights[:, None]).T @ apart * correction


def variances_of(structure: Floats, sample: Floats) -> Floats:
    """Return the four variances, none below 0, whose covariance is nearest to that of a sample."""
    from scipy.optimize import nnls

    found: Floats = nnls(structure.reshape(len(structure), -1).T, sample.ravel())[0]
    return found


def _informed(
    mean: Floats,
    covariance: Floats,
    known: NDArray[np.bool_],
    centre: Floats,
    sample: Floats,
    share_of_mean: float,
    share_of_sample: float,
) -> tuple[Floats, Floats]:
    """Return mean and covariance with a sample's share in them; what it lacks follows by regression."""
    own = covariance[np.ix_(known, known)]
    shares = covariance[:, known] @ np.linalg.inv(own)
    mean = mean + share_of_mean * (shares @ (centre - mean[known]))
    change = share_of_sample * (sample - own)
    return mean, covariance + shares @ change @ shares.T


def _mean_of_known(accuracy: Floats) -> Floats:
    """Return the mean of each row (T,); NaN where nothing is known."""
    there = np.isfinite(accuracy)
    found: Floats = np.where(there, accuracy, 0.0).sum(axis=1)
    return np.where(there.any(axis=1), found / np.maximum(there.sum(axis=1), 1), np.nan)


def _probe_model(
    candidates: Candidates, table: Table, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return of each rung the shortfall, its deviation between tasks, and the variance of the rest."""
    halves: Floats = np.power(0.5, np.arange(len(RUNGS), dtype=np.float64))
    shortfall: Floats = SHORTFALL * halves
    common: Floats = COMMON * halves
    own: Floats = OWN**2 / np.array(RUNGS, dtype=np.float64)
    if not len(weights):
        return shortfall, common, own
    own_heads = map(candidates.of_backbone, range(len(candidates.backbones)))
    heads = np.stack([_mean_of_known(table.accuracy[:, one]) for one in own_heads], axis=1)
    for rung in range(len(RUNGS)):
        apart = heads - table.probes[:, :, rung]
        seen = np.isfinite(apart).sum(axis=1) > 1
        if not seen.any():
            continue
        kept = weights[seen] / weights[seen].sum()
        of_tasks = np.nanmean(apart[seen], axis=1)
        within = np.nanvar(apart[seen], axis=1, ddof=1)
        families = len({one for one, there in zip(table.families, seen, strict=True) if there})
        share = families / (families + WITHOUT_TABLE)
        centre = float(kept @ of_tasks)
        between = float(kept @ np.square(of_tasks - centre))
        shortfall[rung] = (1 - share) * shortfall[rung] + share * centre
        common[rung] = np.sqrt((1 - share) * common[rung] ** 2 + share * between)
        own[rung] = (1 - share) * own[rung] + share * float(kept @ within)
    return shortfall, common, own
