"""Linear probe: the accuracy of a ridge classifier on images that it has not seen."""

import numpy as np

from metaprobe.recommend.transferability.arrays import (
    NOT_DEFINED,
    Floats,
    Labels,
    Members,
    members_of,
    principal_components,
)

# Penalties in multiples of the features' mean variance per image: from nearly none to nearly all.
PENALTIES = tuple(10.0**power for power in range(-4, 3))


def linear_probe(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the leave-one-out accuracy of ridge regression to one-hot labels, between 0 and 1.

    The penalty is the one of seven whose leave-one-out squared error is smallest.
    Ridge and not logistic regression, since one decomposition gives the exact predictions of all N
    classifiers at every penalty: every image is used, nothing is drawn, and nothing has to
    converge. NaN for a single image. `source` is not used.
    """
    if len(labels) < 2:
        return NOT_DEFINED
    counts, members = members_of(labels)
    targets = np.eye(len(counts))[members]
    variances, scores = principal_components(features)
    sums = (len(labels) - 1) * variances
    errors, hits = zip(
        *(
            _leave_one_out(scores, sums, targets, members, penalty * sums.sum() / features.shape[1])
            for penalty in PENALTIES
        ),
        strict=True,
    )
    return float(hits[int(np.argmin(errors))])


def _leave_one_out(
    scores: Floats, sums: Floats, targets: Floats, members: Members, penalty: float
) -> tuple[float, float]:
    """Return squared error and accuracy of the N ridge regressions that each leave one image out.

    An image's residual without it is the residual with it divided by 1 - h, with h its entry of
    the hat matrix: exact where the intercept is not penalised (Allen, Technometrics 1974).

    Args:
        scores, sums: the images' principal components (N, k) and their sums of squares, (k,).
        targets, members: one-hot classes (N, K), and the classes.
    """
    inverse = 1 / np.maximum(sums + penalty, np.finfo(np.float64).tiny)
    mean = targets.mean(axis=0)
    fitted = mean + (scores * inverse) @ (scores.T @ (targets - mean))
    leverage = 1 / len(targets) + np.square(scores) @ inverse
    residuals = (targets - fitted) / (1 - leverage)[:, None]
    hits = (targets - residuals).argmax(axis=1) == members
    return float(np.square(residuals).sum()), float(hits.mean())
