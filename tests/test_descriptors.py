"""Meta-features on data whose answer is known, and on data that have none."""

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from checkouts import ROOT
from entries import BACKBONES
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.features import batchnorm
from metaprobe.metafeatures import (
    backbone_shift,
    counts,
    embedding,
    landmarkers,
    logme,
    separability,
)
from metaprobe.metafeatures import image_statistics as pictures
from metaprobe.metafeatures.columns import Measurements, columns, describe, select
from scipy.stats import multivariate_normal
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

FOLD_SEED = 7  # not that of `classes_apart`, or the folds would be the classes


def cloud(dimension: int, width: int, images: int = 2000) -> np.ndarray:
    """A Gaussian cloud of a known dimension, turned into `width` coordinates."""
    rng = np.random.default_rng(dimension)
    axes, _ = np.linalg.qr(rng.normal(size=(width, width)))
    return (rng.normal(size=(images, dimension)) @ axes[:dimension] + 3).astype(np.float32)


def classes_apart(distance: float, classes: int = 5, images: int = 300, width: int = 20):
    """Features and labels of Gaussian classes whose means lie `distance` apart on their axes."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(images) % classes)
    means = np.eye(classes, width) * distance
    return (means[labels] + rng.normal(size=(images, width))).astype(np.float32), labels


# Counts


def test_counts_of_known_shares() -> None:
    """A logarithm of another base, absent classes counted as present, entropy not normalised."""
    values = counts.describe_counts(np.array([0, 0, 1, 1]), class_count=4, pool_images=1000)
    assert values == pytest.approx(
        {
            "log10_classes": math.log10(4),
            "log10_images": 3,
            "log10_images_per_class": math.log10(2),
            "class_entropy": 0.5,
        }
    )


@pytest.mark.parametrize(("labels", "expected"), [([0, 1, 2], 1), ([1, 1, 1], 0)])
def test_entropy_ends_at_balance_and_at_one_class(labels, expected) -> None:
    """An entropy above 1, or NaN for a class without images."""
    found = counts.describe_counts(np.array(labels), 3, 3)["class_entropy"]
    assert found == pytest.approx(expected)


# Pictures


def picture(values) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, dtype=np.uint8), (3, 224, 224))


def waves(cycles_per_pixel: float) -> np.ndarray:
    return picture(np.round(127 + 120 * np.cos(2 * np.pi * cycles_per_pixel * np.arange(224))))


def test_high_frequencies_of_known_waves_and_of_noise() -> None:
    """A share that counts brightness or borders, or half of the spectrum twice."""
    share = [
        pictures.measure_picture(waves(frequency), (9, 9))["high_frequency_share"]
        for frequency in (1 / 100, 1 / 10, 1 / 7, 1 / 3)
    ]
    assert share == pytest.approx([0, 0, 1, 1], abs=0.01)
    noise = np.random.default_rng(0).integers(0, 256, (224, 224))
    measured = pictures.measure_picture(picture(noise), (9, 9))
    outside_the_disc = 1 - math.pi * pictures.HIGH_FREQUENCY**2
    assert measured["high_frequency_share"] == pytest.approx(outside_the_disc, abs=0.01)


def test_colour_and_luminance_of_plain_pictures() -> None:
    """Channels exchanged, values left in 0 to 255, grey that is not colourless."""
    red = pictures.measure_picture(np.stack([picture(255)[0], *picture(0)[:2]]), (30, 40))
    assert red["colourfulness"] == pytest.approx(0.3 * math.hypot(1, 0.5))
    assert red["luminance_mean"] == pytest.approx(0.299)
    assert red["luminance_std"] == pytest.approx(0, abs=1e-6)
    assert red["high_frequency_share"] == 0
    assert red["side"] == pytest.approx(math.sqrt(1200))
    halves = pictures.measure_picture(picture(np.repeat([0, 255], 112)), (8, 8))
    assert halves["colourfulness"] == 0
    assert halves["luminance_mean"] == halves["luminance_std"] == pytest.approx(0.5)


def test_pictures_are_averaged_but_their_side_is_a_median() -> None:
    """One huge picture that decides the side of a data set."""
    statistics = {name: np.array([1.0, 2.0, 6.0]) for name in pictures.COLUMNS[1:]}
    values = pictures.describe_pictures(statistics | {"side": np.array([10.0, 100.0, 1e6])})
    assert values == pytest.approx(dict.fromkeys(pictures.COLUMNS[1:], 3.0) | {"log10_side": 2})


# Embedding


@pytest.mark.parametrize("dimension", [2, 5, 10])
def test_dimensions_of_a_gaussian_cloud(dimension) -> None:
    """A dimension that counts coordinates instead of directions in which the data vary."""
    features = cloud(dimension, width=64)
    found = embedding.intrinsic_dimension(features, pairwise_distances(features))
    assert found == pytest.approx(dimension, rel=0.15)
    assert embedding.effective_rank(features) == pytest.approx(dimension, rel=0.02)


def test_copies_of_images_leave_the_intrinsic_dimension_as_it_is() -> None:
    """A distance of 0 to the own copy, taken for a neighbour."""
    features = cloud(5, width=512, images=500) * 100
    twice = np.concatenate([features, features[:100]])
    found = [embedding.intrinsic_dimension(f, pairwise_distances(f)) for f in (features, twice)]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_intrinsic_dimension_is_not_fooled_by_curvature() -> None:
    """The dimension of the space around a surface, instead of the surface's."""
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(0, 9, 3000), rng.uniform(0, 9, 3000)
    roll = np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], 1).astype(np.float32)
    assert embedding.intrinsic_dimension(roll, pairwise_distances(roll)) == pytest.approx(2, 0.15)


