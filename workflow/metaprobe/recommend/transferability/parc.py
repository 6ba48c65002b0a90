"""PARC: whether images that are alike in the features are alike in their labels."""

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.randomness import generator
from metaprobe.recommend.transferability.arrays import NOT_DEFINED, Floats, Labels, members_of

WIDTH, PCA_SEED = 32, 1919  # the authors' "PARC f=32"
PROBE = 500  # images of the authors' probe sets; all pairs of 5,000 would be 100 times as many
IMAGES_A_CLASS = 2  # at least, or pairs of one class are rare; classes are left out for it


def parc(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return the Pairwise Annotation Representation Comparison (Bolya et al., NeurIPS 2021).

    100 times Spearman's correlation of two dissimilarities of all pairs of images: 1 - Pearson's
    correlation of their 32 standardised principal components, and whether their classes differ.
    Of more than 500 images a probe set of 500 is drawn as the authors do, spread over the classes,
    always the same for the same labels. Pairs of different classes are equally dissimilar, and tie;
    in the authors' code rounding errors order them for most numbers of classes (not for 4 or 8),
    which can halve the score.
    NaN where a correlation is not defined: one class, as many classes as images, fewer than 3
    images, or an image without a correlation, as where all features are equal. `source` is not used.
    """
    from scipy.stats import spearmanr
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    chosen = probe_set(labels)
    features, labels = features[chosen], labels[chosen]
    if not 2 <= len(np.unique(labels)) < len(labels) or not np.ptp(features, axis=0).any():
        return NOT_DEFINED
    pca = PCA(
        min(WIDTH, *features.shape),
        svd_solver="randomized",
        random_state=PCA_SEED,
        iterated_power=1,
    )
    reduced = StandardScaler().fit_transform(pca.fit_transform(features))
    if not np.ptp(reduced, axis=1).all():
        return NOT_DEFINED
    first, second = np.triu_indices(len(labels), 1)
    dissimilar = (1 - np.corrcoef(reduced))[first, second]
    return 100 * float(spearmanr(dissimilar, labels[first] != labels[second])[0])


def probe_set(labels: Labels) -> NDArray[np.intp]:
    """Return which images are compared: all, or PROBE with as equal numbers of each class as there are.

    Where two images of each class are too many, classes drawn at random are left out.
    """
    if len(labels) <= PROBE:
        return np.arange(len(labels))
    draw = generator(0, "", "PARC probe set")
    counts, members = members_of(labels)
    order = draw.permutation(len(labels))
    order = order[np.argsort(members[order], kind="stable")]
    turns = np.concatenate([np.arange(count) for count in counts])
    kept = draw.permutation(len(counts))[: PROBE // IMAGES_A_CLASS]
    order, turns = (found[np.isin(members[order], kept)] for found in (order, turns))
    return np.sort(order[np.argsort(turns, kind="stable")][:PROBE])
