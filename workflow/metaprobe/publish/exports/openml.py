"""Runs as OpenML takes them: of each experiment description.xml and predictions.arff.

They have no number of an OpenML task or flow, which only its server gives: 0 stands for it. So they can be read
by OpenML's readers, and be uploaded once task and flow are registered.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.arrays import Arrays, read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json, write_text
from metaprobe.publish.about import About
from metaprobe.publish.card import card
from metaprobe.publish.exports.arff import arff, nominal
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results
from metaprobe.reader.dictionary import defaults
from metaprobe.tables.predictions import read_predictions

NAMESPACE = "http://openml.org/openml"
FORM = """\
In the form of OpenML runs: of each experiment `<data set>/<configuration>/description.xml` and `predictions.arff`. \
`repeat` counts the replicates, `row_id` is the index of a test image in its pool. The confidences of all classes \
are there where the run has kept its heads. The tasks and flows are not registered: their numbers are 0."""


def write(results: Results, licences: Licences, about: About, folder: Path) -> None:
    """Write the runs on the data sets of which predictions may be passed on.

    Raises:
        UserError: there is none, or predictions are missing or damaged.
    """
    allowed = [task for task in results.tasks if licences.is_open(task)]
    if not allowed:
        raise UserError(
            "no licence of these data sets is known to allow that predictions are passed on, of which"
            " OpenML runs are made: name the licences with --configfile"
        )
    for row in results.experiments.to_dict("records"):
        task, name = row["task_id"], row["configuration"]
        if task in allowed:
            place = folder / task / name
            subset = read_checked_json(results.folder / "subsets" / f"{task}.json")
            write_text(place / "predictions.arff", predictions(results.folder, subset, task, name))
            write_text(place / "description.xml", description(row, about))
    write_text(folder / "README.md", card(results, licences, about, folder, FORM))


def predictions(folder: Path, subset: dict[str, Any], task: str, name: str) -> str:
    """Return predictions.arff of one experiment."""
    classes = class_names(subset)
    arrays = read_predictions(folder / "predictions", task, name)
    head = folder / "heads" / task / f"{name}.safetensors"
    logits = read_arrays(head)[0]["test_logits"] if head.is_file() else None
    known = classes if logits is not None else []
    attributes = dict.fromkeys(("repeat", "fold", "row_id"), "NUMERIC")
    attributes |= {f"confidence.{one}": "NUMERIC" for one in known}
    attributes |= dict.fromkeys(("prediction", "correct"), nominal(classes))
    return arff(f"openml_task_{task}_predictions", attributes, _rows(arrays, logits, classes))


def class_names(subset: dict[str, Any]) -> list[str]:
    """Return the names of the classes, with their numbers where two are alike."""
    names = [str(name) for name in subset["class_names"]]
    alike = len({*names}) < len(names)
    return [f"{number} {name}" for number, name in enumerate(names)] if alike else names


def _rows(
    arrays: Arrays, logits: NDArray[np.float64] | None, classes: Sequence[str]
) -> Iterator[list[Any]]:
    for replicate, predicted in enumerate(arrays["predicted_class"].tolist()):
        confidences = None if logits is None else softmax(logits[replicate]).tolist()
        images, truth = arrays["image"].tolist(), arrays["true_class"].tolist()
        for place, (image, said, true) in enumerate(zip(images, predicted, truth, strict=True)):
            own = [] if confidences is None else confidences[place]
            yield [replicate, 0, image, *own, classes[said], classes[true]]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, C) probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def description(row: Mapping[Any, Any], about: About) -> str:
    """Return description.xml of one experiment: flow, parameters, and its accuracy."""
    register_namespace("oml", NAMESPACE)
    run = Element(_tag("run"))
    for name, value in {
        "task_id": 0,
        "flow_id": 0,
        "flow_name": "metaprobe",
        "setup_string": f"{row['task_id']} {row['configuration']}, {about.slug}",
    }.items():
        SubElement(run, _tag(name)).text = str(value)
    for name in ("configuration", *defaults(), "seed"):
        if name in row and row[name] == row[name]:
            setting = SubElement(run, _tag("parameter_setting"))
            SubElement(setting, _tag("name")).text = name
            SubElement(setting, _tag("value")).text = str(row[name])
    evaluations = SubElement(SubElement(run, _tag("output_data")), _tag("evaluation"))
    SubElement(evaluations, _tag("name")).text = "predictive_accuracy"
    SubElement(evaluations, _tag("value")).text = repr(row["test_accuracy"])
    indent(run)
    return tostring(run, "unicode", xml_declaration=True) + "\n"


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
