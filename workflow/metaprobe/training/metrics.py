"""The metrics of a trained linear head, in NumPy: what scikit-learn computes, without the second that
its import takes in each of many short jobs.
"""

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15
TOP = 5

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


def logits(features: Floats, weight: Floats, bias: Floats) -> Doubles:
    """Features (N, D) times weight (C, D) plus bias (C,), in double precision: (N, C)."""
    return features.astype(np.float64) @ weight.astype(np.float64).T + bias.astype(np.float64)


def accuracy(logits: Doubles, labels: Integers) -> float:
    """Fraction of rows whose largest logit is the label's; ties go to the lower class."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def cross_entropy(logits: Doubles, labels: Integers) -> float:
    """Mean negative log-likelihood of the labels in nats, as torch's `cross_entropy`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_normaliser = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_normaliser - shifted[np.arange(len(labels)), labels]))


def probabilities(logits: Doubles) -> Doubles:
    """Softmax of logits (N, C)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return shares


def balanced_accuracy(predicted: Integers, labels: Integers) -> float:
    """Mean recall of the classes that occur among the labels (N,), as scikit-learn's."""
    images = np.bincount(labels)
    right = np.bincount(labels[predicted == labels], minlength=len(images))
    occurring = images > 0
    return float(np.mean(right[occurring] / images[occurring]))


def macro_f1(predicted: Integers, labels: Integers) -> float:
    """Mean F1 of the classes that occur among labels (N,) or predictions, as scikit-learn's."""
    classes = max(predicted.max(), labels.max()) + 1
    images, guesses, right = (
        np.bincount(found, minlength=classes)
        for found in (labels, predicted, labels[predicted == labels])
    )
    occurring = images + guesses > 0
    return float(np.mean(2 * right[occurring] / (images + guesses)[occurring]))


def top_accuracy(logits: Doubles, labels: Integers, top: int = TOP) -> float:
    """Fraction of rows whose label is among the `top` largest of the C logits, or among all C if
    there are fewer; ties go to the lower class, as in `accuracy`.
    """
    own = logits[np.arange(len(labels)), labels][:, None]
    lower = np.arange(logits.shape[1]) < labels[:, None]
    ahead = np.sum((logits > own) | ((logits == own) & lower), axis=1)
    return float(np.mean(ahead < top))


def expected_calibration_error(logits: Doubles, labels: Integers) -> float:
    """Mean distance of confidence and accuracy over 15 bins of equal width, ((m-1)/15, m/15].

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    confidences = probabilities(logits).max(axis=1)
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.digitize(confidences, edges, right=True)
    excess = (logits.argmax(axis=1) == labels) - confidences
    return float(np.abs(np.bincount(bins, weights=excess)).sum() / len(labels))


def majority_rate(labels: Integers) -> float:
    """The accuracy of always guessing the commonest of the labels (N,)."""
    return float(np.bincount(labels).max() / len(labels))