def test_moments_of_known_distributions() -> None:
    """Standard deviations taken over all numbers at once; NaN of a dead channel."""
    rng = np.random.default_rng(0)
    skewed = rng.exponential(size=(20000, 2))
    features = np.concatenate([skewed, np.full((20000, 2), 5.0)], axis=1).astype(np.float32)
    values = embedding.describe_embedding(features[:300], pairwise_distances(features[:300]))
    assert values["embedding_mean"] == pytest.approx(3, abs=0.1)
    assert values["embedding_std"] == pytest.approx(0.5, abs=0.05)
    assert embedding.mean_skewness(features) == pytest.approx(1, abs=0.1)


# Separability and landmarkers


def values_of_classes(features, labels) -> dict[str, float]:
    distances = pairwise_distances(features)
    rng = np.random.default_rng(FOLD_SEED)
    return separability.describe_separability(features, labels, distances) | (
        landmarkers.describe_landmarkers(features, labels, distances, rng)
    )


def test_classes_far_apart_are_seen_as_such() -> None:
    """A measure turned upside down."""
    values = values_of_classes(*classes_apart(1000))
    assert values == pytest.approx(dict.fromkeys(values, 1), abs=0.01)


def test_shuffled_labels_are_at_chance() -> None:
    """A measure that grows with the number of classes, or that has seen the held-out labels."""
    rng = np.random.default_rng(1)
    features, _ = classes_apart(10, classes=30, images=2000)
    labels = rng.integers(0, 30, 2000)
    values = values_of_classes(features, labels)
    assert values["between_class_share"] == pytest.approx(0, abs=0.01)
    assert values["silhouette"] < 0
    for landmarker in landmarkers.COLUMNS:
        assert values[landmarker] == pytest.approx(1 / 30, abs=0.015)


def test_one_image_per_class_tells_nothing() -> None:
    """A perfect score for classes that cannot be told from images."""
    features, _ = classes_apart(10, images=40)
    values = values_of_classes(features, np.arange(40))
    assert values == dict.fromkeys(values, 0)


def test_a_class_of_one_image_beside_others() -> None:
    """A fold without the class, or a variance over no image, that ends in an error."""
    features, labels = classes_apart(1000, classes=4, images=41)
    labels[0] = 4
    features[0] = 500
    values = values_of_classes(features, labels)
    assert values["nearest_mean_accuracy"] == values["nearest_neighbour_accuracy"] == 40 / 41
    assert values["between_class_share"] > 0.99


