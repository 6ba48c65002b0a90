"""docs/scope.md: what it offers in place of what users asked for is accepted by the workflow, and runs."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from checkouts import ROOT
from metaprobe.config.configurations import HYPERPARAMETERS
from metaprobe.core.parquet import write_parquet
from metaprobe.operations.flow.workflow import Workflow, read_workflow
from metaprobe.operations.snakemake_coupling import merged_configuration
from metaprobe.recommend.meta_table import read_meta_table

PAGE = (ROOT / "docs/scope.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WISHES = (
    *("vision transformer", "schedule", "Validation", "Cross-validation", "Augmentation"),
    *("GPU", "go on elsewhere", "pandas, DuckDB, R", "Two seeds"),
)


def read(files: list[Path], overrides: list[str]) -> Workflow:
    """The run that these files and settings make of the checkout's own."""
    configuration, names, folders = merged_configuration(ROOT, files, overrides)
    return read_workflow(configuration, names, folders["results"], folders["logs"])


def test_every_wish_has_an_answer() -> None:
    """A question that each second user asks, and that no page answers."""
    headings = " ".join(re.findall(r"^## (.*)", PAGE, re.MULTILINE))
    assert [wish for wish in WISHES if wish.lower() not in headings.lower()] == []
    for excluded in ("regression", "detection", "several labels"):
        assert f"| {excluded}" in PAGE


def test_every_configuration_is_accepted(tmp_path: Path) -> None:
    """An answer that the workflow refuses."""
    declared: dict[str, dict] = {}
    for language, text in BLOCKS:
        for section, entries in yaml.safe_load(text).items() if language == "yaml" else ():
            declared.setdefault(section, {}).update(entries)
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(declared), encoding="utf-8")
    run = read([mine], []).run
    assert run.configurations.keys() > declared["configurations"].keys()
    assert run.configurations["resnet18-stopped"].validation_images == 500
    assert run.grid is not None and run.grid.validation_folds == 5


def test_validation_images_choose_where_all_configurations_have_them(tmp_path: Path) -> None:
    """An example after which the test images choose."""
    (example,) = (text for language, text in BLOCKS if "patience:" in text)
    (line,) = re.findall(
        r"--config '(only_configurations=\[resnet18-long,.*)'$", PAGE, re.MULTILINE
    )
    mine = tmp_path / "mine.yaml"
    mine.write_text(example, encoding="utf-8")
    assert chosen_on(read([mine], [line]), tmp_path) == "validation"
    assert chosen_on(read([mine], []), tmp_path) == "test"


def chosen_on(flow: Workflow, folder: Path) -> str:
    """Of which images the recommenders choose, after a run on two data sets as they are declared."""
    rows = [
        dict.fromkeys(HYPERPARAMETERS)
        | {"task_id": task, "family": None, "configuration": name, "test_accuracy": 0.5}
        | {"validation_accuracy": 0.5 if one.validation_images else None}
        for task in ("MNIST", "USPS")
        for name, one in flow.run.configurations.items()
    ]
    write_parquet(folder / "experiments.parquet", pd.DataFrame(rows))
    basic = pd.DataFrame({"task_id": ["MNIST", "USPS"], "log10_images": [1.0, 2.0]})
    write_parquet(folder / "basic.parquet", basic)
    return read_meta_table(folder / "experiments.parquet", folder / "basic.parquet").chosen_on


def test_what_comes_closest_exists() -> None:
    """A setting that is recommended and that there is not."""
    config = (ROOT / "config/README.md").read_text(encoding="utf-8")
    for value in ("last_block", "last_2_blocks", "bias", "all", "cosine", "one_cycle", "step"):
        assert f"`{value}`" in PAGE and f"`{value}`" in config
    assert "  CLIPViTB32:" in (ROOT / "config/backbones-24.yaml").read_text(encoding="utf-8")


def test_another_seed_is_a_run_beside_the_first() -> None:
    """Results of one seed that are overwritten by those of another."""
    (line,) = re.findall(r"--config seed=1 '(.*)'$", PAGE, re.MULTILINE)
    flow = read([], ["seed=1", line])
    assert flow.run.settings.seed == 1
    assert (flow.results, flow.logs) == (Path("results-of-seed-1"), Path("results-of-seed-1/logs"))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose results are those of two experiments."""
    (tmp_path / "results").mkdir()
    rows = [("Digits", "a", 0.5), ("Digits", "b", 0.75)]
    table = pd.DataFrame(rows, columns=["task_id", "configuration", "test_accuracy"])
    table.to_parquet(tmp_path / "results/experiments.parquet")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("results")
def test_pandas_reads_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """An example that fails as soon as somebody follows it."""
    (example,) = (text for language, text in BLOCKS if language == "python")
    exec(example, {})
    assert "0.75" in capsys.readouterr().out


@pytest.mark.usefixtures("results")
def test_duckdb_reads_the_table() -> None:
    """The same, where DuckDB is installed."""
    duckdb = pytest.importorskip("duckdb")
    (query,) = (text for language, text in BLOCKS if language == "sql")
    assert sorted(duckdb.sql(query).fetchall()) == [("a", 0.5), ("b", 0.75)]
