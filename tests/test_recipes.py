"""What a configuration says beyond the table's columns: schedules, stopping, validation, views, best heads."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from entries import typed
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.config.backbones import parse_backbone
from metaprobe.config.configurations import Configuration, Grid
from metaprobe.config.recipe import AUGMENTATIONS
from metaprobe.core.arrays import write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_json
from metaprobe.core.randomness import Draws, derive_seed
from metaprobe.data.dataset import candidates, draw_subset, open_dataset
from metaprobe.data.readers import Dataset, Pool
from metaprobe.data.subset import read_validation
from metaprobe.data.transforms import normalise
from metaprobe.data.validation_images import draw_validation
from metaprobe.features.backbones import prepare
from metaprobe.features.extraction import Part, extract_features
from metaprobe.training.heads import LabelledFeatures, train_head
from metaprobe.training.many_heads import train_heads
from metaprobe.training.material import Material
from metaprobe.training.outcomes import replayed
from metaprobe.training.reference_heads import PENALTIES, fit_logistic, fit_ridge
from metaprobe.training.stopping import Stopping
from metaprobe.training.trained import train_on_file
from pydantic import ValidationError
from torch_heads import build_torch_optimizer, linear

CLASSES, WIDTH = 4, 6
PLAIN: dict[str, Any] = {
    "optimizer": "SGD",
    "learning_rate": 0.1,
    "batch_size": 16,
    "weight_decay": 0.001,
    "momentum": 0.9,
    "dropout_rate": 0.0,
    "label_smoothing": 0.0,
    "grad_clip": 0.0,
    "epochs": 6,
}


def part(count: int, seed: int) -> LabelledFeatures:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, WIDTH))
    noisy = features[:, :CLASSES] + rng.normal(0, 0.7, (count, CLASSES))
    return LabelledFeatures(features, noisy.argmax(1))


def material(**changes: Any) -> Material:
    parts = {"train": part(60, 0), "test": part(30, 1), "validation": part(30, 2)}
    facts = {"class_count": CLASSES, "features_sha256": "abc"}
    return Material(**(parts | {"views": (), "extraction": facts, "parts": {}} | changes))


# Schedules


@pytest.mark.parametrize(
    ("schedule", "warmup"), [("cosine", 2), ("one_cycle", 0), ("step", 1), ("linear", 0)]
)
def test_head_under_a_schedule_is_torchs(schedule: str, warmup: int) -> None:
    """A rate that is a step or an epoch late, or that does not reach the optimiser."""
    train = part(60, 0)
    chosen = PLAIN | {"schedule": schedule, "warmup_epochs": warmup}
    ours = train_head(train, train, CLASSES, chosen, Draws(0, "data")).head
    draws = Draws(0, "data")
    head = linear(draws, WIDTH, CLASSES, torch.float64)
    optimizer = build_torch_optimizer(head, PLAIN)
    steps, rise = 6 * 4, warmup * 4
    main: Any = {
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - rise),
        "one_cycle": lambda: torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, steps, cycle_momentum=False
        ),
        "step": lambda: torch.optim.lr_scheduler.StepLR(optimizer, -(-(steps - rise) // 3)),
        "linear": lambda: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps),
    }[schedule]()
    if rise:
        rising = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=rise)
        main = torch.optim.lr_scheduler.SequentialLR(optimizer, [rising, main], [rise])
    for _ in range(6):
        for batch in draws.batches(60, 16):
            loss = torch.nn.functional.cross_entropy(
                head(torch.from_numpy(train.features[batch])),
                torch.from_numpy(train.labels[batch]),
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            main.step()
    np.testing.assert_allclose(ours.weight, head.weight.detach().numpy(), rtol=1e-10, atol=1e-12)
    (swept,) = train_heads(train, train, CLASSES, [chosen], 0, "data", train)
    np.testing.assert_allclose(swept.weight, ours.weight, rtol=1e-8, atol=1e-10)


# Early stopping


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 6), st.floats(0, 2))
def test_stopping_is_that_of_a_loop(losses: list[float], patience: int, delta: float) -> None:
    """An epoch too late, patience that does not begin anew, the last epoch for the best."""
    best, kept, waited, stopped = float("inf"), 0, 0, len(losses)
    for epoch, loss in enumerate(losses, start=1):
        if not kept or loss < best - delta:
            best, kept, waited = loss, epoch, 0
        else:
            waited += 1
        if waited == patience:
            stopped = epoch
            break
    assert Stopping(patience, delta).replay(losses) == (stopped, kept)


def test_the_best_epochs_head_is_kept_and_the_sweep_reads_it_off() -> None:
    """Weights of the last epoch under the name of the best; another answer in the sweep."""
    train, test, validation = part(24, 0), part(30, 1), part(30, 2)
    wild = PLAIN | {"learning_rate": 3.0, "epochs": 30}
    stopping = {"patience": 3, "monitor": "accuracy"}
    found = train_head(
        train, test, CLASSES, wild | stopping, Draws(0, "data"), validation=validation
    )
    best = max(found.curve, key=lambda point: point["validation_accuracy"])
    assert found.kept_epoch == best["epoch"] == len(found.curve) - 3
    alone = train_head(train, test, CLASSES, wild | {"epochs": best["epoch"]}, Draws(0, "data"))
    np.testing.assert_array_equal(found.head.weight, alone.head.weight)
    (swept,) = train_heads(train, test, CLASSES, [wild], 0, "data", validation)
    names = ("test_loss", "test_accuracy", "validation_loss", "validation_accuracy")
    outcome: dict[str, Any] = {"seconds": 1.0, "train_accuracy": 1.0}
    outcome |= {f"epoch_{n}": [point[n] for point in swept.learning_curve] for n in names}
    row = replayed(outcome, Stopping(3, 0.0, True))
    assert (row["best_epoch"], row["stopped_epoch"]) == (best["epoch"], len(found.curve))
    assert row["test_accuracy"] == best["test_accuracy"]
    assert row["test_loss"] == pytest.approx(best["test_loss"])
    assert row["train_accuracy"] is None and row["seconds"] < 1.0


# The best linear heads


def test_ridge_leaves_out_exactly_one() -> None:
    """An approximation of leave-one-out, or one that the image itself has taught."""
    chosen = material()
    trained, facts = fit_ridge(chosen)
    train, count = chosen.train, len(chosen.train.labels)
    mean = train.features.mean(0)
    scale = np.sqrt(np.square(train.features - mean).sum(1).mean())

    def fit(kept: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Least squares with a free bias, by the normal equations."""
        x = np.c_[(train.features[kept] - mean) / scale, np.ones(len(kept))]
        y = np.eye(CLASSES)[train.labels[kept]]
        shrink = np.diag([penalty * count] * WIDTH + [0.0])
        return x, np.linalg.solve(x.T @ x + shrink, x.T @ y)

    everyone = np.arange(count)
    accuracies = []
    for penalty in PENALTIES:
        right = 0
        for left_out in everyone:
            _, weights = fit(np.delete(everyone, left_out), penalty)
            seen = np.r_[(train.features[left_out] - mean) / scale, 1]
            right += (seen @ weights).argmax() == train.labels[left_out]
        accuracies.append(right / count)
    assert facts["leave_one_out_accuracy"] == pytest.approx(max(accuracies))
    assert facts["penalty"] == PENALTIES[int(np.argmax(accuracies))]
    x, weights = fit(everyone, facts["penalty"])
    head = trained.head
    np.testing.assert_allclose(
        train.features @ head.weight.T + head.bias, x @ weights, rtol=1e-6, atol=1e-8
    )