def test_landmarkers_are_those_of_scikit_learn() -> None:
    """Images that help to classify themselves."""
    features, labels = classes_apart(2)
    folds = np.random.default_rng(FOLD_SEED).permutation(len(labels)) % landmarkers.FOLDS
    values = values_of_classes(features, labels)
    for name, model in (
        ("nearest_mean_accuracy", NearestCentroid()),
        ("nearest_neighbour_accuracy", KNeighborsClassifier(1)),
    ):
        predicted = cross_val_predict(model, features, labels, cv=PredefinedSplit(folds))
        assert 0.5 < values[name] < 0.99
        assert values[name] == (predicted == labels).mean()


# LogME


@pytest.mark.parametrize(("images", "width"), [(30, 4), (8, 12), (9, 9)])
def test_evidence_is_the_density_of_the_labels(images, width) -> None:
    """A term of the evidence lost: with fewer images than features, those of log|A|."""
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(images, width)), rng.normal(size=images)
    alpha, beta = 0.7, 2.5
    precision = alpha * np.eye(width) + beta * features.T @ features
    mean = beta * np.linalg.solve(precision, features.T @ target)
    eigenvalues, _ = logme._decompose(features)
    found = logme.log_evidence(
        np.array([alpha]),
        np.array([beta]),
        np.array([mean @ mean]),
        np.array([np.square(features @ mean - target).sum()]),
        eigenvalues,
        images,
        width,
    )
    covariance = np.eye(images) / beta + features @ features.T / alpha
    assert found[0] * images == pytest.approx(multivariate_normal(cov=covariance).logpdf(target))


def test_logme_is_the_best_evidence_there_is() -> None:
    """A fixed point that is none, or classes that share one prior."""
    features, labels = classes_apart(1.5, classes=3, images=200, width=6)
    features = (features + 1).astype(np.float64)
    grid = np.exp(np.linspace(-7, 7, 141))
    best = []
    for label in range(3):
        target = (labels == label).astype(float)
        u, s, _ = np.linalg.svd(features, full_matrices=False)
        z, ratio = (u.T @ target)[:, None] ** 2, grid[None, :]
        rest = target @ target - z.sum()
        fit = (z * ratio / (s[:, None] ** 2 + ratio)).sum(0) + rest  # y'(I + FF'/ratio)^-1 y
        beta = len(target) / fit
        log_det = np.log1p(s[:, None] ** 2 / ratio).sum(0)
        best.append((len(target) * np.log(beta / (2 * np.pi)) - log_det - len(target)).max() / 2)
    found = logme.logme(features.astype(np.float32), labels)
    assert found == pytest.approx(np.mean(best) / len(labels), abs=1e-4)


def test_logme_rises_with_separation_and_ignores_rotation_and_dead_channels() -> None:
    """An evidence that depends on the axes, on padding, or on the algorithm for wide features."""
    rng = np.random.default_rng(0)
    near, labels = classes_apart(1)
    far, _ = classes_apart(5)
    shuffled = rng.permutation(labels)
    assert logme.logme(far, labels) > logme.logme(near, labels) > logme.logme(near, shuffled)
    axes, _ = np.linalg.qr(rng.normal(size=(20, 20)))
    padded = np.concatenate([far @ axes, np.zeros((300, 400))], axis=1).astype(np.float32)
    assert logme.logme(padded, labels) == pytest.approx(logme.logme(far, labels), rel=1e-5)


# Distance to the BatchNorm's statistics

ENDING_IN_BATCHNORM = [one for one in BACKBONES.values() if batchnorm.has_expectation(one)]


