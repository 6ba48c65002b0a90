"""LogME: the evidence that a linear model on the features explains the labels."""

from metaprobe.metafeatures import logme as of_metafeatures
from metaprobe.recommend.transferability.arrays import Floats, Labels


def logme(features: Floats, source: Floats | None, labels: Labels) -> float:
    """Return LogME (You et al., JMLR 2022, algorithm 3), in nats per image: the meta-feature of that name.

    With more features than images it counts the eigenvalues that are 0 in the determinant, as the
    paper's equation 2 and the authors' first code do; their faster code leaves them out there.
    `source` is not used.
    """
    return of_metafeatures.logme(features, labels)
