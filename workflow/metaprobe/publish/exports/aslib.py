"""An ASlib scenario: configurations are the algorithms, data sets the instances, meta-features their features.

Bischl et al., ASlib: A benchmark library for algorithm selection, Artificial Intelligence 237, 2016.
"""

from pathlib import Path
from typing import Any

import yaml

from metaprobe.core.errors import UserError
from metaprobe.core.files import write_text
from metaprobe.publish.about import About, citation
from metaprobe.publish.card import card
from metaprobe.publish.exports.arff import arff, nominal
from metaprobe.publish.exports.parts import fold_of
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results

MEASURES = {
    "test_accuracy": True,
    "test_loss": False,
    "training_time_sec": False,
}  # -> more is better
STEP = "description"  # all meta-features come from one
STATES = nominal(("ok", "timeout", "memout", "not_applicable", "crash", "other"))
FEATURE_STATES = nominal(("ok", "timeout", "memout", "presolved", "crash", "other"))
FORM = """\
In the form of ASlib. Algorithms are configurations, instances are data sets, features are the meta-features \
of each; `cv.arff` keeps families of data sets together. The first measure, to be maximised, is the test accuracy."""
INSTANCE = {"instance_id": "STRING", "repetition": "NUMERIC"}


def write(results: Results, licences: Licences, about: About, folder: Path) -> None:
    """Write the files of a scenario.

    Raises:
        UserError: there are no meta-features, or not each data set has been tried with each configuration.
    """
    features = results.meta_features
    if features is None or not {*results.tasks} <= {*features.task_id}:
        raise UserError(
            f"{results.folder} has no basic_representations.parquet of all its data sets: an ASlib"
            " scenario needs their meta-features; finish the run"
        )
    whole = len(results.tasks) * len(results.configurations)
    if len(results.experiments) != whole:
        raise UserError(
            f"{results.folder} has {len(results.experiments)} of {whole} experiments: an ASlib"
            " scenario needs each configuration on each data set; finish the run"
        )
    features = features.set_index("task_id").loc[results.tasks]
    names = [str(name) for name in features]
    texts = {
        "description.txt": yaml.safe_dump(description(results, about, names), sort_keys=False),
        "algorithm_runs.arff": runs(results),
        "feature_values.arff": values(features),
        "feature_runstatus.arff": states(results.tasks),
        "cv.arff": folds(results),
        "citation.bib": bibliography(about),
        "CITATION.cff": citation(about),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_text(folder / "readme.txt", card(results, licences, about, folder, FORM))


def description(results: Results, about: About, features: list[str]) -> dict[str, Any]:
    """Return what description.txt says."""
    return {
        "scenario_id": about.slug,
        "performance_measures": list(MEASURES),
        "maximize": list(MEASURES.values()),
        "performance_type": ["solution_quality", "solution_quality", "runtime"],
        "algorithm_cutoff_time": "?",
        "algorithm_cutoff_memory": "?",
        "features_cutoff_time": "?",
        "features_cutoff_memory": "?",
        "features_deterministic": features,
        "features_stochastic": [],
        "algorithm_features_deterministic": [],
        "algorithm_features_stochastic": [],
        "number_of_feature_steps": 1,
        "default_steps": [STEP],
        "feature_steps": {STEP: {"provides": features}},
        "metainfo_algorithms": {
            name: {"configuration": "", "deterministic": True} for name in results.configurations
        },
    }


def runs(results: Results) -> str:
    """Return algorithm_runs.arff; of several replicates the means, as the table has them."""
    ids = {**INSTANCE, "algorithm": "STRING"}
    attributes = ids | dict.fromkeys(MEASURES, "NUMERIC") | {"runstatus": STATES}
    columns = results.experiments[["task_id", "configuration", *MEASURES]]
    rows = ([task, 1, name, *rest, "ok"] for task, name, *rest in columns.values.tolist())
    return arff("ALGORITHM_RUNS", attributes, rows)


def values(features: Any) -> str:
    """Return feature_values.arff."""
    attributes = INSTANCE | dict.fromkeys(map(str, features), "NUMERIC")
    rows = (
        [task, 1, *row] for task, row in zip(features.index, features.values.tolist(), strict=True)
    )
    return arff("FEATURE_VALUES", attributes, rows)


def states(tasks: list[str]) -> str:
    """Return feature_runstatus.arff: all could be computed."""
    return arff(
        "FEATURE_RUNSTATUS", INSTANCE | {STEP: FEATURE_STATES}, ([t, 1, "ok"] for t in tasks)
    )


def folds(results: Results) -> str:
    """Return cv.arff: one repetition, families in one fold."""
    rows = ([task, 1, fold] for task, fold in fold_of(results).items())
    return arff("CV", INSTANCE | {"fold": "NUMERIC"}, rows)


def bibliography(about: About) -> str:
    """Return citation.bib."""
    fields = {
        "title": f"{{{about.title}}}",
        "author": " and ".join(f"{{{name}}}" for name in about.authors),
        "year": str(about.released.year),
        "version": about.version,
    } | ({"doi": about.doi} if about.doi else {})
    lines = (f"  {name} = {{{value}}}," for name, value in fields.items())
    return "\n".join([f"@misc{{{about.slug},", *lines, "}"]) + "\n"
