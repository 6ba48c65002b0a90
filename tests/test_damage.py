"""Every kind of file of a finished run, damaged in every way: `verify --digests` names it, and no other."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from checkouts import snakemake
from metaprobe.core.errors import UserError
from metaprobe.core.parquet import write_parquet
from metaprobe.operations.flow.workflow import Workflow, read_workflow
from metaprobe.operations.snakemake_coupling import merged_configuration
from metaprobe.operations.verify.chain import walk
from metaprobe.operations.verify.proofs import Proof, proofs
from tiny_runs import TINY, checkout, host

pytestmark = pytest.mark.slow

FLIPS = 30
GRID = {"architecture": ["ResNet18"], "learning_rate": [0.01, 0.1], "epochs": [1]}
TARGETS = ("all", "sweep", "bootstrap", "arena")
CHECKED_JSON = ("sources/tints", "descriptions/Tints", "resamples/Tints", "validation")
# An example of each kind of file.
EXAMPLES = [
    *(f"{name}.json" for name in CHECKED_JSON),
    "recommendation_evaluation.json",
    "arena.json",
    "scores/Tints/ResNet18.json",
    "classifiers/ResNet18.safetensors",
    "portfolio.json",
    "metabu/scaler.json",
    "subsets/Tints.json",
    "metrics/Tints/resnet18-plain.json",
    "pictures/Tints.safetensors",
    "features/Tints/ResNet18.safetensors",
    "heads/Tints/resnet18-plain.safetensors",
    "predictions/Tints/resnet18-plain.safetensors",
    "validation/Tints/500.json",  # of the grid
    "parts/Tints/ResNet18/validation-500.safetensors",
    "sweep/Tints/ResNet18.parquet",
    "experiments.parquet",
    "replicates.parquet",
    "curves.parquet",
    "predictions.parquet",
    "sweep.parquet",
    "probes.parquet",
    "basic_representations.parquet",
    "bootstrap_representations.parquet",
    "target_representations.csv",
    "experiments.csv",
    "comparisons.csv",
    "basic_representations.csv",
    "bootstrap_representations.csv",
    "recommendation_evaluation.csv",
    "portfolio.csv",
    "arena.csv",
    "advice_evaluation.csv",
    "metabu/target_representations.csv",
    "metabu/basic_representations.csv",
    "validation.txt",
]


@dataclass(frozen=True)
class Runs:
    """A finished run, how each of its files is proved, and the results of a run with another seed."""

    flow: Workflow
    proofs: dict[str, Proof]
    other: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folders = []
    with host(tmp_path_factory.mktemp("host")) as address:
        of_both = {"grid": GRID, "bootstrap_resamples": 2}
        for changed in ({}, {"seed": 1, "only_datasets": ["Tints"]}):
            folder = tmp_path_factory.mktemp("run") / "checkout"
            checkout(folder, address, **of_both, **changed)
            result = snakemake(folder, *TARGETS, *TINY)
            assert result.returncode == 0, result.stdout
            folders.append(folder)
    here = Path.cwd()
    try:
        os.chdir(folders[0])
        configuration, files, places = merged_configuration(folders[0], [Path("tiny.yaml")], [])
        flow = read_workflow(configuration, files, *map(Path.absolute, places.values()))
        known = {name: proof for _, name, proof in proofs(flow)}
        yield Runs(flow, known, folders[1] / "results")
    finally:
        os.chdir(here)


def told(runs: Runs, name: str, content: bytes) -> list[str]:
    """What is complained of while a file has this content."""
    path = runs.flow.results / name
    sound = path.read_bytes()
    path.write_bytes(content)
    try:
        return walk(runs.flow).complaints
    finally:
        path.write_bytes(sound)


def test_an_untouched_run_is_sound_and_every_file_of_it_is_looked_at(runs: Runs) -> None:
    """An alarm about nothing, or a file that nobody proves."""
    found = walk(runs.flow)
    assert found.complaints == []
    written = {
        path.relative_to(runs.flow.results).as_posix()
        for path in runs.flow.results.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }
    for_people = {
        name
        for name in written
        if name.startswith(("report", "figures/", "arena.html", "arena_figures/"))
    }
    assert written - for_people == {
        one for one in runs.proofs if (runs.flow.results / one).exists()
    }
    assert sum(found.sound.values()) == len(written - for_people)
    assert {Path(name).parts[0] for name in EXAMPLES} == {
        Path(n).parts[0] for n in written - for_people
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_flipped_bits_are_noticed(runs: Runs, name: str) -> None:
    """A bit that rots in a file and changes a number, or ends in a traceback."""
    path = runs.flow.results / name
    sound, draws = path.read_bytes(), Random(0)
    missed = []
    try:
        for _ in range(FLIPS):
            position, bit = draws.randrange(len(sound)), 1 << draws.randrange(8)
            flipped = bytearray(sound)
            flipped[position] ^= bit
            path.write_bytes(flipped)
            try:
                runs.proofs[name](path)
            except UserError as error:
                assert str(path) in str(error)
                continue
            if name.endswith(".json") and json.loads(flipped) == json.loads(sound):
                continue  # as 1E-5 is 1e-5
            missed.append((position, bit))
    finally:
        path.write_bytes(sound)
    assert missed == []


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("damage", ["truncated", "empty", "of another run"])
def test_damage_is_named(runs: Runs, name: str, damage: str) -> None:
    """A file that is cut off, or whole but of other experiments, in a folder that is called sound."""
    sound = (runs.flow.results / name).read_bytes()
    other = (runs.other / name).read_bytes()
    content = {"truncated": sound[: len(sound) // 2], "empty": b""}.get(damage, other)
    if content == sound:
        pytest.skip("the other run wrote the same")
    complaints = told(runs, name, content)
    assert any(str(runs.flow.results / name) in one for one in complaints), complaints


def edit_json(content: bytes) -> bytes:
    found = json.loads(content)

    def more(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: one if key == "sha256" else more(one) for key, one in value.items()}
        if isinstance(value, list):
            return [more(one) for one in value]
        return value + 1 if type(value) in (int, float) else value

    return json.dumps(more(found)).encode()


def edit_csv(content: bytes) -> bytes:
    return content.replace(b"0", b"1", 1) if b"0" in content else content + b"\n"


EDITED: dict[str, Callable[[bytes], bytes]] = {
    ".json": edit_json,
    ".csv": edit_csv,
    ".txt": edit_csv,
}


@pytest.mark.parametrize("name", [one for one in EXAMPLES if Path(one).suffix in EDITED])
def test_an_edit_by_hand_is_named(runs: Runs, name: str) -> None:
    """A nicer number that somebody typed in."""
    sound = (runs.flow.results / name).read_bytes()
    edited = EDITED[Path(name).suffix](sound)
    assert edited != sound
    if name == "sources/tints.json":
        edited = sound.replace(b"45", b"46")
    complaints = told(runs, name, edited)
    assert any(str(runs.flow.results / name) in one for one in complaints), complaints


def test_a_table_that_was_written_anew_by_hand_is_named(runs: Runs) -> None:
    """A table with a digest of its own, but not of the fragments that are there."""
    import pandas as pd

    path = runs.flow.results / "experiments.parquet"
    sound = path.read_bytes()
    table = pd.read_parquet(path)
    table["test_accuracy"] = 1.0
    try:
        write_parquet(path, table, {"metrics/Tints/resnet18-plain.json": "0" * 64})
        complaints = walk(runs.flow).complaints
    finally:
        path.write_bytes(sound)
    assert any(
        "experiments.parquet was made from other files than are there" in one for one in complaints
    )


def test_an_origin_that_is_gone_is_named(runs: Runs, tmp_path: Path) -> None:
    """An experiment whose images nobody can tell any more, counted as sound."""
    subset = runs.flow.results / "subsets/Tints.json"
    kept = subset.rename(tmp_path / "subset.json")
    try:
        complaints = walk(runs.flow).complaints
    finally:
        kept.rename(subset)
    fragment = runs.flow.results / "metrics/Tints/resnet18-plain.json"
    assert f"{fragment} was made from {subset}, which is gone" in complaints
