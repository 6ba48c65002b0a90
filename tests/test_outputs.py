"""docs/outputs.md against the files of a real run with replicates, and that run's validation."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from checkouts import ROOT, TINY, run_tiny, snakemake
from metaprobe.core.arrays import read_arrays
from metaprobe.tables.checks import CHECKS

pytestmark = pytest.mark.slow  # Whole runs of the workflow.
PAGE = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
CONFIGURATIONS = ["resnet18-plain", "resnet18-regularized"]
FEW = {
    "only_configurations": CONFIGURATIONS,
    "described_by": ["ResNet18"],
    "replicates": 2,
    "train_images": 9,
    "test_images": 6,
}
TYPES = {"string": "text", "int32": "integer", "int64": "integer", "uint64": "integer"}
TYPES |= {"double": "number", "bool": "true/false"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A checkout in which a run of two replicates has ended well."""
    folder = tmp_path_factory.mktemp("outputs")
    run_tiny(folder, **FEW)
    return folder


def sections() -> dict[str, str]:
    """Path as in the heading → text of its section."""
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", heading), text)
    return found


def rows(path: str, table: int = 0) -> dict[str, str]:
    """Name → type in a table of a section."""
    tables = re.findall(r"(?:^\|.*\n)+", sections()[path], re.MULTILINE)
    lines = re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", tables[table], re.MULTILINE)
    assert len(lines) == len(dict(lines)) == tables[table].count("\n") - 2
    return dict(lines)


def named(pattern: dict[str, str], names: list[str]) -> dict[str, str]:
    """The documented names, `versions_<library>` as the libraries there are."""
    described = {}
    for name, kind in pattern.items():
        expression = re.sub("<[a-z]+>", ".+", name)
        described |= dict.fromkeys((n for n in names if re.fullmatch(expression, n)), kind)
        assert any(re.fullmatch(expression, n) for n in names), f"{name} is in no file"
    return described


def test_every_file_is_described(finished: Path) -> None:
    """A file that nobody can make sense of."""
    patterns = [
        re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(path)).replace("…", ".+")
        for path in [*sections(), "target_representations.partial.csv", "report.partial.html"]
    ]
    results = finished / "results"
    for file in results.glob("**/*"):
        path = file.relative_to(results).as_posix()
        if file.is_file() and not file.name.startswith("."):
            assert any(re.fullmatch(pattern, path) for pattern in patterns), path


def parquet(path: Path) -> dict[str, str]:
    return {field.name: TYPES[str(field.type)] for field in pq.read_schema(path)}


@pytest.mark.parametrize("name", ["replicates", "curves", "predictions"])
def test_columns_of_parquet_are_described(finished: Path, name: str) -> None:
    """A column, or a type, that the page does not know; one that is no more; another order."""
    found = parquet(finished / f"results/{name}.parquet")
    assert list(found.items()) == list(rows(f"{name}.parquet").items())


def test_columns_of_the_experiments_are_described(finished: Path) -> None:
    """The same, and a CSV with other columns."""
    found = parquet(finished / "results/experiments.parquet")
    described = rows("target_representations.csv") | named(rows("experiments.parquet"), list(found))
    assert list(found.items()) == list(described.items())
    with open(finished / "results/experiments.csv", newline="") as file:
        assert next(csv.reader(file)) == list(described)


@pytest.mark.parametrize("name", ["target_representations", "comparisons"])
def test_columns_of_csv_are_described(finished: Path, name: str) -> None:
    """The same."""
    kinds = rows(f"{name}.csv")
    frame = pd.read_csv(finished / f"results/{name}.csv")
    assert list(frame.columns) == list(kinds)
    for column, kind in kinds.items():
        if frame[column].notna().any():
            assert pd.api.types.is_numeric_dtype(frame[column]) == (kind != "text"), column


