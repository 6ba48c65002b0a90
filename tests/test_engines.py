"""Engines: each gives the features, and the heads, of plain torch in evaluation mode."""

import copy
import functools
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from entries import BACKBONES, ready
from metaprobe.config.backbones import parse_backbone
from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.data.readers.embedded import generated_shapes
from metaprobe.data.transforms import normalise
from metaprobe.features import engines
from metaprobe.features.backbones import Ready, prepare
from metaprobe.features.engines import ENGINES, Engine, OpenVINOEngine, keep_freed_memory
from metaprobe.features.extraction import ahead, extract, mapping, run_in_memory
from metaprobe.features.random_weights import random_network
from metaprobe.training.heads import LabelledFeatures, train_head

pytestmark = pytest.mark.slow  # Networks on each engine: minutes.
CPU = torch.device("cpu")
TRAIN = 48
CONFIGURATION = {
    "optimizer": "Adam",
    "learning_rate": 0.001,
    "batch_size": 16,
    "weight_decay": 0.0001,
    "momentum": 0.0,
    "dropout_rate": 0.1,
    "label_smoothing": 0.1,
    "grad_clip": 1.0,
    "epochs": 5,
}
RARE = pytest.mark.long  # `make test-long`: half a minute each, or more
NAMES = ["torch"]
if importlib.util.find_spec("openvino"):
    NAMES.append("openvino")


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Real transforms of drawn shapes: 72 × (3, 224, 224), and 8 classes."""
    from metaprobe.data.transforms import colour

    pool = generated_shapes().pools["pool"]
    chosen = np.arange(0, 72)
    return np.stack([colour(pool.image(i)) for i in chosen]), pool.labels[chosen]


@pytest.fixture(scope="module")
def eager(pictures) -> dict[str, np.ndarray]:
    """Features as plain torch computes them: float32, evaluation mode, nothing folded."""
    keep_freed_memory()
    torch.set_num_threads(1)  # two wait for each other where other tests run too
    images = normalise(torch.from_numpy(pictures[0]))
    with torch.inference_mode():
        return {
            architecture: torch.cat(
                [prepared(architecture).network(i) for i in images.split(24)]
            ).numpy()
            for architecture in BACKBONES
        }


@functools.cache
def prepared(architecture: str) -> Ready:
    return ready(architecture)


def backbone(architecture: str) -> Ready:
    """A copy, as an engine may change the network."""
    return copy.deepcopy(prepared(architecture))


def engine(name: str, architecture: str, precision: str = "float32", threads: int = 1) -> Engine:
    return ENGINES[name](backbone(architecture), CPU, precision, threads)


def distance(features: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(features - reference) / np.linalg.norm(reference))


def curve(features: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    whole = LabelledFeatures(features.astype(np.float64), labels)
    train, test = whole.select(np.arange(TRAIN)), whole.select(np.arange(TRAIN, len(labels)))
    return train_head(train, test, 8, CONFIGURATION, Draws(0, "data"))[1]


@pytest.mark.parametrize("architecture", BACKBONES)
@pytest.mark.parametrize("name", NAMES)
def test_every_engine_is_eager_torch(name: str, architecture: str, pictures, eager) -> None:
    """BatchNorm folded wrongly, a layout misread, padding that leaks in, bf16 unasked, no name."""
    images, labels = pictures
    runner = engine(name, architecture)
    assert runner.metadata["name"] == name
    found = extract(runner, images).features
    assert distance(found, eager[architecture]) < 3e-5
    for ours, theirs in zip(curve(found, labels), curve(eager[architecture], labels), strict=True):
        assert ours["test_accuracy"] == theirs["test_accuracy"]
        assert ours["test_loss"] == pytest.approx(theirs["test_loss"], abs=1e-4)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=RARE if name == "torch" else ()) for name in NAMES]
)
def test_bfloat16_is_near_and_is_not_float32(name: str, pictures, eager) -> None:
    """An option that does nothing, or that breaks the features and the heads trained on them.

    Of one architecture, as processors without bfloat16 need minutes for the mobile ones.
    """
    architecture = "ResNet18"
    images, labels = pictures
    reference = eager[architecture]
    found = extract(engine(name, architecture, "bfloat16"), images).features
    assert found.dtype == np.float32
    assert distance(found, reference) < 0.15
    if name == "torch":  # OpenVINO falls back to float32 on processors without bfloat16
        assert distance(found, reference) > 1e-4
    ours, theirs = (curve(features, labels)[-1] for features in (found, reference))
    assert ours["test_accuracy"] == pytest.approx(theirs["test_accuracy"], abs=0.15)
    assert ours["test_loss"] == pytest.approx(theirs["test_loss"], abs=0.15)


@pytest.mark.parametrize("architecture", BACKBONES)
def test_threads_and_batches_do_not_show_in_metrics(architecture: str, pictures) -> None:
    """Metrics that depend on --cores, or on what memory was free."""
    images, labels = pictures
    one, four = (engine("torch", architecture, threads=threads) for threads in (1, 4))
    four.batch_images = 3
    first, second = (extract(runner, images).features for runner in (one, four))
    torch.set_num_threads(1)
    assert distance(second, first) < 1e-5
    for ours, theirs in zip(curve(first, labels), curve(second, labels), strict=True):
        assert ours["test_accuracy"] == theirs["test_accuracy"]
        assert ours["test_loss"] == pytest.approx(theirs["test_loss"], abs=1e-5)


def test_random_weights_do_not_depend_on_threads() -> None:
    """A demo whose numbers, and whose digest of the weights, change with the threads granted."""
    torch.set_num_threads(2)
    on_two = random_network(BACKBONES["MobileNetV2"], 0, 224).state_dict()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    on_one = random_network(BACKBONES["MobileNetV2"], 0, 224).state_dict()
    assert all(torch.equal(on_two[key], on_one[key]) for key in on_one)


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_how_many_images_there_are(name: str, pictures) -> None:
    """A last batch of few images, for which libraries choose other kernels, with other digits."""
    images = pictures[0][:19]
    runner = engine(name, "EfficientNetB0")
    together = extract(runner, images).features
    np.testing.assert_array_equal(extract(runner, images[:3]).features, together[:3])


@pytest.mark.skipif("openvino" not in NAMES, reason="openvino is not installed")
def test_openvino_takes_a_smaller_batch(pictures) -> None:
    """Halving that changes nothing in memory, as the network stays compiled for the whole batch."""
    images = pictures[0][:4]
    runner = engine("openvino", "MobileNetV2")
    assert isinstance(runner, OpenVINOEngine)
    whole = extract(runner, images).features
    runner.batch_images = 2
    assert distance(extract(runner, images).features, whole) < 1e-5
    assert runner.compiled_batch == 2


def test_a_missing_engine_is_named(monkeypatch) -> None:
    """A traceback, or another engine taken in silence."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match="openvino is not installed: pip install"):
        engine("openvino", "ResNet18")
    with pytest.raises(UserError, match="set device: cpu"):
        OpenVINOEngine(backbone("ResNet18"), torch.device("cuda"), "float32", 1)


