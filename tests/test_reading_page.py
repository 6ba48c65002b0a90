"""docs/reading.md as it is given: each snippet is run, and the installation in an environment of its own."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import metaprobe
import pandas as pd
import pytest
from checkouts import ROOT
from planted_results import EXPERIMENTS, write_results

PAGE = (ROOT / "docs/reading.md").read_text(encoding="utf-8")
NEEDED = {"space": "ConfigSpace", "duckdb": "duckdb"}
TELL = """
import importlib.util, metaprobe
lacking = [name for name in {unwanted} if importlib.util.find_spec(name)]
results = metaprobe.load({folder!r})
for ids in {experiments}:
    print(*ids, *map(repr, map(float, results.query(*ids))), *results.query(*ids, epoch=2), sep=",")
print(lacking, len(results.folds(3)))
print(results.space())
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Planted results without a sweep, called `results` in the current folder."""
    folder = write_results(tmp_path_factory.mktemp("page") / "results")
    shutil.rmtree(folder / "sweep")
    (folder / "sweep.parquet").unlink()
    return folder


def snippets(language: str) -> list[str]:
    """What the page gives to be typed."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(1, len(snippets("python"))))
def test_snippet_runs(results: Path, monkeypatch, capsys, number: int) -> None:
    """A snippet that fails where it is pasted after the first, or that prints nothing."""
    text = snippets("python")[number]
    for sign, package in NEEDED.items():
        if sign in text and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(results.parent)
    names: dict = {}
    exec(snippets("python")[0] + text, names)
    said = capsys.readouterr().out
    assert said.count("resnet18-plain") >= 2


def test_query_snippet_says_what_the_table_says(results: Path) -> None:
    """Hyperparameters that find another configuration than the page means."""
    found = metaprobe.load(results)
    chosen = {"architecture": "ResNet18", "learning_rate": 0.01, "optimizer": "Adam"}
    assert found.query("Digits", chosen) == found.query("Digits", "resnet18-plain")


def test_r_reads_the_tables(results: Path) -> None:
    """A table that R cannot open."""
    (program,) = snippets("r")
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    if subprocess.run(["Rscript", "-e", "library(arrow)"], capture_output=True).returncode:
        pytest.skip("R has no package arrow")
    command = ["Rscript", "-e", program]
    done = subprocess.run(command, cwd=results.parent, capture_output=True, text=True, check=True)
    assert "resnet18-plain" in done.stdout


@pytest.mark.slow
def test_reader_alone_in_a_fresh_environment(results: Path, tmp_path: Path) -> None:
    """A reader that needs torch, Snakemake, a checkout, or a file that is not installed with it."""
    python, checkout = tmp_path / "fresh/bin/python", tmp_path / "checkout"
    shutil.copytree(ROOT / "workflow", checkout / "workflow", ignore=lambda *_: {"__pycache__"})
    for name in ("pyproject.toml", "README.md", "Snakefile"):
        shutil.copy(ROOT / name, checkout)
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    assert [line.split("#")[0].split() for line in snippets("bash")[0].splitlines()] == [
        ["pip", "install", "."],
        ["pip", "install", '".[space]"'],
    ]
    for command in (
        [sys.executable, "-m", "venv", str(tmp_path / "fresh")],
        [*install, ".[space]"],
    ):
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no fresh environment: {' '.join(done.stderr.split())[-200:]}")
    unwanted = ("torch", "snakemake", "pydantic", "sklearn", "matplotlib", "psutil", "yaml")
    program = TELL.format(folder=str(results), experiments=EXPERIMENTS, unwanted=unwanted)
    done = subprocess.run(
        [str(python), "-c", program],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, last = done.stdout[: done.stdout.index("Configuration space")].splitlines()
    assert last == "[] 3"
    table = pd.read_csv(results / "experiments.csv").set_index(["task_id", "configuration"])
    for ids, line in zip(EXPERIMENTS, lines, strict=True):
        row, found = table.loc[ids], line.split(",")
        assert tuple(found[:2]) == ids
        expected = [row.validation_accuracy, row.test_accuracy, row.training_time_sec]
        assert list(map(float, found[2:5])) == expected
    command = [str(python), "-m", "metaprobe", "status", "--checkout", str(checkout)]
    done = subprocess.run(
        command, cwd=checkout, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert 'pip install --editable ".[workflow]"' in done.stderr