@pytest.mark.parametrize("backbone", ENDING_IN_BATCHNORM)
def test_endings_are_those_of_torchvision(backbone) -> None:
    """Another layer's statistics, another epsilon or activation than the network's."""
    import torch
    from metaprobe.features.networks import build

    norm, activation = batchnorm.ENDS_IN_BATCHNORM[backbone.origin, backbone.model]
    modules = dict(build(backbone.origin, backbone.model).named_modules())
    batchnorms = [n for n, m in modules.items() if isinstance(m, torch.nn.BatchNorm2d)]
    assert batchnorms[-1] == norm
    assert modules[norm].eps == batchnorm.EPSILON
    block, _, position = norm.rpartition(".")
    values = np.linspace(-9, 9, 50)
    expected = modules[f"{block}.{int(position) + 1}"](torch.tensor(values)).numpy()
    assert np.allclose(batchnorm.ACTIVATIONS[activation](values), expected, atol=1e-6)
    assert f"{block}.{int(position) + 2}" not in modules


@pytest.mark.parametrize("backbone", ENDING_IN_BATCHNORM)
def test_expected_features_are_those_of_such_activations(backbone) -> None:
    """A mean before the activation, a variance for a deviation, a shift in another unit."""
    rng = np.random.default_rng(0)
    scale, shift = rng.normal(1, 0.5, 40), rng.normal(0, 1, 40)
    state = {"weight": scale, "bias": shift, "running_var": np.full(40, 3.0)}
    norm, activation = batchnorm.ENDS_IN_BATCHNORM[backbone.origin, backbone.model]
    state = {f"{norm}.{name}": v.astype(np.float32) for name, v in state.items()}
    expected = batchnorm.expect_features(backbone, state)
    activations = batchnorm.ACTIVATIONS[activation](shift + scale * rng.normal(size=(40000, 40)))
    assert expected["expected_mean"] == pytest.approx(activations.mean(0), abs=0.03)
    assert expected["expected_std"] == pytest.approx(activations.std(0), abs=0.03)
    pooled = activations.reshape(-1, 400, 40).mean(1).astype(np.float32)
    assert backbone_shift.batchnorm_shift(pooled, **expected) < 0.05
    moved = (pooled + 2 * expected["expected_std"]).astype(np.float32)
    assert backbone_shift.batchnorm_shift(moved, **expected) == pytest.approx(2, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ENDING_IN_BATCHNORM)
def test_pictures_a_backbone_has_seen_lie_nearer_than_others(backbone) -> None:
    """A distance that is not of what the network computes."""
    import torch
    from metaprobe.features.backbones import prepare
    from metaprobe.features.networks import build
    from metaprobe.features.random_weights import noise_images

    ready = prepare(backbone, weights="random", seed=0, receipt=None, folder=Path())
    torch.manual_seed(0)
    build(backbone.origin, backbone.model)
    seen = noise_images(32, 224)  # those its BatchNorms were measured on
    network, expected = ready.network, ready.expected
    with torch.inference_mode():
        near, far = (
            backbone_shift.batchnorm_shift(network(images).numpy(), **expected)
            for images in (seen, torch.rand(8, 3, 224, 224) * 2 - 1)
        )
    assert 3 * near < far
    assert near < 0.1


# All together

ARCHITECTURES = ("ResNet18", "MobileNetV2")


def measurements(labels, features) -> Measurements:
    images, width = features.shape
    rng = np.random.default_rng(0)
    statistics = {name: rng.uniform(0, 1, images) for name in pictures.COLUMNS[1:]}
    return Measurements(
        labels=labels,
        class_count=int(labels.max()) + 1,
        pool_images=images,
        positions=np.arange(images),
        pictures=statistics | {"side": np.full(images, 28.0)},
        features=dict.fromkeys(ARCHITECTURES, features),
        expected={"MobileNetV2": (np.zeros(width), np.ones(width))},
    )