def test_keys_of_json_are_described(finished: Path) -> None:
    """The same of subsets, fragments and the validation."""

    def keys(path: str) -> list[str]:
        return list(json.loads((finished / "results" / path).read_text()))

    assert keys("subsets/Tints.json") == list(rows("subsets/{dataset}.json"))
    assert keys("validation.json") == list(rows("validation.json"))
    for name in ("recommendation_evaluation.json", "portfolio.json"):
        assert keys(name) == list(rows(name))
    columns = list(pd.read_csv(finished / "results/portfolio.csv"))
    assert columns == list(rows("portfolio.csv", table=1))
    fragment = json.loads((finished / "results/metrics/Tints/resnet18-plain.json").read_text())
    lists = [key for key, value in fragment.items() if isinstance(value, list)]
    assert lists == list(rows("metrics/{dataset}/{configuration}.json"))
    columns = list(pd.read_csv(finished / "results/experiments.csv"))
    flat: dict[str, Any] = {}
    for key, value in fragment.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": one for inner, one in value.items()}
        elif key not in lists:
            flat[key] = value
    assert flat.keys() <= set(columns[: columns.index("sha256") + 1])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("features/{dataset}/{architecture}.safetensors", "features/Tints/ResNet18"),
        ("heads/{dataset}/{configuration}.safetensors", "heads/Tints/resnet18-plain"),
        ("predictions/{dataset}/{configuration}.safetensors", "predictions/Tints/resnet18-plain"),
    ],
)
def test_arrays_and_facts_are_described(finished: Path, pattern: str, path: str) -> None:
    """The same of safetensors, and an array of another type or rank."""
    arrays, facts = read_arrays(finished / f"results/{path}.safetensors")
    kinds = rows(pattern)
    assert arrays.keys() == kinds.keys()
    for name, kind in kinds.items():
        dtype, axes = kind.split(" ", 1)
        assert (arrays[name].dtype.name, arrays[name].ndim) == (dtype, axes.count(",") + 1)
    text = sections()[pattern].partition("Facts: ")[2].partition("\n\n")[0]
    outside = re.sub(r"\([^)]*\)", "", text)
    assert set(re.findall(r"`(\w+)`", outside)) == facts.keys()


def test_every_check_is_described() -> None:
    """A check that nobody can look up, or with another severity."""
    found = {check.__name__: severity for check, severity in CHECKS.items()}
    assert rows("validation.json", table=1) == found


def test_example_of_the_page_runs(finished: Path, monkeypatch, capsys) -> None:
    """An example that fails, or that does not say what it claims to."""
    monkeypatch.chdir(finished)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert "resnet18-plain" in capsys.readouterr().out


def test_tables_of_a_run_agree(finished: Path) -> None:
    """Replicates of one table that are not those of another."""
    results = finished / "results"
    table = pd.read_csv(results / "target_representations.csv")
    experiments = pd.read_csv(results / "experiments.csv")
    replicates = pd.read_parquet(results / "replicates.parquet")
    predictions = pd.read_parquet(results / "predictions.parquet")
    ids = ["task_id", "configuration"]
    pd.testing.assert_series_equal(table.test_loss, experiments.test_loss.round(4))
    assert (experiments.replicates == 2).all()
    means = replicates.groupby(ids, sort=False).test_accuracy.mean()
    right = predictions.predicted_class == predictions.true_class
    measured = right.groupby([predictions[name] for name in ids], sort=False).mean()
    for found in (means, measured):
        assert list(found) == pytest.approx(list(experiments.test_accuracy))
    assert (experiments.test_loss_std > 0).all()


def test_table_that_cannot_be_right_fails_the_run(checkout: Path) -> None:
    """A wrong table that stays unnoticed, or whose findings are lost with the failed job."""
    path = checkout / "results/target_representations.csv"
    sound = path.read_text()
    lines = sound.splitlines()
    lines[2] = lines[1]
    path.write_text("\n".join(lines) + "\n")
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    fault = "every_experiment_once: line 3, Digits, resnet18-plain: it is there already"
    assert fault in result.stdout
    assert "every_experiment_once: Digits, resnet18-regularized: it has no row" in result.stdout
    assert "4 of 4 experiments are finished" in result.stdout
    assert "Traceback" not in result.stdout
    report = json.loads((checkout / "results/validation.json").read_text())
    found = {one["name"]: len(one["findings"]) for one in report["checks"]}
    assert found["every_experiment_once"] == 2
    assert not (checkout / "results/validation.txt").exists()
    path.unlink()
    result = snakemake(checkout, *TINY)
    assert result.returncode == 0, result.stdout
    assert path.read_text() == sound