@pytest.mark.skipif("openvino" not in NAMES, reason="openvino is not installed")
def test_openvino_sends_no_statistics() -> None:
    """A tool that calls home from a cluster."""
    engines.import_openvino()
    assert sys.modules["openvino_telemetry"] is None


OTHERS = (
    ("torchvision", "shufflenet_v2_x0_5"),
    ("torchvision", "mobilenet_v3_small"),
    ("timm", "eva02_tiny_patch14_224"),
    ("timm", "edgenext_xx_small"),
    ("timm", "fastvit_t8"),
    ("timm", "levit_128s"),
    ("timm", "mobilenetv4_conv_small"),
    ("timm", "xcit_nano_12_p16_224"),
)


@pytest.mark.parametrize(
    ("library", "model"), [*OTHERS[:3], *(pytest.param(*one, marks=RARE) for one in OTHERS[3:])]
)
def test_every_engine_runs_every_backbone(library: str, model: str, pictures) -> None:
    """An engine that is made for three networks, or a fused kernel that computes another thing."""
    declared = parse_backbone({"library": library, "model": model})
    made = prepare(declared, weights="random", seed=0, receipt=None, folder=Path())
    side = made.preprocessing.size
    seen = np.pad(pictures[0][:8], [(0, 0), (0, 0), (0, side - 224), (0, side - 224)])
    with torch.inference_mode():
        plain = made.network(normalise(torch.from_numpy(seen), made.preprocessing)).numpy()
    for name in NAMES:
        for precision, apart in (("float32", 1e-4), ("bfloat16", 0.2)):
            runner = ENGINES[name](copy.deepcopy(made), CPU, precision, 1)
            runner.batch_images = 8
            found = np.concatenate(run_in_memory(runner, seen))
            assert distance(found, plain) < apart, (name, precision)