@settings(deadline=None, max_examples=150)
@given(
    images=st.integers(1, 12),
    width=st.integers(1, 20),
    classes=st.integers(1, 12),
    distinct=st.integers(1, 12),
    scale=st.sampled_from([0.0, 1e-12, 1e-6, 1.0, 1e6]),
    offset=st.sampled_from([0.0, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_every_value_is_finite_whatever_the_data(
    images, width, classes, distinct, scale, offset, seed
) -> None:
    """A NaN, an infinity, a warning or an error for few, equal, tiny or huge features."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(distinct, width)) * scale + offset
    features = points[rng.integers(0, distinct, images)].astype(np.float32)
    measured = measurements(rng.integers(0, classes, images), features)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = describe(measured, np.random.default_rng(0))
    assert list(values) == columns(ARCHITECTURES, ["MobileNetV2"])
    assert all(type(v) in (int, float) and math.isfinite(v) for v in values.values()), values
    assert 0 <= values["intrinsic_dimension"] <= width
    assert 0 <= values["effective_rank"] <= min(images, width) * 1.0001


COST = """
import time

import numpy as np

from metaprobe.metafeatures.columns import Measurements, describe
from metaprobe.metafeatures import image_statistics as pictures
from metaprobe.core.jobs import peak_memory_gb

rng = np.random.default_rng(0)
labels = rng.integers(0, 964, 5000)
means = rng.normal(size=(964, 1280))
widths = {"EfficientNetB0": 1280, "MobileNetV2": 1280, "ResNet18": 512}
measured = Measurements(
    labels=labels,
    class_count=964,
    pool_images=19280,
    positions=np.arange(1000),
    pictures=dict.fromkeys(("side", *pictures.COLUMNS[1:]), np.ones(1000)),
    features={
        name: (means[labels, :width] + rng.normal(size=(5000, width))).astype(np.float32)
        for name, width in widths.items()
    },
    expected={"MobileNetV2": (np.zeros(1280), np.ones(1280))},
)
start = time.process_time()
describe(measured, rng)
print(time.process_time() - start, peak_memory_gb())
"""


def test_largest_task_is_described_in_seconds() -> None:
    """N × N × D at once, or a matrix per class: Omniglot's 964 classes that take the machine down."""
    result = subprocess.run(
        [sys.executable, "-c", COST], cwd=ROOT, check=True, capture_output=True, text=True
    )
    seconds, gigabytes = map(float, result.stdout.split())
    print(f"{seconds:.1f} CPU s, {gigabytes:.2f} GB")
    assert seconds < 60  # some seconds on a machine that does nothing else
    assert gigabytes < 1.5


def test_a_description_depends_on_nothing_but_its_arguments() -> None:
    """Global random state among the arguments."""
    features, labels = classes_apart(2)
    first = describe(measurements(labels, features), np.random.default_rng(5))
    np.random.seed(1)
    assert describe(measurements(labels, features), np.random.default_rng(5)) == first


def test_selected_images_keep_their_labels_features_and_pictures() -> None:
    """Labels of one image with the features or the picture of another."""
    features, labels = classes_apart(2, images=20)
    whole = measurements(labels, features)
    odd = np.arange(1, 20, 2)
    whole = Measurements(
        **{
            **vars(whole),
            "positions": np.array([0, 3, 4, 7]),
            "pictures": {name: np.array([0.0, 3.0, 4.0, 7.0]) for name in whole.pictures},
        }
    )
    half = select(whole, odd)
    assert np.array_equal(half.labels, labels[odd])
    assert np.array_equal(half.features["MobileNetV2"], features[odd])
    assert np.array_equal(odd[half.positions], [3, 7])
    assert np.array_equal(half.pictures["side"], [3.0, 7.0])
    assert (half.class_count, half.pool_images) == (whole.class_count, whole.pool_images)


def test_columns_name_the_architectures_they_are_of() -> None:
    """A column for an architecture that is not in the run, or that cannot have it."""
    assert columns(["ResNet18"], [])[-1] == "LogME_ResNet18"
    assert not [name for name in columns(["ResNet18"], []) if "batchnorm" in name]
    expecting = [name for name, one in BACKBONES.items() if batchnorm.has_expectation(one)]
    three = columns(list(BACKBONES), expecting)
    assert len(three) == len(set(three)) == 23