def test_ridge_of_fewer_images_than_features_is_the_same() -> None:
    """The other Gram matrix, with another answer."""
    few = LabelledFeatures(np.random.default_rng(3).normal(size=(20, 50)), np.arange(20) % CLASSES)
    trained, facts = fit_ridge(material(train=few, test=few, validation=None))
    centred = few.features - few.features.mean(0)
    scale = np.sqrt(np.square(centred).sum(1).mean())
    targets = np.eye(CLASSES)[few.labels] - np.eye(CLASSES)[few.labels].mean(0)
    gram = centred.T @ centred / scale**2 + 20 * facts["penalty"] * np.eye(50)
    weight = np.linalg.solve(gram, centred.T @ targets / scale).T / scale
    np.testing.assert_allclose(trained.head.weight, weight, rtol=1e-6, atol=1e-9)


def test_logistic_is_scikit_learns_under_the_chosen_penalty() -> None:
    """A fit that stops early, or a bias that is shrunk."""
    from sklearn.linear_model import LogisticRegression

    chosen = material()
    trained, facts = fit_logistic(chosen)
    assert len(PENALTIES) >= 12 and facts["penalty"] in PENALTIES
    train = chosen.train
    mean = train.features.mean(0)
    scale = np.sqrt(np.square(train.features - mean).sum(1).mean())
    scikit = LogisticRegression(
        C=1 / (facts["penalty"] * len(train.labels)), tol=1e-10, max_iter=10_000
    ).fit((train.features - mean) / scale, train.labels)
    expected = scikit.predict_proba((train.features - mean) / scale)
    logits = train.features @ trained.head.weight.T + trained.head.bias
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=2e-4)