def test_threads_that_prepare_pictures_keep_their_order() -> None:
    """Pictures under the labels of others, or all of them in memory at once."""
    begun: list[int] = []

    def prepared(index: int) -> int:
        begun.append(index)
        time.sleep(0.002 * (index % 3))
        return index * index

    with mapping(4) as mapped:
        squares = mapped(prepared, range(100))
        assert next(squares) == 0
        time.sleep(0.05)
        assert len(begun) <= 2 * 4 + 2
        assert list(squares) == [index * index for index in range(1, 100)]


def test_mistake_in_a_thread_ends_the_extraction() -> None:
    """A damaged picture that is left out without a word."""

    def broken(index: int) -> int:
        if index == 5:
            raise UserError("picture 5 does not decode")
        return index

    with mapping(4) as mapped, pytest.raises(UserError, match="picture 5"):
        list(mapped(broken, range(100)))


class Forgetful:
    """An engine with memory for so many images; a feature is the image's mean."""

    def __init__(self, room: int, error: Exception) -> None:
        self.metadata = {"name": "forgetful", "version": "1"}
        self.batch_images, self.room, self.error = 32, room, error
        self.sizes: list[int] = []

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        if len(pixels) > self.room:
            raise self.error
        self.sizes.append(len(pixels))
        return pixels.mean((1, 2, 3), keepdims=True)[:, :, 0, 0].astype(np.float32)


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("room", [31, 5, 1])
def test_out_of_memory_halves_the_batch(room: int, error: Exception, capsys) -> None:
    """A night's work lost to one large batch; images lost, doubled or in another order."""
    images = np.random.default_rng(0).integers(0, 256, (70, 3, 4, 4), dtype=np.uint8)
    runner = Forgetful(room, error)
    found = extract(runner, images).features
    np.testing.assert_allclose(found[:, 0], images.mean((1, 2, 3)), rtol=1e-6)
    assert max(runner.sizes) <= room
    assert len(set(runner.sizes)) == 1, "batches of several sizes"
    assert "out of memory with 32 images at once" in capsys.readouterr().out


def test_no_memory_for_one_image_is_an_error_for_people() -> None:
    """Halving for ever."""
    images = np.zeros((3, 3, 4, 4), np.uint8)
    with pytest.raises(UserError, match="memory does not suffice for one image"):
        extract(Forgetful(0, MemoryError()), images)


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    """A bug that is tried again five times and then called a lack of memory."""
    with pytest.raises(RuntimeError, match="shapes"):
        extract(Forgetful(0, RuntimeError("shapes do not match")), np.zeros((3, 3, 4, 4), np.uint8))


def test_preparation_runs_beside_the_network_and_carries_its_errors_over() -> None:
    """Batches in another order, a picture's error lost in a thread, or all of them in memory."""
    prepared: list[int] = []

    def batches() -> Any:
        for number in range(20):
            if number == 9:
                raise UserError("picture 9 does not decode")
            prepared.append(number)
            yield np.array([number])

    seen = []
    with pytest.raises(UserError, match="picture 9"):
        for batch in ahead(batches()):
            seen.append(int(batch[0]))
            assert len(prepared) <= len(seen) + 3
    assert seen == list(range(9))
