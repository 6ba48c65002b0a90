"""Backbones as configuration: the shipped ones, mistakes in entries, and where weights are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT, ask, copy_workflow
from entries import BACKBONES, WIDTHS, WRITTEN_BACKBONES, ready
from metaprobe.config.backbones import parse_backbone, weights_id
from metaprobe.config.load import Run, load_run
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.features.backbones import prepare
from metaprobe.features.facts import find_out
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.weights_here import look, report

MANY = read_strictly(ROOT / "config/backbones-24.yaml")
GFLOPS = (1, 5, 20)
PLAIN = {"optimizer": "Adam", "learning_rate": 0.01, "batch_size": 64, "weight_decay": 0.0001}
CONFIG: dict[str, Any] = {
    "datasets": {"Birds": {"kind": "pcam", "classes": 2}},
    "configurations": {"plain": {"architecture": "ResNet18", "learning_rate": 0.1}},
    "described_by": ["ResNet18"],
}


def a_run(**changes: Any) -> Run:
    return load_run(CONFIG | {"backbones": dict(WRITTEN_BACKBONES)} | changes, [])


def with_backbone(**entry: Any) -> Run:
    return a_run(backbones=WRITTEN_BACKBONES | {"Mine": entry})


def groups() -> Iterator[tuple[float, str]]:
    """The largest cost of each group of the file, and its text."""
    text = (ROOT / "config/backbones-24.yaml").read_text()
    _, *parts = text.partition("\nconfigurations:")[0].split("  # at most ")
    for part in parts:
        gflop, _, entries = part.partition(" GFLOP\n")
        yield float(gflop), entries


def test_24_backbones_each_with_the_plain_recipe_and_all_that_one_must_know() -> None:
    """A backbone without a licence, a configuration without a backbone, or another recipe."""
    run = a_run(
        backbones=WRITTEN_BACKBONES | MANY["backbones"],
        configurations=CONFIG["configurations"] | MANY["configurations"],
    )
    assert len(run.backbones) == 3 + 24
    assert [one["architecture"] for one in MANY["configurations"].values()] == [*MANY["backbones"]]
    for one in MANY["configurations"].values():
        assert one | {"architecture": ""} == PLAIN | {"architecture": ""}
    for name in MANY["backbones"]:
        assert run.backbones[name].licence and run.backbones[name].note


def test_groups_are_those_of_their_cost() -> None:
    """A network that takes ten times as long as its group says."""
    found = list(groups())
    assert [gflop for gflop, _ in found] == [*GFLOPS]
    for least, (most, text) in zip((0, *GFLOPS), found, strict=False):
        names = [name for name in MANY["backbones"] if f"  {name}:\n" in text]
        assert names
        for name in names:
            assert least < find_out(parse_backbone(MANY["backbones"][name])).gflop <= most, name


@pytest.mark.parametrize("name", BACKBONES)
def test_facts_are_those_of_the_network(name: str) -> None:
    """A price or a size on the disk that is another network's."""
    facts, backbone = find_out(BACKBONES[name]), ready(name)
    assert (facts.width, facts.gflop) == (backbone.width, pytest.approx(backbone.gflop))
    assert facts.width == WIDTHS[name]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"model": "a"}, "backbones/Mine/library: is missing"),
        (
            {"library": "tim", "model": "a"},
            "backbones/Mine/library: 'tim' is not allowed; allowed: ",
        ),
        ({"library": "timm"}, "backbones/Mine/model: is missing"),
        (
            {"library": "timm", "model": "a", "file": "b"},
            "backbones/Mine/file: means nothing to library timm; its own keys: weights",
        ),
        (
            {"library": "timm", "model": "a", "modle": "b"},
            "modle: unknown key; did you mean model?",
        ),
        (
            {"library": "timm", "model": "a.b", "weights": "c"},
            "weights stand in the name of the model",
        ),
        ({"library": "torchvision", "model": "a", "pooling": "mean"}, "pooling needs a layer"),
        (
            {"library": "timm", "model": "a", "preprocessing": "protocol", "input_size": 64},
            "input_size means nothing to preprocessing: protocol",
        ),
    ],
)
def test_impossible_entry_is_one_line(entry: dict[str, Any], line: str) -> None:
    """A key that is ignored in silence, or a traceback hours later."""
    with pytest.raises(UserError) as told:
        with_backbone(**entry)
    assert line in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"described_by": ["ResNet81"]}, "described_by: 'ResNet81' is not declared in backbones"),
        (
            {"grid": {"architecture": ["ResNet81"], "learning_rate": [0.1]}},
            "grid/architecture: 'ResNet81' is not declared in backbones; did you mean ResNet18?",
        ),
    ],
)
def test_backbone_that_is_not_declared_is_one_line(changes: dict[str, Any], line: str) -> None:
    """A job that fails for a name that was mistyped."""
    with pytest.raises(UserError) as told:
        a_run(**changes)
    assert line in str(told.value)


