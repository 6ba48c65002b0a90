"""Training more than the head, from what is cached: the same as training inside the whole network."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metaprobe.config.backbones import Backbone, parse_backbone
from metaprobe.core.errors import UserError
from metaprobe.core.randomness import Draws
from metaprobe.data.readers.embedded import generated_shapes
from metaprobe.data.transforms import colour, normalise
from metaprobe.features.backbones import Ready, prepare
from metaprobe.features.engines import keep_freed_memory
from metaprobe.training.schedules import learning_rates
from metaprobe.tuning.activations import engine_below, read_activations, write_activations
from metaprobe.tuning.blocks import blocks_of, depths, first_trainable
from metaprobe.tuning.loop import Images, Network, Progress, Split, tune
from metaprobe.tuning.on_files import Checkpoint, Normalised
from metaprobe.tuning.split import split
from torch.nn.functional import cross_entropy

CPU = torch.device("cpu")
CLASSES, TRAIN, TEST = 4, 20, 8
SIDE = 64
BACKBONES = {
    "ResNet18": {"library": "torchvision", "model": "resnet18"},
    "MobileNetV2": {"library": "torchvision", "model": "mobilenet_v2"},
    "EfficientNetB0": {"library": "torchvision", "model": "efficientnet_b0"},
    "ViT": {"library": "timm", "model": "vit_tiny_patch16_224"},
}
RECIPE: dict[str, Any] = {
    "optimizer": "SGD",
    "learning_rate": 0.02,
    "batch_size": 8,
    "weight_decay": 0.0001,
    "momentum": 0.9,
    "dropout_rate": 0.1,
    "label_smoothing": 0.1,
    "grad_clip": 1.0,
    "epochs": 3,
    "schedule": "cosine",
    "trainable": "last_block",
    "layer_decay": 0.5,
    "head_epochs": 1,
    "backbone_learning_rate": 0.01,
}


def declared(name: str) -> Backbone:
    return parse_backbone(BACKBONES[name] | {"input_size": SIDE})


def made(name: str) -> Ready:
    torch.set_num_threads(1)
    return prepare(declared(name), weights="random", seed=0, receipt=None, folder=Path())


def pictures(ready: Ready) -> tuple[np.ndarray, np.ndarray]:
    """Drawn shapes as the backbone sees them (N, 3, S, S), and their labels."""
    pool = generated_shapes().pools["pool"]
    chosen = np.flatnonzero(pool.labels < CLASSES)[: TRAIN + TEST]
    seen = np.stack([colour(pool.image(i), ready.preprocessing) for i in chosen])
    return seen, pool.labels[chosen]


def parts(array: np.ndarray, labels: np.ndarray, **more: Any) -> Split:
    train, test = np.arange(TRAIN), np.arange(TRAIN, TRAIN + TEST)
    return Split(Images(array, labels, train), Images(array, labels, test), **more)


def cached(ready: Ready, pixels: np.ndarray, cut: str, folder: Path) -> np.ndarray:
    folder = folder / cut
    engine = engine_below(copy.deepcopy(ready), cut, CPU, 1)
    write_activations(folder / "all.npy", iter(pixels), len(pixels), engine)
    return read_activations(folder / "all.npy")


def upper_of(ready: Ready, trainable: str) -> tuple[torch.nn.Module, list[str]]:
    network = copy.deepcopy(ready.network)
    blocks = blocks_of(network)
    if (first := first_trainable(network, trainable)) is None:
        return Normalised(network, ready.preprocessing), [f"network.{one}" for one in blocks]
    return split(network, blocks, first)[1], blocks


def tuned(
    ready: Ready, array: np.ndarray, labels: np.ndarray, recipe: dict[str, Any], **more: Any
) -> tuple[Network, Progress]:
    draws = Draws(3, "data")
    upper, blocks = upper_of(ready, recipe["trainable"])
    network = Network(upper, blocks, ready.width, CLASSES, draws)
    return network, tune(network, parts(array, labels), recipe, draws, CPU, **more)


def trained_plainly(
    ready: Ready, pixels: np.ndarray, labels: np.ndarray, recipe: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """The whole network, its trunk frozen, by torch alone; names as in the backbone."""
    network = copy.deepcopy(ready.network).eval()
    blocks = blocks_of(network)
    first = first_trainable(network, recipe["trainable"])
    names = [name for name, _ in network.named_parameters()]
    begin = (
        0 if first is None else next(i for i, n in enumerate(names) if n.startswith(f"{first}."))
    )
    found = depths(names, blocks)
    own = dict(network.named_parameters())
    trained = [name for name in names[begin:] if not name.startswith("network.head.")]
    if recipe["trainable"] == "bias":
        trained = [name for name in names if name.endswith("bias")]
    draws = Draws(3, "data")
    head = torch.nn.Linear(ready.width, CLASSES)
    weight, bias = draws.initial_head(ready.width, CLASSES)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    base = recipe.get("backbone_learning_rate") or recipe["learning_rate"]
    rates = [recipe["learning_rate"]] * 2
    rates += [base * recipe.get("layer_decay", 1.0) ** found[name] for name in trained]
    everything = [*head.parameters(), *(own[name] for name in trained)]
    groups = [{"params": [p], "lr": rate} for p, rate in zip(everything, rates, strict=True)]
    optimizer = torch.optim.SGD(
        groups, lr=0.1, momentum=recipe["momentum"], weight_decay=recipe["weight_decay"]
    )
    steps = recipe["epochs"] * -(-TRAIN // recipe["batch_size"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for epoch in range(recipe["epochs"]):
        whole = epoch >= recipe.get("head_epochs", 0)
        for name, parameter in own.items():
            parameter.requires_grad_(whole and name in trained)
        for batch in draws.batches(TRAIN, recipe["batch_size"]):
            images = normalise(torch.from_numpy(pixels[batch]), ready.preprocessing)
            features = network(images)
            mask = draws.dropout(np.ones(features.shape, np.float32), recipe["dropout_rate"])
            loss = cross_entropy(
                head(features * torch.from_numpy(np.asarray(mask, np.float32))),
                torch.from_numpy(labels[batch]),
                label_smoothing=recipe["label_smoothing"],
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            used = [p for p in everything if p.grad is not None]
            torch.nn.utils.clip_grad_norm_(used, recipe["grad_clip"])
            optimizer.step()
            schedule.step()
    return {"weight": head.weight, "bias": head.bias} | {name: own[name] for name in trained}


def apart(network: Network, plain: dict[str, torch.Tensor], ready: Ready) -> float:
    """The largest distance of a weight, relative to how far it was moved by training."""
    ours = {name.removeprefix("network."): p for name, p in network.upper.named_parameters()}
    ours |= dict(network.upper.named_parameters())
    ours |= {"weight": network.head.weight, "bias": network.head.bias}
    squares = [
        (float((ours[n] - p).square().sum()), float(p.square().sum())) for n, p in plain.items()
    ]
    return (sum(a for a, _ in squares) / sum(b for _, b in squares)) ** 0.5


@pytest.mark.parametrize("name", BACKBONES)
def test_training_from_the_cache_is_training_in_the_network(name: str, tmp_path: Path) -> None:
    """A trunk that is not what the upper part was trained on, a schedule, mask or group elsewhere."""
    keep_freed_memory()
    ready = made(name)
    pixels, labels = pictures(ready)
    plain = trained_plainly(ready, pixels, labels, RECIPE)
    start = {n: p for n, p in ready.network.named_parameters() if n in plain}
    assert any(not torch.equal(start[n], plain[n]) for n in start)
    for precision, largest in (("float32", 1e-6), ("float16", 1e-4)):
        array = cached(ready, pixels, f"last_block.{precision}", tmp_path)
        network, _ = tuned(ready, array, labels, RECIPE)
        assert apart(network, plain, ready) < largest, precision


@pytest.mark.parametrize("trainable", ["all", "bias"])
def test_all_of_the_network_is_trained_as_torch_does(trainable: str, tmp_path: Path) -> None:
    """Full fine-tuning with frozen BatchNorm that is something else."""
    ready = made("MobileNetV2")
    pixels, labels = pictures(ready)
    recipe = RECIPE | {"trainable": trainable, "learning_rate": 0.002}
    plain = trained_plainly(ready, pixels, labels, recipe)
    network, _ = tuned(ready, cached(ready, pixels, "pixels.uint8", tmp_path), labels, recipe)
    assert apart(network, plain, ready) < 1e-6
    for (_, before), (name, after) in zip(
        ready.network.named_buffers(), network.upper.network.named_buffers(), strict=True
    ):
        assert torch.equal(before, after), name


def test_batchnorm_learns_where_it_is_told_to(tmp_path: Path) -> None:
    """A key without effect."""
    ready = made("ResNet18")
    pixels, labels = pictures(ready)
    array = cached(ready, pixels, "last_block.float32", tmp_path)
    frozen, _ = tuned(ready, array, labels, RECIPE)
    learning, _ = tuned(ready, array, labels, RECIPE | {"batchnorm": "train"})
    means = [
        dict(one.upper.named_buffers())["layer4.0.bn1.running_mean"] for one in (frozen, learning)
    ]
    assert torch.equal(means[0], ready.network.layer4[0].bn1.running_mean)
    assert not torch.equal(*means)


def test_interrupted_training_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    """Epochs trained twice, other batches after a kill, an optimiser without its momentum."""
    ready = made("ViT")
    pixels, labels = pictures(ready)
    array = cached(ready, pixels, "last_2_blocks.float16", tmp_path)
    recipe = RECIPE | {"trainable": "last_2_blocks", "optimizer": "AdamW"}
    whole, progress = tuned(ready, array, labels, recipe)
    checkpoint = Checkpoint(tmp_path / "0.pt", "these inputs")

    class Killed(Exception):
        pass

    def write_and_die(state: dict[str, Any]) -> None:
        checkpoint.write(state)
        if len(state["progress"]["curve"]) == 2:
            raise Killed

    with pytest.raises(Killed):
        tuned(ready, array, labels, recipe, keep=write_and_die)
    assert Checkpoint(tmp_path / "0.pt", "other inputs").read() is None
    trained = []
    again, resumed = tuned(
        ready, array, labels, recipe, saved=checkpoint.read(), keep=trained.append
    )
    assert len(trained) == 1
    for name, one in whole.state_dict().items():
        assert torch.equal(one, again.state_dict()[name]), name
    assert [p["test_loss"] for p in progress.curve] == [p["test_loss"] for p in resumed.curve]


def test_damaged_checkpoint_is_not_used(tmp_path: Path) -> None:
    """A traceback after a crash of the machine."""
    path = tmp_path / "0.pt"
    path.write_bytes(b"half of a file")
    assert Checkpoint(path, "any").read() is None


def test_best_epoch_is_kept(tmp_path: Path) -> None:
    """Weights of the last epoch under the name of the best."""
    ready = made("ViT")
    pixels, labels = pictures(ready)
    array = cached(ready, pixels, "last_block.float32", tmp_path)
    recipe = RECIPE | {"epochs": 6, "patience": 2, "learning_rate": 0.5, "head_epochs": 0}
    draws = Draws(3, "data")
    upper, blocks = upper_of(ready, "last_block")
    network = Network(upper, blocks, ready.width, CLASSES, draws)
    judged = Images(array, labels, np.arange(TRAIN, TRAIN + TEST))
    split_ = parts(array, labels, validation=judged)
    progress = tune(network, split_, recipe, draws, CPU)
    losses = [point["validation_loss"] for point in progress.curve]
    best = int(np.argmin(losses))
    assert len(losses) == min(6, best + 1 + 2)
    upper, blocks = upper_of(ready, "last_block")
    again = Network(upper, blocks, ready.width, CLASSES, Draws(3, "data"))
    last: list[dict[str, Any]] = []
    tune(again, split_, recipe, Draws(3, "data"), CPU, keep=lambda s: last.append(copy.deepcopy(s)))
    resumed = tune(again, split_, recipe, Draws(3, "data"), CPU, saved=last[-1])
    assert len(resumed.curve) == len(losses)  # it had stopped, and goes on no further
    from metaprobe.tuning.loop import evaluate

    assert evaluate(network, judged, "test", CPU)["test_loss"] == pytest.approx(losses[best])


def test_impossible_cut_is_one_clear_line() -> None:
    """A traceback, or a network that is trained from elsewhere."""
    vgg = made_of("vgg11")
    with pytest.raises(
        UserError, match="has no blocks that are known by name; use head, bias or all"
    ):
        first_trainable(vgg, "last_block")


def made_of(model: str) -> torch.nn.Module:
    from metaprobe.features.networks import build

    return build("torchvision", model)


def test_learning_rates_decay_from_block_to_block() -> None:
    """The head's neighbours at the rate of the stem."""
    names = ["stem.weight", "a.1", "a.2", "between.weight", "b.1", "c.1", "norm.weight"]
    assert depths(names, ["a", "b", "c"]) == dict(zip(names, (3, 2, 2, 1, 1, 0, 0), strict=True))
    assert depths(["x", "y"], []) == {"x": 0, "y": 0}
    assert depths(["c.1", "norm.weight"], ["a", "b", "c"]) == {"c.1": 0, "norm.weight": 0}


def test_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch) -> None:
    """A cache of zeros that the next run takes for whole."""
    ready = made("ViT")
    pixels, _ = pictures(ready)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match="No space left"):
        cached(ready, pixels, "last_block.float16", tmp_path)
    assert not [*(tmp_path / "last_block.float16").iterdir()]


def test_rates_of_groups_are_the_schedules() -> None:
    """Two groups under one rate."""
    rates = learning_rates("cosine", np.array([0.1, 0.01]), 9)
    np.testing.assert_allclose(rates[:, 0], 10 * rates[:, 1])
