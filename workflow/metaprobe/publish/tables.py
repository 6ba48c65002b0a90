"""The tables of a release, as Parquet and as CSV, and what of single images may go with them."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from metaprobe.core.arrays import read_arrays
from metaprobe.core.files import write_csv
from metaprobe.core.parquet import check_parquet, parquet_writer, write_parquet
from metaprobe.data.subset import read_subset
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import PARTIAL_TABLE, Results
from metaprobe.tables.collect import target_table
from metaprobe.tables.predictions import SCHEMA, write_predictions

COPIED = (
    *("target_representations.csv", "experiments.csv", "experiments.parquet"),
    *("replicates.parquet", "curves.parquet", "sweep.parquet", "comparisons.csv"),
    *("basic_representations.csv", "basic_representations.parquet"),
    *("bootstrap_representations.csv", "bootstrap_representations.parquet"),
    *("recommendation_evaluation.csv", "recommendation_evaluation.json"),
    *("portfolio.csv", "portfolio.json", "arena.csv", "arena.json", "advice_evaluation.csv"),
    *("validation.json", "validation.txt"),
)
PER_HEAD = ("replicates", "curves")


def write_tables(results: Results, folder: Path) -> None:
    """Write what the run has of tables about whole data sets; none of them tells of a single image."""
    if results.partial:
        write_csv(folder / PARTIAL_TABLE, target_table(results.experiments))
        write_csv(folder / "experiments.csv", results.experiments)
        for name in ("experiments", *PER_HEAD):
            table = getattr(results.tables, name)
            write_parquet(folder / f"{name}.parquet", table, results.tables.made_from)
    else:
        copy(results.folder, folder, COPIED)
    for name in PER_HEAD:
        write_csv(folder / f"{name}.csv", getattr(results.tables, name))


def write_per_image(
    results: Results, licences: Licences, folder: Path, *, features: bool = False
) -> None:
    """Write what is about single images, of the data sets whose licences allow it.

    Raises:
        UserError: a file is not as it was written; it is named.
    """
    write_allowed_predictions(results, licences, folder / "predictions.parquet")
    for path, task in of_images(results.folder, features=features):
        if licences.is_open(task):
            # no table names these by their digests, so that they are proved by their own
            (read_arrays if path.suffix == ".safetensors" else read_subset)(path)
            copy(results.folder, folder, [path.relative_to(results.folder).as_posix()])


def of_images(folder: Path, *, features: bool) -> Iterator[tuple[Path, str]]:
    """Yield each file of a subset and, if asked for, of features, and its data set."""
    for path in sorted(folder.glob("subsets/*.json")):
        yield path, path.stem
    for path in sorted(folder.glob("features/*/*.safetensors")) if features else ():
        yield path, path.parent.name


def write_allowed_predictions(results: Results, licences: Licences, path: Path) -> None:
    """Write the rows of predictions that may be passed on; no file if there are none."""
    allowed = [task for task in results.tasks if licences.is_open(task)]
    source = results.folder / "predictions.parquet"
    if not allowed:
        return
    if results.partial:
        ids = results.experiments[["task_id", "configuration"]].itertuples(index=False, name=None)
        experiments = [(task, name) for task, name in ids if task in allowed]
        write_predictions(path, results.folder / "predictions", experiments)
    elif source.is_file() and len(allowed) == len(results.tasks):
        shutil.copyfile(source, path)
    elif source.is_file():
        write_rows_of(source, path, allowed)


def write_rows_of(source: Path, path: Path, tasks: Iterable[str]) -> None:
    """Copy the row groups of these tasks, one at a time."""
    import pyarrow.parquet as pq

    made_from = check_parquet(source)
    with pq.ParquetFile(source) as file, parquet_writer(path, SCHEMA, made_from) as writer:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number)
            if rows["task_id"][0].as_py() in tasks:
                writer.write_table(rows, row_group_size=len(rows))


def copy(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy those of the files that are there."""
    for name in names:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