# Nothing chosen on test images


@pytest.mark.parametrize(
    "recipe",
    [{"head": "logistic"}, {"head": "ridge"}, {"patience": 2, "epochs": 20, "learning_rate": 2.0}],
    ids=["logistic", "ridge", "patience"],
)
def test_nothing_is_chosen_on_test_images(recipe: dict[str, Any], tmp_path: Path) -> None:
    """An epoch or a penalty that the test labels decide."""
    chosen = PLAIN | {"validation_images": 30} | recipe
    if "head" in recipe:
        chosen |= {"learning_rate": 0.0}
    facts = dict.fromkeys(
        ("task_id", "architecture", "subset_sha256", "weights", "engine", "precision"), "same"
    )
    facts |= {"class_count": CLASSES, "features_sha256": "abc", "engine": {"name": "torch"}}
    train, test, validation = part(60, 0), part(30, 1), part(30, 2)
    own = {"features": validation.features, "labels": validation.labels}
    own["from_training"] = np.array([], np.int64)
    write_arrays(tmp_path / "part", own, facts | {"part": "validation-30"})
    found = []
    for labels in (test.labels, np.random.default_rng(9).permutation(test.labels)):
        arrays = {"train_features": train.features, "train_labels": train.labels}
        arrays |= {"test_features": test.features, "test_labels": labels}
        write_arrays(tmp_path / "features", arrays, facts)
        said, told = train_on_file(
            str(tmp_path / "features"), "data", chosen, 0, validation_path=str(tmp_path / "part")
        )
        (replicate,) = told["replicates"]
        names = ("best_epoch", "stopped_epoch", "penalty")
        found.append(([replicate.get(name) for name in names], said["weight"].tobytes()))
    assert found[0] == found[1]
    assert any(found[0][0])


# Validation images


def pool_of(labels: list[int]) -> Pool:
    return Pool(np.array(labels), lambda index: None)


