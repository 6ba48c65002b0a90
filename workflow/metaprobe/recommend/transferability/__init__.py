"""Transferability metrics: how well a backbone's features suit a data set, one metric a file.

Each is a pure function of features (N, D), the backbone's probabilities of its source classes
(N, Z) or None, and labels (N,) of 0..C-1, of which any may be absent. Higher promises better
transfer. None draws a number that does not come from a fixed seed, and none raises an error where
there are few images, equal features or a single class: what is then not defined is NaN.
"""

from collections.abc import Callable, Mapping

from metaprobe.recommend.transferability.arrays import Floats, Labels
from metaprobe.recommend.transferability.etran import etran, etran_discriminant, etran_energy
from metaprobe.recommend.transferability.gbc import gbc
from metaprobe.recommend.transferability.h_score import h_score
from metaprobe.recommend.transferability.k_nn import k_nn
from metaprobe.recommend.transferability.leep import leep
from metaprobe.recommend.transferability.linear_probe import linear_probe
from metaprobe.recommend.transferability.logme import logme
from metaprobe.recommend.transferability.nce import nce
from metaprobe.recommend.transferability.nleep import nleep
from metaprobe.recommend.transferability.parc import parc
from metaprobe.recommend.transferability.sfda import sfda
from metaprobe.recommend.transferability.transrate import transrate

Metric = Callable[[Floats, Floats | None, Labels], float]

# In the order in which they were published; the two simple probes come last.
METRICS: dict[str, Metric] = {
    "nce": nce,
    "leep": leep,
    "nleep": nleep,
    "parc": parc,
    "h_score": h_score,
    "logme": logme,
    "gbc": gbc,
    "transrate": transrate,
    "sfda": sfda,
    "etran_energy": etran_energy,
    "etran_discriminant": etran_discriminant,
    "k_nn": k_nn,
    "linear_probe": linear_probe,
}
NEEDS_SOURCE = frozenset({"nce", "leep"})
# Metrics with a value only among the backbones of one data set: the parts, (B,) each, and how
# they make one score per backbone, (B,).
COMBINED: Mapping[str, tuple[tuple[str, ...], Callable[[Floats, Floats], Floats]]] = {
    "etran": (("etran_energy", "etran_discriminant"), etran),
}
