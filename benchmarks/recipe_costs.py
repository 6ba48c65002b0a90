"""What recipes cost against the same without a cache, or without the recipe: CPU seconds, interleaved."""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from metaprobe.config.backbones import Backbone
from metaprobe.core.randomness import Draws
from metaprobe.data.augmentation import augment
from metaprobe.data.readers.embedded import generated_shapes
from metaprobe.data.transforms import PROTOCOL, colour, normalise
from metaprobe.features.backbones import Ready
from metaprobe.features.engines import TorchEngine
from metaprobe.features.extraction import extract
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.tuning.activations import engine_below, read_activations, write_activations
from metaprobe.tuning.blocks import blocks_of, first_trainable
from metaprobe.tuning.loop import Images, Network, Split, tune
from metaprobe.tuning.split import split
from threadpoolctl import threadpool_limits

from benchmarks.backbones import BACKBONES, OF_TIMM, ready

CPU = torch.device("cpu")
ROUNDS, IMAGES, EPOCHS, CLASSES = 3, 32, 6, 8
TUNED = ("ResNet18", "MobileNetV2", "EfficientNetB0", "vit_small_patch16_224")
PLAIN = {
    "optimizer": "SGD",
    "learning_rate": 1e-7,
    "batch_size": 16,
    "weight_decay": 0.0001,
    "momentum": 0.9,
    "dropout_rate": 0.0,
    "label_smoothing": 0.0,
    "grad_clip": 0.0,
    "epochs": EPOCHS,
}


def medians(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU seconds of each way, in interleaved rounds; the first warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, run in ways.items():
            start = time.process_time()
            run()
            if number:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


class Uncached(torch.nn.Module):
    """The frozen trunk and the upper part in one, from pixels, as it is trained without a cache."""

    def __init__(self, lower: torch.nn.Module, upper: torch.nn.Module) -> None:
        super().__init__()
        self.trunk, self.upper = [lower], upper  # the trunk is no part of what is trained

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return features (N, D)."""
        with torch.no_grad():
            activations = self.trunk[0](normalise(pixels, PROTOCOL))
        features: torch.Tensor = self.upper(activations)
        return features


def tuning_seconds(made: Ready, folder: Path) -> dict[str, float]:
    """Of training the last block: without a cache, with one, and from one that is there."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, 3, 224, 224), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, IMAGES)
    everyone, one = np.arange(IMAGES), np.arange(1)
    recipe = PLAIN | {"trainable": "last_block"}
    blocks = blocks_of(made.network)
    first = str(first_trainable(made.network, "last_block"))
    path = folder / "last_block.float16" / "all.npy"

    def train(array: np.ndarray, *, cached: bool) -> None:
        lower, upper = split(copy.deepcopy(made.network), blocks, first)
        draws = Draws(0, "bench")
        whole = upper if cached else Uncached(lower, upper)
        network = Network(whole, blocks, made.width, CLASSES, draws)
        parts = Split(Images(array, labels, everyone), Images(array, labels, one))
        tune(network, parts, recipe, draws, CPU)

    def cache() -> None:
        engine = engine_below(copy.deepcopy(made), "last_block.float16", CPU, 1)
        write_activations(path, iter(pixels), IMAGES, engine)

    def cache_and_train() -> None:
        cache()
        train(read_activations(path), cached=True)

    cache()
    return medians(
        {
            "uncached": lambda: train(pixels, cached=False),
            "cached": cache_and_train,
            "second": lambda: train(read_activations(path), cached=True),
        }
    )


def augmentation_seconds(made: Ready) -> dict[str, float]:
    """Of extracting pictures plainly, and three augmented views of each."""
    pool = generated_shapes().pools["pool"]
    engine = TorchEngine(copy.deepcopy(made), CPU, "float32", 1)

    def plain() -> None:
        extract(engine, (colour(pool.image(i)) for i in range(IMAGES)))

    def views(augmentation: str) -> Callable[[], None]:
        def run() -> None:
            for _ in range(3):
                extract(
                    engine,
                    (
                        augment(pool.image(i), "colour", PROTOCOL, augmentation)
                        for i in range(IMAGES)
                    ),
                )

        return run

    ways = {"plain": plain, "flip": views("flip"), "trivial_augment": views("trivial_augment")}
    return medians(ways)


@threadpool_limits.wrap(limits=1)
def head_seconds() -> dict[str, float]:
    """Of a head plainly trained, and with schedule, warm-up and early stopping that never stops."""
    rng = np.random.default_rng(0)
    train = LabelledFeatures(rng.normal(size=(5000, 512)), rng.integers(0, 10, 5000))
    few = train.select(np.arange(200))
    more = PLAIN | {"schedule": "cosine", "warmup_epochs": 1, "patience": EPOCHS}

    def run(chosen: dict[str, object]) -> Callable[[], object]:
        return lambda: train_head(train, few, 10, chosen, Draws(0, "bench"), validation=few)

    return medians({"plain": run(PLAIN), "recipe": run(more)})


def print_costs() -> None:
    """Print everything, beside what is expected."""
    torch.set_num_threads(1)
    chosen: dict[str, Backbone] = BACKBONES | OF_TIMM
    print(
        f"\nThe last block trained for {EPOCHS} epochs, CPU seconds against an uncached frozen trunk;"
    )
    print("expected: at most 0.4 with its cache, 0.15 from a cache that is there")
    print(f"{'backbone':<30}{'uncached':>10}{'cached':>8}{'second':>8}")
    for name in TUNED:
        with tempfile.TemporaryDirectory() as folder:
            found = tuning_seconds(ready(chosen[name]), Path(folder))
        shares = (found[way] / found["uncached"] for way in ("cached", "second"))
        print(f"{name:<30}{found['uncached']:>10.1f}" + "".join(f"{one:>8.2f}" for one in shares))
    found = augmentation_seconds(ready(BACKBONES["ResNet18"]))
    print("\nThree augmented views against plain extraction, ResNet18; expected: at most 3.3")
    print(", ".join(f"{k} × {v / found['plain']:.2f}" for k, v in found.items() if k != "plain"))
    found = head_seconds()
    print("\nSchedule, warm-up and early stopping against none; expected: at most 3 % more")
    print(f"{found['recipe'] / found['plain'] - 1:+.1%}")


if __name__ == "__main__":
    print_costs()