@settings(max_examples=40)
@given(
    st.integers(20, 80),
    st.integers(1, 60),
    st.integers(5, 80),
    st.sampled_from(["random", "stratified"]),
    st.booleans(),
)
def test_validation_images_are_no_others(
    count: int, wanted: int, train: int, sampling: str, one_pool: bool
) -> None:
    """Images that are trained on or tested on, too; a subset that is drawn otherwise for their sake."""
    labels = [number % 3 for number in range(count)]
    pools = {"pool": pool_of(labels)}
    if not one_pool:
        pools = {"train": pool_of(labels), "test": pool_of([0, 1, 2] * 4)}
    dataset = Dataset(["a", "b", "c"], pools)
    entry = typed({"kind": "folder", "classes": 3})
    sizes = {"train": train, "test": 10}
    subset = draw_subset("data", entry, dataset, seed=1, sampling=sampling, sizes=sizes)
    before = copy.deepcopy(subset)
    _, available = candidates("data", entry, dataset, 1)["train"]
    try:
        drawn = draw_validation(subset, entry, dataset, wanted)
    except UserError:
        assert len(available) <= train and len(available) < 5
        return
    assert subset == before
    chosen, taken = set(drawn["indices"]), drawn["from_training"]
    trained = np.delete(subset["train"]["indices"], taken)
    assert len(chosen) == len(drawn["labels"]) <= wanted
    assert not chosen & set(trained.tolist())
    assert chosen <= set(available.tolist())
    if one_pool:
        assert not chosen & set(subset["test"]["indices"])
    left = len(available) - subset["train"]["images"]
    assert len(taken) == min(max(0, wanted - left), subset["train"]["images"] // 5)
    again = draw_validation(subset, entry, dataset, wanted)
    assert again == drawn


def test_draw_of_another_subset_is_refused(tmp_path: Path) -> None:
    """A head judged on images that it has trained on."""
    dataset = Dataset(["a", "b", "c"], {"pool": pool_of([0, 1, 2] * 20)})
    entry = typed({"kind": "folder", "classes": 3})
    one, other = (
        draw_subset(
            "data", entry, dataset, seed=s, sampling="random", sizes={"train": 9, "test": 9}
        )
        for s in (1, 2)
    )
    write_json(tmp_path / "v.json", draw_validation(one, entry, dataset, 5))
    assert read_validation(tmp_path / "v.json", one)["wanted"] == 5
    with pytest.raises(UserError, match="drawn for another subset"):
        read_validation(tmp_path / "v.json", other)


# Augmentation


def extracted(folder: Path, **more: Any) -> Any:
    entry = typed({"kind": "embedded", "class": "generated_shapes", "classes": 8})
    subset_path = folder / "subset.json"
    dataset = open_dataset("Shapes", entry, folder)
    if not subset_path.exists():
        sizes = {"train": 12, "test": 4}
        subset = draw_subset("Shapes", entry, dataset, seed=5, sampling="random", sizes=sizes)
        write_json(subset_path, subset)
    return extract_features(
        task_id="Shapes",
        entry=entry,
        data=folder,
        transform="colour",
        subset_path=str(subset_path),
        architecture="ResNet18",
        backbone=BACKBONE,
        weights="random",
        seed=5,
        weights_receipt=None,
        weights_folder=folder,
        device="cpu",
        engine="torch",
        precision="float32",
        threads=1,
        **more,
    )


BACKBONE = parse_backbone({"library": "torchvision", "model": "resnet18", "input_size": 64})


def transforms_of(augmentation: str) -> list[Any]:
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    policies = {"trivial_augment": v2.TrivialAugmentWide(), "rand_augment": v2.RandAugment()}
    more = policies.get(augmentation, jitter if augmentation == "color_jitter" else None)
    return [v2.RandomHorizontalFlip(), *([more] if more else [])]


@pytest.mark.parametrize("augmentation", [one for one in AUGMENTATIONS if one != "none"])
def test_views_are_the_online_protocol(augmentation: str, tmp_path: Path) -> None:
    """One view for all epochs, an order of draws that depends on the batches, other transforms."""
    from metaprobe.data.transforms import colour
    from torchvision.transforms import v2

    epochs = 2
    torch.set_num_threads(1)
    arrays, facts = extracted(tmp_path)
    for name, content in [
        ("features", (arrays, facts)),
        *(
            (view, extracted(tmp_path, part=Part(view)))
            for view in (f"{augmentation}-{e}" for e in range(epochs))
        ),
    ]:
        write_arrays(tmp_path / name, *content)
    chosen = PLAIN | {"epochs": epochs, "batch_size": 5, "augmentation": augmentation}
    said, _ = train_on_file(
        str(tmp_path / "features"),
        "Shapes",
        chosen,
        5,
        view_paths=[str(tmp_path / f"{augmentation}-{e}") for e in range(epochs)],
    )
    # The same by torch alone: every picture augmented when its batch comes.
    from metaprobe.core.files import read_json

    entry = typed({"kind": "embedded", "class": "generated_shapes", "classes": 8})
    pool = open_dataset("Shapes", entry, tmp_path).pools["pool"]
    subset = read_json(tmp_path / "subset.json")
    made = prepare(BACKBONE, weights="random", seed=5, receipt=None, folder=tmp_path)
    to = made.preprocessing
    draws = Draws(5, "Shapes")
    head = linear(draws, made.width, 8, torch.float64)
    optimizer = build_torch_optimizer(head, PLAIN)
    for epoch in range(epochs):
        for batch in draws.batches(12, 5):
            pixels = []
            for index in np.array(subset["train"]["indices"])[batch].tolist():
                torch.manual_seed(derive_seed(5, "Shapes", f"{augmentation} {epoch} {index}"))
                picture = pool.image(index)
                if augmentation == "flip_crop":
                    crop = v2.RandomResizedCrop(64, antialias=True)
                    seen = np.asarray(crop(picture.convert("RGB"))).transpose(2, 0, 1)
                else:
                    seen = colour(picture, to)
                pixels.append(v2.Compose(transforms_of(augmentation))(torch.tensor(np.array(seen))))
            with torch.inference_mode():
                features = made.network(normalise(torch.stack(pixels), to)).double()
            loss = torch.nn.functional.cross_entropy(
                head(features.clone()), torch.tensor(np.array(subset["train"]["labels"])[batch])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    np.testing.assert_allclose(
        said["weight"][0], head.weight.detach().numpy(), rtol=1e-4, atol=1e-5
    )


# Configuration


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"patience": 2}, "patience needs validation_images"),
        ({"head": "logistic"}, "head: logistic needs validation_images"),
        ({"head": "ridge", "schedule": "cosine"}, "schedule means nothing to head: ridge"),
        ({"min_delta": 0.1}, "min_delta means nothing without patience"),
        ({"views": 3}, "views mean nothing without augmentation"),
        ({"layer_decay": 0.5}, "layer_decay means nothing to trainable: head"),
        ({"schedule": "one_cycle", "warmup_epochs": 1}, "warmup_epochs mean nothing to one_cycle"),
    ],
)
def test_recipe_that_contradicts_itself_is_refused(keys: dict[str, Any], told: str) -> None:
    """Hours of training for a key without effect."""
    rate = {} if "head" in keys else {"learning_rate": 0.1}
    with pytest.raises(ValidationError, match=told):
        Configuration.model_validate({"architecture": "ResNet18"} | rate | keys)


