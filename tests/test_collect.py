"""The richer tables: every scalar of every fragment, in full precision, with its type."""

import copy
import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fragments import experiment
from metaprobe.config.configurations import TARGET_COLUMNS
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_csv, write_json
from metaprobe.core.parquet import write_parquet
from metaprobe.tables.collect import Tables, collect, read_tables
from metaprobe.training.fragment import METRICS
from pandas.testing import assert_frame_equal

NAMES = ("experiments", "replicates", "curves")
EXPERIMENTS = [("Birds", "plain"), ("Birds", "fancy")]


def written(folder: Path, replicates: int = 2) -> tuple[list[dict[str, Any]], Tables]:
    """Fragments of two experiments, and the tables of them, written as a run does."""
    fragments = []
    for task_id, name in EXPERIMENTS:
        made = experiment(folder, replicates=replicates)
        fragment = made.fragment(task_id=task_id, configuration=name, family="corvids")
        write_json(folder / task_id / f"{name}.json", fragment)
        fragments.append(fragment)
    tables = collect(folder, EXPERIMENTS)
    write_csv(folder / "experiments.csv", tables.experiments)
    for name in NAMES:
        write_parquet(folder / f"{name}.parquet", getattr(tables, name))
    return fragments, tables


def scalars(fragment: dict[str, Any]) -> dict[str, Any]:
    """Flattened by another way than the schema."""
    flat = {}
    for key, value in fragment.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": one for inner, one in value.items()}
        elif not isinstance(value, list):
            flat[key] = value
    return flat


def test_everything_a_fragment_knows_is_a_column(tmp_path: Path) -> None:
    """A fact lost or rounded on its way into the table, or the 16 columns in another order."""
    fragments, _ = written(tmp_path)
    table = pq.read_table(tmp_path / "experiments.parquet")
    assert tuple(table.column_names[:16]) == TARGET_COLUMNS
    for row, fragment in zip(table.to_pylist(), fragments, strict=True):
        expected = scalars(fragment)
        assert {name: row[name] for name in expected} == expected
    assert table.schema.field("epochs").type == pa.int64()
    assert table.schema.field("family").type == pa.string()
    assert table.schema.field("alpha").type == pa.float64()
    assert table.schema.field("optimizer").type == pa.string()
    assert table.schema.field("partial").type == pa.bool_()
    assert table.schema.field("split_test_fraction").type == pa.float64()  # null in every row


def test_csv_says_what_parquet_says(tmp_path: Path) -> None:
    """Numbers rounded in one of the two, None as a text."""
    written(tmp_path)
    rows = pq.read_table(tmp_path / "experiments.parquet").to_pylist()
    with open(tmp_path / "experiments.csv", newline="") as file:
        texts = list(csv.DictReader(file))
    assert list(texts[0]) == list(rows[0])
    for text, row in zip(texts, rows, strict=True):
        assert text == {name: "" if value is None else str(value) for name, value in row.items()}


def test_spread_is_that_of_the_replicates(tmp_path: Path) -> None:
    """The deviation of a population, of one metric for another, or 0 where nothing was repeated."""
    fragments, _ = written(tmp_path, replicates=2)
    (row, _) = pq.read_table(tmp_path / "experiments.parquet").to_pylist()
    assert row["replicates"] == 2
    for name in METRICS:
        first, second = (one[name] for one in fragments[0]["replicates"])
        assert row[f"{name}_std"] == pytest.approx(abs(first - second) / 2**0.5)
    assert row["test_accuracy_low"] < row["test_accuracy"] < row["test_accuracy_high"]
    written(tmp_path, replicates=1)
    (row, _) = pq.read_table(tmp_path / "experiments.parquet").to_pylist()
    assert row["replicates"] == 1
    assert all(row[f"{name}_std"] is None for name in METRICS)


def test_replicates_and_curves_have_a_row_each(tmp_path: Path) -> None:
    """The mean in place of a replicate, or an epoch of another one."""
    fragments, _ = written(tmp_path, replicates=3)
    replicates = pq.read_table(tmp_path / "replicates.parquet").to_pylist()
    curves = pq.read_table(tmp_path / "curves.parquet").to_pylist()
    assert len(replicates) == 2 * 3
    assert len(curves) == 2 * 3 * 2
    for fragment in fragments:
        ids = {name: fragment[name] for name in ("task_id", "configuration")}
        for number, one in enumerate(fragment["replicates"]):
            own = ids | {"replicate": number, "seed": number}
            metrics = {name: one[name] for name in (*METRICS, "seconds")}
            assert any((own | metrics).items() <= row.items() for row in replicates)
            for point in one["learning_curve"]:
                assert any((own | point).items() <= row.items() for row in curves)


def test_broken_fragments_are_named(tmp_path: Path) -> None:
    """A table without the rows that could not be read."""
    fragments, _ = written(tmp_path)
    other = copy.deepcopy(fragments[0]) | {"test_accuracy": 0.123}
    write_json(tmp_path / "Birds/plain.json", other)
    with pytest.raises(UserError, match=r"plain\.json is broken"):
        collect(tmp_path, EXPERIMENTS)


def test_tables_are_read_as_they_were_collected(tmp_path: Path) -> None:
    """A report of a whole run that differs from that of a part; types lost on the way."""
    _, tables = written(tmp_path)
    again = read_tables(tmp_path)
    for name in NAMES:
        assert_frame_equal(getattr(tables, name), getattr(again, name))


def test_damaged_table_is_named(tmp_path: Path) -> None:
    """A traceback of pyarrow's that names no file."""
    written(tmp_path)
    path = tmp_path / "curves.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"curves\.parquet is broken .*delete it"):
        read_tables(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"curves\.parquet does not exist"):
        read_tables(tmp_path)
