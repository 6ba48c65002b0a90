"""`metaprobe fit`: which configuration, and a model as a user makes it and takes it elsewhere."""

import copy
import csv
import importlib.util
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT, TINY, ask, copy_tiny, planned, snakemake
from entries import WRITTEN_BACKBONES
from metaprobe.config.datasets import Entry, Folder
from metaprobe.config.layout import MODEL_FILES
from metaprobe.config.load import load_run
from metaprobe.core.arrays import read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_checked_json
from metaprobe.demo.photographs import write_pieces
from metaprobe.operations import beforehand
from metaprobe.operations.fitting import choose
from metaprobe.operations.flow.targets import model_files
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.planning.costs import Job

CONFIG: dict[str, Any] = {
    "backbones": WRITTEN_BACKBONES,
    "datasets": {"One": {"kind": "folder", "classes": 2}},
    "configurations": {
        name: {"architecture": "ResNet18", "learning_rate": 0.1} for name in ("plain", "regular")
    },
}
DECLARED = list(CONFIG["configurations"])


@pytest.fixture
def flow(tmp_path: Path) -> Workflow:
    """Of a run with a new data set."""
    new: dict[str, Entry] = {"New": Folder(kind="folder", path="/my pictures", classes=2)}
    run = load_run(copy.deepcopy(CONFIG), [])
    return Workflow(replace(run, new=new), tmp_path, tmp_path / "logs")


def write(flow: Workflow, kind: str, content: Any) -> None:
    (flow.results / kind).mkdir(exist_ok=True)
    write_checked_json(flow.results / kind / "New.json", content)


def test_named_configuration_goes_before_all(flow: Workflow) -> None:
    """A wish that is overruled; a name with a slip that nobody is told of."""
    write(flow, "advice", {"configuration": "regular"})
    assert choose(flow, DECLARED, "plain", advised=False)[0] == "plain"
    with pytest.raises(UserError, match=r"^--configuration: plian is not declared.*mean plain"):
        choose(flow, DECLARED, "plian", advised=False)


def test_advice_goes_before_a_recommendation(flow: Workflow) -> None:
    """A guess from a table where trials on the very pictures are there."""
    write(flow, "recommendations", {"configurations": [{"rank": 1, "configuration": "plain"}]})
    assert choose(flow, DECLARED, None, advised=False)[0] == "plain"
    with pytest.raises(UserError, match=r"ask first: metaprobe advise '/my pictures'$"):
        choose(flow, DECLARED, None, advised=True)
    write(flow, "advice", {"configuration": "regular"})
    for advised in (False, True):
        name, why = choose(flow, DECLARED, None, advised=advised)
        assert name == "regular" and why.startswith("advised: ")


def test_nothing_said_names_both_ways(flow: Workflow) -> None:
    """A configuration that nobody has chosen."""
    with pytest.raises(UserError, match=r"--configuration ID; there are plain, regular.*--advised"):
        choose(flow, DECLARED, None, advised=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"configuration": "other"}, "other is not declared in configurations; give the same"),
        ({"best": "plain"}, "is broken .it names no configuration"),
        ({"configuration": ["plain"]}, "is not declared in configurations; give the same"),
    ],
)
def test_advice_that_cannot_be_followed_is_explained(
    flow: Workflow, content: Any, reason: str
) -> None:
    """A traceback for advice of another run's configurations."""
    write(flow, "advice", content)
    with pytest.raises(UserError, match=reason):
        choose(flow, DECLARED, None, advised=True)


def test_damaged_advice_is_not_followed(flow: Workflow) -> None:
    """A configuration that nobody has advised, as somebody has edited the file."""
    write(flow, "advice", {"configuration": "regular"})
    file = flow.results / "advice/New.json"
    file.write_text(file.read_text().replace("regular", "plain"))
    with pytest.raises(UserError, match=r"New\.json is broken .its content does not match"):
        choose(flow, DECLARED, None, advised=True)


def test_advice_for_another_folder_of_the_same_name_is_refused(flow: Workflow) -> None:
    """A model of one's birds by what was tried on somebody else's."""
    write(flow, "advice", {"configuration": "regular", "folder": "/other/my pictures"})
    for advised in (False, True):
        with pytest.raises(
            UserError,
            match=r"is for the pictures in /other/my pictures, and not .* in /my pictures",
        ):
            choose(flow, DECLARED, None, advised=advised)
    write(flow, "advice", {"configuration": "regular", "folder": "/my pictures/../my pictures"})
    assert choose(flow, DECLARED, None, advised=True)[0] == "regular"


