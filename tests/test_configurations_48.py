"""The 48 shared configurations: reproducible, the six among them, their effects separable."""

import itertools
import runpy
import subprocess
import sys

import numpy as np
import pytest
import yaml
from checkouts import ROOT
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly

FILE = ROOT / "config/configurations-48.yaml"
SCRIPT = ROOT / "benchmarks/draw_configurations.py"


@pytest.fixture(scope="module")
def drawn() -> dict:
    return yaml.safe_load(FILE.read_text())["configurations"]


def test_documented_command_writes_the_file() -> None:
    """A design that nobody can draw again, or that was edited by hand."""
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    assert result.stdout == FILE.read_text()


def test_the_six_come_first_and_are_the_same(drawn) -> None:
    """Experiments of the six run again, or their rows moved."""
    six = yaml.safe_load((ROOT / "config/configurations.yaml").read_text())["configurations"]
    assert dict(itertools.islice(drawn.items(), 6)) == six
    assert len(drawn) == 48
    assert len({tuple(sorted(one.items())) for one in drawn.values()}) == 48
    for architecture in ("ResNet18", "EfficientNetB0", "MobileNetV2"):
        assert sum(one["architecture"] == architecture for one in drawn.values()) == 16


def test_no_two_factors_change_together(drawn) -> None:
    """The fault of the six: learning rate and regularisation cannot be told apart."""
    script = runpy.run_path(str(SCRIPT))
    rows = [
        {name: one.get(name, script["default"](name)) for name in script["LEVELS"]}
        | ({"optimizer": "SGD with momentum"} if one.get("momentum") else {})
        for one in drawn.values()
    ]
    columns = script["coded"]({name: [row[name] for row in rows] for name in script["LEVELS"]})
    for first, second in itertools.combinations(columns, 2):
        both = np.hstack([columns[first], columns[second]])
        width = columns[first].shape[1]
        correlation = np.abs(np.corrcoef(both, rowvar=False)[:width, width:]).max()
        forced = {first, second} == {"optimizer", "epochs"}  # six of the eight Adams have 3 epochs
        assert correlation < (0.3 if forced else 0.1), (first, second)


def test_it_is_a_valid_run() -> None:
    """A level that the schema refuses, or an id that is none."""
    files = [
        ROOT / f"config/{name}.yaml"
        for name in ("config", "datasets", "backbones", "configurations")
    ]
    files.append(FILE)
    config: dict = {}
    for file in files:
        for key, value in read_strictly(file).items():
            config[key] = {**config[key], **value} if isinstance(config.get(key), dict) else value
    run = load_run(config, map(str, files))
    assert len(run.configurations) == 48
    assert len(run.datasets) == 30
