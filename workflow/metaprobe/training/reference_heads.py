"""The best linear heads: what the heads that are trained step by step could reach at most.

In double precision, on one thread. Both choose how much they shrink, and never on test images.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaprobe.training import metrics
from metaprobe.training.heads import Head, LabelledFeatures, Trained, evaluate, softmax_gradient

if TYPE_CHECKING:
    from metaprobe.training.material import Material

Doubles = NDArray[np.float64]

# Of the mean squared norm of a feature vector; from strong to weak, so that each fit begins near its end.
PENALTIES = 10.0 ** np.arange(1, -9, -0.75)
MOST_STEPS = 1000  # of L-BFGS; warm starts need some dozens
CLOSE = 1e-6  # largest derivative, of a loss in nats


def fit_logistic(material: "Material") -> tuple[Trained, dict[str, Any]]:
    """Return the multinomial logistic regression whose weight decay the validation images choose.

    Minimises the mean cross-entropy plus half the weight decay times the squared weights, the bias
    free, by L-BFGS (`scipy.optimize.minimize`) until no derivative exceeds CLOSE, for each of
    PENALTIES from the strongest on; of those with the highest accuracy on the validation images the
    one with the lowest loss.
    """
    from scipy.optimize import minimize

    start, cpu_start = time.perf_counter(), time.process_time()
    train, validation = material.train, material.validation
    if validation is None:
        raise ValueError("a weight decay is chosen on validation images")
    features, mean, scale = _centred(train.features)
    shape = (material.class_count, features.shape[1])
    flat = np.zeros(shape[0] * (shape[1] + 1))
    best: tuple[tuple[float, float], float, Head] | None = None
    for penalty in PENALTIES:

        def objective(
            parameters: Doubles, penalty: float = float(penalty)
        ) -> tuple[float, Doubles]:
            head = Head(parameters[: -shape[0]].reshape(shape), parameters[-shape[0] :])
            logits = features @ head.weight.T + head.bias
            loss, by_logits = softmax_gradient(logits, train.labels, 0.0)
            by_weight = by_logits.T @ features + penalty * head.weight
            gradient = np.concatenate([by_weight.ravel(), by_logits.sum(axis=0)])
            return loss + penalty / 2 * float(np.square(head.weight).sum()), gradient

        found = minimize(
            objective,
            flat,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "gtol": CLOSE, "ftol": 0.0},
        )
        flat = found.x
        head = _uncentred(flat[: -shape[0]].reshape(shape), flat[-shape[0] :], mean, scale)
        judged = evaluate(head, validation, "validation")
        score = (judged["validation_accuracy"], -judged["validation_loss"])
        if best is None or score > best[0]:
            best = score, float(penalty), head
    assert best is not None
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return _trained(best[2], material, seconds, cpu_seconds), {"penalty": best[1]}


class LeaveOneOut(NamedTuple):
    """Least squares whose penalty was chosen by leaving each image out.

    Attributes:
        head: fitted to all images.
        accuracy: of the predictions of each image by all others.
        penalty: that was chosen.
    """

    head: Head
    accuracy: float
    penalty: float


def fit_ridge(material: "Material") -> tuple[Trained, dict[str, Any]]:
    """Return the least-squares classifier whose penalty leave-one-out chooses; see `leave_one_out`.

    Its logits are the fitted targets.
    """
    start, cpu_start = time.perf_counter(), time.process_time()
    train = material.train
    found = leave_one_out(train.features, train.labels, material.class_count)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    facts = {"penalty": found.penalty, "leave_one_out_accuracy": found.accuracy}
    return _trained(found.head, material, seconds, cpu_seconds), facts


def leave_one_out(features: Doubles, labels: NDArray[np.int64], class_count: int) -> LeaveOneOut:
    """Fit least squares to targets 1 and 0, and choose its penalty.

    One eigendecomposition serves all of PENALTIES, times the number of images, and the exact
    predictions of each image by all others (Golub, Heath and Wahba 1979); of the penalties with the
    highest leave-one-out accuracy the strongest.

    Args:
        features: (N, D)
        labels: (N,)
    """
    count = len(labels)
    centred, mean, scale = _centred(features)
    targets = np.eye(class_count)[labels]
    centre = targets.mean(axis=0)
    # The smaller of the two Gram matrices; U are left singular vectors, (N, rank).
    u, singular, vt = _decomposed(centred)
    rotated = u.T @ (targets - centre)
    best: tuple[float, float, Doubles] | None = None
    for penalty in PENALTIES * count:
        shrunk = np.square(singular) / (np.square(singular) + penalty)
        fitted = u @ (shrunk[:, None] * rotated) + centre
        leverage = np.square(u) @ shrunk + 1 / count
        left_out = targets - (targets - fitted) / np.maximum(1 - leverage, 1e-12)[:, None]
        accuracy = metrics.accuracy(left_out, labels)
        if best is None or accuracy > best[0]:
            weight = (vt.T @ ((singular / (np.square(singular) + penalty))[:, None] * rotated)).T
            best = accuracy, float(penalty / count), weight
    assert best is not None
    return LeaveOneOut(_uncentred(best[2], centre, mean, scale), best[0], best[1])


def _centred(features: Doubles) -> tuple[Doubles, Doubles, float]:
    """Return features without their mean and of mean squared norm 1, the mean, and the divisor."""
    mean = features.mean(axis=0)
    centred = features - mean
    scale = float(np.sqrt(np.square(centred).sum(axis=1).mean())) or 1.0
    return centred / scale, mean, scale


def _uncentred(weight: Doubles, bias: Doubles, mean: Doubles, scale: float) -> Head:
    """Return the head of the features as they were."""
    weight = weight / scale
    return Head(weight, bias - weight @ mean)


def _decomposed(features: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Return the thin singular value decomposition of (N, D), by the smaller Gram matrix."""
    tall = features.shape[0] >= features.shape[1]
    gram = features.T @ features if tall else features @ features.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], np.finfo(np.float64).tiny) * 1e-12  # of equal features none
    singular, vectors = np.sqrt(values[kept]), vectors[:, kept]
    if tall:
        return features @ vectors / singular, singular, vectors.T
    return vectors, singular, (vectors.T @ features) / singular[:, None]


def _trained(head: Head, material: "Material", seconds: float, cpu_seconds: float) -> Trained:
    """Return a head with a curve of one point."""
    point: dict[str, float] = {"epoch": 1, "train_loss": _loss(head, material.train)}
    point |= evaluate(head, material.test)
    if material.validation is not None:
        point |= evaluate(head, material.validation, "validation")
    return Trained(head, [point], seconds, cpu_seconds, 1)


def _loss(head: Head, split: LabelledFeatures) -> float:
    logits = metrics.logits(split.features, head.weight, head.bias)
    return metrics.cross_entropy(logits, split.labels)