def test_advice_that_was_not_tried_says_so(flow: Workflow) -> None:
    """A guess that passes for something found on these pictures."""
    for trained, expected in ((False, "advised, not tried yet: "), (True, "advised: ")):
        write(flow, "advice", {"configuration": "regular", "trained": trained})
        assert choose(flow, DECLARED, None, advised=True)[1].startswith(expected)


def test_missing_package_is_told_before_anything_starts(
    flow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute of training, and then no model; or a complaint about what --sdm conda brings."""
    jobs = [Job("train_head", "New/plain"), Job("export_model", "New/plain")]
    found = importlib.util.find_spec
    monkeypatch.setattr(
        beforehand.importlib.util, "find_spec", lambda one: None if one == "onnx" else found(one)
    )
    with pytest.raises(
        UserError, match=r'^export: onnx is not installed: pip install --editable "\.\[export\]"$'
    ):
        beforehand.check_machine(flow, jobs, here=True)
    beforehand.check_machine(flow, jobs, here=True, packages=False)
    beforehand.check_machine(flow, jobs[:1], here=True)


def test_model_needs_one_data_set_and_one_configuration(flow: Workflow) -> None:
    """A model of whatever comes first."""
    with pytest.raises(SystemExit, match="fit what"):
        model_files(flow)
    one = {"plain": flow.run.configurations["plain"]}
    chosen = replace(flow, run=replace(flow.run, configurations=one))
    assert model_files(chosen)[-1] == "<results>/models/New/plain/card.json"
    assert chosen.alone().experiments == [("New", "plain")]


# As a user does it.

TUNED = {"architecture": "ResNet18", "learning_rate": 0.01, "trainable": "last_block"}
SETTINGS = {
    "only_datasets": ["Digits"],
    "only_configurations": ["resnet18-plain", "resnet18-regularized"],
    "weights": "random",
    "pathvars": {"results": "results", "logs": "results/logs"},
    "datasets": {"Digits": {"kind": "embedded", "class": "handwritten_digits", "classes": 10}},
    "configurations": {"tuned": TUNED, "tuned-longer": TUNED | {"epochs": 4}},
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a model of a folder of pictures has been made."""
    folder = copy_tiny(tmp_path_factory.mktemp("fit") / "checkout")
    write_pieces(folder / "Two photographs")
    (folder / "tiny.yaml").write_text(json.dumps(SETTINGS), encoding="utf-8")
    done = fit(folder, "--configuration", "resnet18-plain")
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout and "Two_photographs/resnet18-plain" in done.stdout
    return folder


def fit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ask(folder, "fit", "Two photographs", *arguments, *TINY, package=folder)


def target(configuration: str) -> tuple[str, ...]:
    """What `metaprobe fit` asks of Snakemake."""
    config = ("new_dataset=Two photographs", f"only_configurations=[{configuration}]")
    return (*TINY, "--config", *config, "--", "fit")


@pytest.mark.slow
def test_model_is_made_once_and_enters_no_table(fitted: Path) -> None:
    """A table that one's own pictures are in; a second training of the same."""
    results = fitted / "results"
    model = results / "models/Two_photographs/resnet18-plain"
    assert sorted(one.name for one in model.iterdir()) == sorted(MODEL_FILES)
    card = json.loads((model / "card.json").read_text())
    fragment = json.loads((results / "metrics/Two_photographs/resnet18-plain.json").read_text())
    assert card["test"]["accuracy"] == fragment["test_accuracy"]
    assert not [*results.glob("*.csv"), *results.glob("*.parquet"), *results.glob("metrics/D*")]
    (results / "experiments.csv").write_text("task_id,configuration,sha256\nDigits,a,b\n")
    asked = snakemake(fitted, "-n", *target("resnet18-plain"))
    assert asked.returncode == 0 and "made again" not in asked.stdout
    (results / "experiments.csv").unlink()
    assert planned(fitted, *target("resnet18-plain")) == {"fit": 1}
    assert planned(fitted, *target("resnet18-regularized")) == {
        **dict.fromkeys(("train_head", "metrics_json", "export_model", "fit"), 1),
    }
    learnt = snakemake(fitted, *target("resnet18-plain")[:-1], "recommend").stdout
    assert "there is no finished experiment to learn from yet" in learnt


@pytest.mark.slow
@pytest.mark.long
def test_model_of_the_table_is_made_by_the_name_of_its_card(fitted: Path) -> None:
    """An experiment whose model cannot be had, or a fit of Snakemake's that is another."""
    card = "models/Digits/resnet18-plain/card.json"
    done = snakemake(fitted, f"results/{card}", *TINY)
    assert done.returncode == 0, done.stdout
    assert sorted(one.name for one in (fitted / "results" / card).parent.iterdir()) == sorted(
        MODEL_FILES
    )
    done = snakemake(fitted, *target("resnet18-plain"))
    assert done.returncode == 0, done.stdout
    assert "Two_photographs/resnet18-plain" in done.stdout


@pytest.mark.slow
def test_tuned_model_is_made_and_leaves_no_cache(fitted: Path) -> None:
    """Cached activations that wait for another recipe, which nobody has asked for."""
    done = fit(fitted, "--configuration", "tuned")
    assert done.returncode == 0, done.stderr
    assert not [*(fitted / "results/activations").rglob("*.npy*")]
    network = fitted / "results/models/Two_photographs/tuned/model.onnx"
    network.rename(fitted / "elsewhere.onnx")
    assert planned(fitted, *target("tuned")) == {"export_model": 1, "fit": 1}
    gone = ask(fitted, "verify", "--digests", *TINY, package=fitted)
    assert gone.returncode == 1 and "tuned/model.onnx is gone: delete" in gone.stdout
    (fitted / "elsewhere.onnx").rename(network)


@pytest.mark.slow
def test_failed_fit_says_why_and_writes_no_partial_table(fitted: Path) -> None:
    """A table of nothing, and 180 experiments that are missing, for a picture that is broken."""
    pictures = fitted / "broken"
    write_pieces(pictures)
    for file in pictures.glob("dahlia above/*.png"):
        file.write_bytes(file.read_bytes()[:100])
    done = ask(fitted, "fit", "broken", "--configuration", "resnet18-plain", *TINY, package=fitted)
    assert done.returncode == 1
    assert "does not decode" in done.stderr and "experiments are finished" not in done.stderr
    assert not [*(fitted / "results").glob("*.partial.*")]


@pytest.mark.slow
def test_model_predicts_in_an_environment_without_torch(fitted: Path, tmp_path: Path) -> None:
    """A model that needs the environment it was made in."""
    python = tmp_path / "fresh/bin/python"
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    packages = [f"{name}=={pinned[name]}" for name in ("numpy", "onnxruntime", "pillow")]
    for command in (
        [sys.executable, "-m", "venv", str(tmp_path / "fresh")],
        [str(python), "-m", "pip", "install", "--quiet", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no fresh environment: {' '.join(done.stderr.split())[-200:]}")
    assert subprocess.run([str(python), "-c", "import torch"], capture_output=True).returncode
    results = fitted / "results"
    subset = json.loads((results / "subsets/Two_photographs.json").read_text())
    files = sorted((fitted / "Two photographs").glob("*/*.png"), key=lambda one: one.parts[-2:])
    names = sorted(f"{one.parent.name}/{one.name}" for one in files)
    tested = [names[index] for index in subset["test"]["indices"]]
    predict = results / "models/Two_photographs/resnet18-plain/predict.py"
    done = subprocess.run(
        [str(python), str(predict), "--csv", *tested],
        cwd=fitted / "Two photographs",
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    arrays, _ = read_arrays(results / "predictions/Two_photographs/resnet18-plain.safetensors")
    expected = [subset["class_names"][i] for i in arrays["predicted_class"][0]]
    assert [row["path"] for row in rows] == tested
    assert [row["class"] for row in rows] == expected
    for row, probability in zip(rows, arrays["probability_predicted"][0], strict=True):
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-4)


@pytest.mark.slow
def test_damaged_model_is_named(fitted: Path) -> None:
    """A model whose class names were edited, and that is used for years."""
    classes = fitted / "results/models/Two_photographs/resnet18-plain/classes.json"
    question = ("verify", "--digests", *TINY)
    sound = ask(fitted, *question, package=fitted)
    assert sound.returncode == 0 and "models" in sound.stdout, sound.stdout
    written = classes.read_text(encoding="utf-8")
    classes.write_text(written.upper(), encoding="utf-8")
    found = ask(fitted, *question, package=fitted)
    classes.write_text(written, encoding="utf-8")
    assert found.returncode == 1 and "classes.json is broken" in found.stdout
