"""From the files of an experiment to a folder with its model, compared with the run before it is there.

To be imported where it is used, as it imports torch.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import save

from metaprobe.config.backbones import Backbone
from metaprobe.config.datasets import Entry
from metaprobe.config.layout import MODEL_FILES
from metaprobe.core.arrays import Arrays, read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import (
    broken,
    digest_files,
    replacing_folder,
    with_checksum,
    write_json,
    write_text,
)
from metaprobe.data.dataset import check_fit, open_dataset
from metaprobe.data.subset import read_subset
from metaprobe.export import PROGRAMS, compare, predict
from metaprobe.export.card import Card, Compared, is_random, make_card
from metaprobe.export.card_text import to_markdown
from metaprobe.export.network import Model
from metaprobe.export.onnx_file import write_onnx
from metaprobe.export.whole import FIRST, preparation, whole_network
from metaprobe.features.backbones import Ready
from metaprobe.tables.predictions import read_predictions
from metaprobe.training.fragment import Fragment, read_fragment

CARD = MODEL_FILES[-1]


@dataclass(frozen=True)
class Run:
    """What the run has left of one experiment.

    Attributes:
        subset, head, fragment, predictions: files.
        recipe: the hyperparameters that are in use.
    """

    task_id: str
    configuration: str
    recipe: dict[str, Any]
    subset: Path
    head: Path
    fragment: Path
    predictions: Path


def export_model(
    folder: Path,
    run: Run,
    *,
    entry: Entry,
    data: Path,
    transform: str,
    backbone: Backbone,
    licence: str | None,
    ready: Ready,
    made_from: dict[str, str],
) -> Card:
    """Write the model of an experiment: MODEL_FILES.

    Args:
        licence: of its weights.
        ready: the backbone, with the weights of the run.
        made_from: file of the results -> its digest.

    Returns:
        Its card.

    Raises:
        UserError: files do not belong together, or the exported model puts a test picture into another
            class than the run.
    """
    subset = read_subset(run.subset)
    dataset = open_dataset(run.task_id, entry, data)
    check_fit(subset, dataset, run.subset)
    fragment: Fragment = read_fragment(run.fragment, run.task_id, run.configuration)
    said, _ = read_arrays(run.head)
    predicted = _predicted(run, said)
    _check_origin(run, fragment, subset, ready)
    model, built = whole_network(
        ready, backbone, not is_random(fragment.weights.id), run.recipe, said
    )
    read = compare.read_as_folder(run.task_id, entry, data)
    how = preparation(ready.preprocessing, transform, read is not None and read.upright)
    with replacing_folder(folder, CARD) as made:
        _write_model(made, model, ready.preprocessing.size)
        write_json(made / "classes.json", subset["class_names"])
        write_json(made / CARD, {"network": built, "preprocessing": how})
        pictures = compare.pictures_of(subset["test"], run.task_id, dataset, read, data)
        exported = predict.Model(made, threads=1)
        found = compare.compare(exported, pictures, said["test_logits"][FIRST], predicted)
        _check(found, fragment)
        card = make_card(fragment, subset, run.recipe, licence, built, how, found, predicted)
        write_text(made / "card.md", to_markdown(card, subset["class_names"]))
        return _write_card(made, card | {"made_from": made_from})


def _predicted(run: Run, said: Arrays) -> NDArray[Any]:
    """Return the (N,) classes of the test images, by the first head of the run."""
    told = read_predictions(run.predictions.parents[1], run.task_id, run.configuration)
    predicted: NDArray[Any] = told["predicted_class"][FIRST]
    if said["test_logits"][FIRST].argmax(axis=1).tolist() != predicted.tolist():
        raise broken(run.predictions, f"it is not of {run.head}")
    return predicted


def _check_origin(run: Run, fragment: Fragment, subset: dict[str, Any], ready: Ready) -> None:
    """See that a fragment is of this subset, and of the weights that are here."""
    if fragment.subset_sha256 != subset["sha256"]:
        raise broken(run.fragment, f"it is of another subset than {run.subset}")
    if fragment.weights.sha256 != ready.origin["sha256"]:
        raise broken(run.fragment, "its backbone has other weights than are here now")


def _write_model(made: Path, model: Model, side: int) -> None:
    """Write the network, in both forms, and the programs that run it."""
    write_onnx(made / "model.onnx", model, side)
    (made / "model.safetensors").write_bytes(save(_separate(model.state_dict())))
    for program in PROGRAMS:
        shutil.copyfile(program, made / program.name)


def _write_card(made: Path, card: Card) -> Card:
    """Write the card, with the digests of the files beside it, and return it."""
    others = [made / name for name in MODEL_FILES if name != CARD]
    card = with_checksum(card | {"files": digest_files(made, others)})
    write_json(made / CARD, card)
    return card


def _separate(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state whose tensors share no memory, as safetensors wants it."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def _check(found: Compared, fragment: Fragment) -> None:
    """See that the exported model is the one that was measured.

    Raises:
        UserError: it is another.
    """
    if not found.different:
        return
    advice = (
        "choose another configuration, or another seed (--config seed=1), which is another run: other "
        "pictures are drawn for testing, and the accuracy is of these"
    )
    if fragment.precision != "float32":
        advice = f"the run computed in {fragment.precision}: set precision: float32"
    raise UserError(
        f"{fragment.task_id}, {fragment.configuration}: the exported model puts {found.different} of "
        f"{found.pictures} test pictures into another class than the run (probabilities differ by "
        f"up to {found.largest_difference:.1e}), so that its accuracy would not be the one that was "
        f"measured; nothing is exported: {advice}"
    )
