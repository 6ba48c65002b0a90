"""Syne Tune's tabular blackboxes, as its `blackbox_repository.blackbox_tabular.deserialize` reads them.

One folder per search space: `sweep` if there is one, and `configurations`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from metaprobe.core.files import write_json, write_text
from metaprobe.publish.about import About
from metaprobe.publish.card import card
from metaprobe.publish.exports.encoding import hyperparameters
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results

OBJECTIVES = (
    *("metric_validation_accuracy", "metric_validation_loss", "metric_test_accuracy"),
    *("metric_test_loss", "metric_elapsed_time"),
)
MEASURED = ("validation_accuracy", "validation_loss", "test_accuracy", "test_loss")
FIDELITY = "hp_epoch"
FORM = """\
In the form of Syne Tune: `blackbox_tabular.deserialize("<this folder>/configurations")`, and `sweep` if there is \
one, gives a blackbox per data set. Its fidelity is the epoch; its objectives are accuracies and losses on the \
validation and test images, not a number where nothing was measured, and seconds until then: of `configurations` \
with the features of the training images, of `sweep` CPU seconds of the head alone. Hyperparameters that do not \
vary are left out. The reader needs fastparquet."""


def write(results: Results, licences: Licences, about: About, folder: Path) -> None:
    """Write a blackbox of the configurations and, where there is one, of the sweep."""
    write_blackbox(folder / "configurations", results.tasks, *of_configurations(results))
    if results.sweep is not None:
        tasks = list(dict.fromkeys(results.sweep.task_id))
        write_blackbox(folder / "sweep", tasks, *of_sweep(results.sweep, tasks))
    write_text(folder / "README.md", card(results, licences, about, folder, FORM))


def of_configurations(results: Results) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Return the hyperparameters of C configurations, and (T, C, replicates, epochs, objectives)."""
    rows, curves = results.experiments, results.tables.curves
    names = hyperparameters(rows)
    first = rows.drop_duplicates("configuration").set_index("configuration")
    table = first[names].copy() if names else first[[]].assign(configuration=first.index)
    if table.duplicated().any() or not names:
        table["configuration"] = table.index
    shape = (
        len(results.tasks),
        len(table),
        int(curves.replicate.max()) + 1,
        int(curves.epoch.max()),
    )
    places = (
        curves.task_id.map({name: n for n, name in enumerate(results.tasks)}),
        curves.configuration.map({name: n for n, name in enumerate(table.index)}),
        curves.replicate,
        curves.epoch - 1,
    )
    known = rows.set_index(["task_id", "configuration"])[["seconds_train_features", "seconds_head"]]
    own = known.loc[pd.MultiIndex.from_frame(curves[["task_id", "configuration"]])].to_numpy()
    last = curves.groupby(["task_id", "configuration", "replicate"]).epoch.transform("max")
    seconds = own[:, 0] + own[:, 1] * (curves.epoch / last).to_numpy()
    values = np.column_stack([curves[list(MEASURED)].to_numpy(np.float64), seconds])
    return table.reset_index(drop=True), scatter(shape, places, values)


def of_sweep(sweep: pd.DataFrame, tasks: list[str]) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Return the same of the grid; its replicates are the seeds of the sweep."""
    names = hyperparameters(sweep)
    table = sweep[names].drop_duplicates(ignore_index=True)
    entry = {key: n for n, key in enumerate(table.itertuples(index=False, name=None))}
    seeds = {seed: n for n, seed in enumerate(sorted(sweep.seed.unique().tolist()))}
    lengths = sweep.epoch_test_accuracy.map(_length).to_numpy()
    each = np.repeat(np.arange(len(sweep)), lengths)
    epoch = np.concatenate([np.arange(n) for n in lengths])
    keys = list(sweep[names].itertuples(index=False, name=None))
    at = np.array(
        [
            [tasks.index(task), entry[key], seeds[seed]]
            for task, key, seed in zip(sweep.task_id, keys, sweep.seed, strict=True)
        ]
    )
    columns = [_flat(sweep[f"epoch_{name}"], lengths) for name in MEASURED]
    seconds = sweep.seconds.to_numpy()[each] * (epoch + 1) / lengths[each]
    shape = (len(tasks), len(table), len(seeds), int(lengths.max(initial=1)))
    places = (*at[each].T, epoch)
    return table, scatter(shape, places, np.column_stack([*columns, seconds]))


def _length(values: Any) -> int:
    return 0 if values is None else len(values)


def _flat(lists: pd.Series, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return all items of lists, as many NaN as there are epochs where a list is absent."""
    parts = (
        np.asarray(one, np.float64) if _length(one) == n else np.full(n, np.nan)
        for one, n in zip(lists, lengths, strict=True)
    )
    return np.concatenate([*parts, np.zeros(0)])


def scatter(
    shape: tuple[int, ...], places: tuple[Any, ...], values: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return an array of NaN with (N, objectives) values put at N places."""
    made = np.full((*shape, len(OBJECTIVES)), np.nan, np.float32)
    made[tuple(np.asarray(one, np.int64) for one in places)] = values
    return made


def write_blackbox(
    folder: Path, tasks: list[str], table: pd.DataFrame, evaluations: NDArray[np.float32]
) -> None:
    """Write the files of one blackbox."""
    folder.mkdir()
    # pandas' own metadata would name versions and an index; the reader's engine wants gzip or snappy
    content = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(content, folder / "hyperparameters.parquet", compression="gzip")
    np.save(folder / "objectives_evaluations.npy", evaluations, allow_pickle=False)
    epochs = evaluations.shape[3]
    np.save(folder / "fidelities_values.npy", np.arange(1, epochs + 1), allow_pickle=False)
    write_json(folder / "configspace.json", dict(domains(table)))
    write_json(folder / "fidelityspace.json", {FIDELITY: integers(1, epochs)})
    names = {"objectives_names": list(OBJECTIVES), "task_names": tasks}
    goals = {"metric_mode": "max", "elapsed_time_attr": OBJECTIVES[-1]}
    write_json(folder / "metadata.json", {**names, **goals, "resource_attr": FIDELITY})


def domains(table: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each hyperparameter and its values, as Syne Tune writes a choice."""
    for name in table:
        categories = sorted(table[name].unique().tolist())
        yield str(name), _domain("Categorical", {"categories": categories})


def integers(lower: int, upper: int) -> dict[str, Any]:
    """Return a range of integers, as Syne Tune writes it."""
    return _domain("Integer", {"lower": lower, "upper": upper})


def _domain(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "domain_cls": kind,
        "domain_kwargs": arguments,
        "sampler_cls": "Uniform",
        "sampler_kwargs": {},
    }
