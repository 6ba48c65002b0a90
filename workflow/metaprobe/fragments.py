"""The JSON fragment of one experiment: put together from its files, and read back with suspicion."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from workflow.metaprobe import metrics
from workflow.metaprobe.files import broken, is_intact, read_arrays, read_json, seal
from workflow.metaprobe.subsets import read_subset

SCHEMA = Path(__file__).parent.parent / "schemas" / "fragment.schema.yaml"
SAME_LOSS = 1e-4
NAMED_BY = {"weights": "id", "engine": "name"}
COLUMNS = (
    "task_id",
    "architecture",
    "learning_rate",
    "optimizer",
    "batch_size",
    "weight_decay",
    "momentum",
    "dropout_rate",
    "alpha",
    "label_smoothing",
    "grad_clip",
    "test_accuracy",
    "train_accuracy",
    "test_loss",
    "training_time_sec",
    "epochs",
)


def build_fragment(
    *,
    task_id: str,
    configuration: str,
    hyperparameters: dict[str, Any],
    family: str | None,
    subset_path: str,
    features_path: str,
    head_path: str,
    git_commit: str | None,
) -> dict[str, Any]:
    """Measure a trained head on the cached features and gather all that is known of it.

    Raises:
        UserError: a file is broken, or the files do not belong together.
    """
    subset = read_subset(subset_path)
    features, extraction = read_arrays(features_path)
    head, training = read_arrays(head_path)
    if extraction["subset_sha256"] != subset["sha256"]:
        raise broken(features_path, f"it was extracted from another subset than {subset_path}")
    if extraction["architecture"] != hyperparameters["architecture"]:
        raise broken(features_path, f"its features are of {extraction['architecture']}")
    if training["features_sha256"] != extraction["features_sha256"]:
        raise broken(head_path, f"it was trained on other features than {features_path}")
    if (training["hyperparameters"], training["seed"]) != (hyperparameters, subset["seed"]):
        raise broken(head_path, "it was trained with other hyperparameters or another seed")
    measured = measure(features, head)
    last = training["learning_curve"][-1]
    if not _same_loss(last["test_loss"], measured["test_loss"]):
        raise broken(head_path, "its learning curve ends elsewhere than its weights")
    seconds = extraction["seconds"] | {"head": training["seconds"]}
    columns = (
        {"task_id": task_id}
        | hyperparameters
        | measured
        | {"training_time_sec": seconds["train_features"] + seconds["head"]}
    )
    provenance = {
        "configuration": configuration,
        "class_count": subset["class_count"],
        "pretext": subset["pretext"],
        "split": subset["split"],
        "partial": subset["partial"],
        "read_as": subset["read_as"],
        "family": family,
        "train_images": subset["train"]["images"],
        "test_images": subset["test"]["images"],
        "sampling": subset["sampling"],
        "subset_sha256": subset["sha256"],
        "pixels_sha256": extraction["pixels_sha256"],
        "weights": extraction["weights"],
        "seed": subset["seed"],
        "engine": extraction["engine"],
        "precision": extraction["precision"],
        "device": extraction["device"],
        "seconds": seconds,
        "learning_curve": training["learning_curve"],
        "versions": extraction["versions"] | training["versions"],
        "git_commit": git_commit,
    }
    return seal({column: columns[column] for column in COLUMNS} | provenance)


def measure(features: dict[str, Any], head: dict[str, Any]) -> dict[str, float]:
    """Accuracies on both parts and plain cross-entropy on the test part."""
    train, test = (
        metrics.logits(features[f"{part}_features"], head["weight"], head["bias"])
        for part in ("train", "test")
    )
    return {
        "test_accuracy": metrics.accuracy(test, features["test_labels"]),
        "train_accuracy": metrics.accuracy(train, features["train_labels"]),
        "test_loss": metrics.cross_entropy(test, features["test_labels"]),
    }


class FragmentReader:
    """Reads fragments; the schema is loaded once for all of them."""

    def __init__(self) -> None:
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
        self._validator = Draft202012Validator(schema)

    def read(
        self,
        path: str | Path,
        task_id: str,
        configuration: str,
        expected: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Read one fragment.

        Args:
            expected: values it must have beside its ids; `weights` means their id, `engine` its
                name.

        Raises:
            UserError: a value is missing, extra, impossible or at odds with another, or it is
                another experiment's.
        """
        fragment: dict[str, Any] = read_json(path)
        for error in sorted(self._validator.iter_errors(fragment), key=str):
            where = "/".join(map(str, error.absolute_path))
            raise broken(path, f"{where}: {error.message}" if where else error.message)
        for key, value in {"task_id": task_id, "configuration": configuration, **expected}.items():
            found = fragment[key]
            if key in NAMED_BY:
                found = found[NAMED_BY[key]]
            if repr(found) != repr(value):
                raise broken(path, f"its {key} is {found}, not {value}")
        if trouble := next(contradictions(fragment), None):
            raise broken(path, trouble)
        if not is_intact(fragment):
            raise broken(path, "its content does not match its digest")
        return fragment


def contradictions(fragment: dict[str, Any]) -> Iterator[str]:
    """What in a fragment cannot be true together."""
    curve, seconds = fragment["learning_curve"], fragment["seconds"]
    if [point["epoch"] for point in curve] != list(range(1, fragment["epochs"] + 1)):
        yield f"its learning_curve has not the {fragment['epochs']} epochs it names"
        return
    if not _same_loss(curve[-1]["test_loss"], fragment["test_loss"]):
        yield "its test_loss is not the last of its learning_curve"
    rounding_images = 2  # a tie may fall otherwise in single and in double precision
    apart = abs(curve[-1]["test_accuracy"] - fragment["test_accuracy"]) * fragment["test_images"]
    if apart > rounding_images:
        yield "its test_accuracy is not the last of its learning_curve"
    for part in ("train", "test"):
        right = fragment[f"{part}_accuracy"] * fragment[f"{part}_images"]
        if abs(right - round(right)) > 1e-6:
            yield f"its {part}_accuracy is no fraction of {fragment[f'{part}_images']} images"
    if not math.isclose(
        fragment["training_time_sec"], seconds["train_features"] + seconds["head"], abs_tol=1e-6
    ):
        yield "its training_time_sec is not the sum of its parts"
    if fragment["momentum"] and fragment["optimizer"] not in ("SGD", "RMSprop"):
        yield f"momentum means nothing to {fragment['optimizer']}"


def _same_loss(first: float, second: float) -> bool:
    """Equal but for single against double precision."""
    return math.isclose(first, second, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS)