def test_weights_have_names_that_tell_them_apart() -> None:
    """Results of other weights counted as those of the run."""
    entries = [
        {"library": "torchvision", "model": "resnet18", "weights": "IMAGENET1K_V1"},
        {"library": "torchvision", "model": "resnet18"},
        {"library": "timm", "model": "resnet18"},
        {"library": "timm", "model": "resnet18", "weights": "a1_in1k"},
        {"library": "file", "of": "timm", "model": "resnet18", "file": "a.pth"},
    ]
    names = [weights_id(parse_backbone(one), "imagenet", 0) for one in entries]
    assert len(set(names)) == len(names)
    assert weights_id(BACKBONES["ResNet18"], "imagenet", 0) == "ResNet18_Weights.IMAGENET1K_V1"
    assert weights_id(BACKBONES["ResNet18"], "random", 7) == "random (seed 7)"


def test_what_decides_features_is_not_where_a_file_lies_nor_its_licence(tmp_path: Path) -> None:
    """All features computed again for a licence, or on another machine."""
    own = {"library": "file", "of": "timm", "model": "resnet18", "file": "/here/a.pth"}
    flow = Workflow(with_backbone(**own, licence="MIT", note="mine"), tmp_path, tmp_path)
    other = Workflow(with_backbone(**own | {"file": "~/there/a.pth"}), tmp_path, tmp_path)
    assert flow.backbone("Mine") == other.backbone("Mine")
    pooled = Workflow(with_backbone(**own, pooling="mean"), tmp_path, tmp_path)
    assert flow.backbone("Mine") != pooled.backbone("Mine")


def test_wrong_cut_never_reaches_a_head() -> None:
    """Maps, or a vector of another layer, on which a head is trained in silence."""
    wrong = parse_backbone({"library": "torchvision", "model": "resnet18", "layer": "layer4"})
    with pytest.raises(UserError, match=r"its cut gives maps \(N, 512, 7, 7\), not vectors"):
        prepare(wrong, weights="random", seed=0, receipt=None, folder=Path())
    right = wrong.model_copy(update={"pooling": "mean"})
    assert prepare(right, weights="random", seed=0, receipt=None, folder=Path()).width == 512


def test_pictures_of_a_size_that_it_does_not_take_are_one_line() -> None:
    """A traceback from inside a transformer."""
    vit = {"library": "timm", "model": "vit_tiny_patch16_384", "preprocessing": "protocol"}
    with pytest.raises(UserError, match="it does not take pictures of 224 × 224"):
        find_out(parse_backbone(vit))


def test_doctor_tells_which_weights_are_here(tmp_path: Path) -> None:
    """A run that stops after the downloads for a file that nobody has."""
    own = {"library": "file", "of": "timm", "model": "efficientnet_lite0"}
    own["file"] = str(tmp_path / "mine.safetensors")
    settings = {"described_by": ["ResNet18", "Mine"], "data": str(tmp_path)}
    flow = Workflow(
        a_run(backbones=WRITTEN_BACKBONES | {"Mine": own}, **settings), tmp_path, tmp_path
    )
    first, mine = look(flow)
    assert (first.state, round(first.megabytes)) == ("will download", 47)
    assert first.detail.endswith("resnet18-f37072fd.pth")
    assert (mine.state, mine.detail) == ("missing", f"there is no file {own['file']}")
    (tmp_path / "mine.safetensors").touch()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/resnet18-f37072fd.pth").touch()
    assert [one.state for one in look(flow)] == ["here", "here"]
    assert "weights to download: 0.0 GB" in report(look(flow))


def test_doctor_is_strict_about_weights_too(tmp_path: Path) -> None:
    """A script that starts a run which must fail."""
    folder = copy_workflow(tmp_path / "checkout")
    settings = ("--configfile", "config/demo.yaml", "--config", "weights=imagenet")
    fetched = ask(folder, "doctor", "--strict", *settings)
    assert (fetched.returncode, "will download" in fetched.stdout) == (0, True), fetched.stderr
    missing = ask(folder, "doctor", "--strict", *settings, "weights_folder=data")
    assert (missing.returncode, "weights_folder has none" in missing.stdout) == (1, True)