def test_completed_recipe_is_read_again() -> None:
    """A job that refuses the configuration that the run has completed for it."""
    for keys in ({"head": "ridge"}, {"learning_rate": 0.1, "trainable": "all"}):
        one = Configuration.model_validate({"architecture": "ResNet18"} | keys)
        assert Configuration.model_validate(one.parameters()) == one
        assert Configuration.model_validate(one.model_dump()) == one


def test_patience_in_a_grid_needs_validation_images() -> None:
    """A choice of the epoch on test images."""
    grid = {"architecture": ["ResNet18"], "learning_rate": [0.1], "patience": [0, 3]}
    assert Grid.model_validate(grid).validation_images == 500
    with pytest.raises(ValidationError, match="patience needs validation_images"):
        Grid.model_validate(grid | {"validation_images": 0})


def test_grid_that_would_fail_in_its_job_is_refused() -> None:
    """A traceback after hours: more epochs of warm-up than there are."""
    from metaprobe.config.load import load_run
    from test_layout import CONFIG

    grid = {"architecture": ["ResNet18"], "learning_rate": [0.1], "warmup_epochs": [0, 5]}
    with pytest.raises(UserError, match="grid/warmup_epochs: 5 leaves nothing of 3 epochs"):
        load_run(copy.deepcopy(CONFIG) | {"grid": grid}, [])
    load_run(copy.deepcopy(CONFIG) | {"grid": grid | {"epochs": [6]}}, [])


def test_training_that_diverges_after_it_would_have_stopped_has_not() -> None:
    """A row without metrics for a recipe that would have ended well."""
    losses = [1.0, 2.0, 3.0, 4.0]
    outcome: dict[str, Any] = {"seconds": 10.0, "diverged": "epoch 5, step 2"}
    outcome |= dict.fromkeys(("epoch_validation_loss", "epoch_test_loss"), losses)
    outcome |= dict.fromkeys(("epoch_validation_accuracy", "epoch_test_accuracy"), [0.5] * 4)
    row = replayed(outcome, Stopping(2), 10)
    assert "diverged" not in row and row["test_loss"] == 1.0 and row["train_accuracy"] is None
    assert (row["best_epoch"], row["stopped_epoch"], row["seconds"]) == (1, 3, 3.0)
    assert replayed(outcome, Stopping(8), 10) == outcome
