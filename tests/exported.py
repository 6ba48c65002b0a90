"""One experiment of a folder of pictures, run by the functions of its jobs, and the export of its model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metaprobe.config.backbones import Backbone, parse_backbone
from metaprobe.config.configurations import Configuration
from metaprobe.config.datasets import Folder
from metaprobe.config.parts import cut_of
from metaprobe.core.arrays import write_arrays
from metaprobe.core.files import write_json
from metaprobe.data.dataset import draw_subset, open_dataset
from metaprobe.export import predict
from metaprobe.export.model import Run, export_model
from metaprobe.features.backbones import Weights
from metaprobe.features.extraction import Part, extract_features
from metaprobe.training.measurement import build_fragment
from metaprobe.training.trained import train_on_file
from metaprobe.tuning.on_files import cache_activations, tune_on_files
from PIL import Image

SIDE = 64
TASK, NAME = "Tints", "mine"
ENTRY = Folder(kind="folder", classes=3)
RANDOM = Weights("random", 0, None, Path())
RECIPE = {"learning_rate": 0.01, "epochs": 4, "batch_size": 8}
TUNED = RECIPE | {"trainable": "last_block", "optimizer": "SGD"}
TORCHVISION: dict[str, Any] = {"library": "torchvision"}
TIMM: dict[str, Any] = {"library": "timm"}
RESNET = TORCHVISION | {"model": "resnet18"}
VIT = TIMM | {"model": "vit_tiny_patch16_224"}


def write_pictures(folder: Path) -> None:
    """Pictures as people have them: several shapes, grey ones, palettes, some that lie on their side."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(15):
            pixels = rng.integers(0, 60, (*rng.integers(40, 120, 2), 3))
            pixels[..., 2 - label] += rng.integers(20, 190, pixels.shape[:2])
            picture, exif = Image.fromarray(pixels.astype(np.uint8)), Image.Exif()
            exif[predict.ORIENTATION] = 1 + number % 8
            if number % 5 == 1:
                picture = picture.quantize(16)
            kind = "png" if number % 3 else "jpg"
            picture.convert("RGB" if kind == "jpg" else picture.mode).save(
                folder / name / f"{number}.{kind}", exif=exif
            )


@dataclass(frozen=True)
class Experiment:
    """What a run has left of one experiment."""

    run: Run
    backbone: Backbone
    data: Path
    results: Path

    def export(self, folder: Path | None = None, **changes: Any) -> tuple[Path, dict[str, Any]]:
        folder = folder or self.results / "models" / TASK / NAME
        given = {
            "entry": ENTRY,
            "data": self.data,
            "transform": "colour",
            "backbone": self.backbone,
            "licence": "MIT",
            "ready": RANDOM.ready("Mine", self.backbone),
            "made_from": {},
        }
        return folder, export_model(folder, self.run, **given | changes)


def experiment(
    folder: Path, declared: dict[str, Any], recipe: dict[str, Any], replicates: int = 1
) -> Experiment:
    """Run an experiment by the functions of its jobs."""
    torch.set_num_threads(1)
    data, results = folder / "data", folder / "results"
    write_pictures(data / TASK)
    backbone = parse_backbone(declared)
    dataset = open_dataset(TASK, ENTRY, data)
    sizes = {"train": 30, "test": 15}
    subset = draw_subset(TASK, ENTRY, dataset, seed=0, sampling="random", sizes=sizes)
    run = Run(
        TASK,
        NAME,
        Configuration.model_validate({"architecture": "Mine"} | recipe).parameters(),
        *(results / f"{one}.json" for one in ("subset", "head", "fragment")),
        results / "predictions" / TASK / f"{NAME}.safetensors",
    )
    write_json(run.subset, subset)
    common = {
        "task_id": TASK,
        "entry": ENTRY,
        "data": data,
        "transform": "colour",
        "subset_path": str(run.subset),
        "architecture": "Mine",
        "backbone": backbone,
        "device": "cpu",
        "threads": 1,
    }
    features = results / "features.safetensors"
    random = {"weights": "random", "seed": 0, "weights_receipt": None, "weights_folder": Path()}
    engine = {"engine": "torch", "precision": "float32"}
    write_arrays(features, *extract_features(**common, **random, **engine))
    if run.recipe.get("trainable", "head") == "head":
        trained = train_on_file(str(features), TASK, run.recipe, 0, replicates)
    else:
        cut = cut_of(run.recipe["trainable"], run.recipe.get("cache_precision", "float16"))
        receipts = {part: str(results / cut / f"{part}.json") for part in ("train", "test")}
        for part, receipt in receipts.items():
            cache_activations(receipt, **common, weights=RANDOM, cut=cut, part=Part(part))
        trained = tune_on_files(
            task_id=TASK,
            subset_path=str(run.subset),
            features_path=str(features),
            validation_path=None,
            activations=receipts,
            architecture="Mine",
            backbone=backbone,
            weights=RANDOM,
            hyperparameters=run.recipe,
            seed=0,
            replicates=replicates,
            device="cpu",
            threads=1,
            checkpoints=results / "checkpoints",
            code="",
        )
    write_arrays(run.head, *trained)
    fragment, predictions = build_fragment(
        task_id=TASK,
        configuration=NAME,
        hyperparameters=run.recipe,
        family=None,
        subset_path=str(run.subset),
        head_path=str(run.head),
        git_commit=None,
    )
    write_json(run.fragment, fragment)
    write_arrays(run.predictions, predictions, {"task_id": TASK, "configuration": NAME})
    return Experiment(run, backbone, data, results)


def of_test_part(experiment: Experiment) -> list[Path]:
    """The test pictures, in the order of the subset."""
    subset = json.loads(experiment.run.subset.read_text())
    pool = open_dataset(TASK, ENTRY, experiment.data).pools["pool"]
    return [experiment.data / TASK / pool.names[index] for index in subset["test"]["indices"]]
