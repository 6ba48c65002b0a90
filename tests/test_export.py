"""A model to take away: it says what the run says, without the run's programs, and says what it is."""

import ast
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkouts import ROOT
from exported import (
    NAME,
    RECIPE,
    RESNET,
    SIDE,
    TASK,
    TIMM,
    TORCHVISION,
    TUNED,
    VIT,
    Experiment,
    experiment,
    of_test_part,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.config.backbones import parse_backbone
from metaprobe.config.layout import MODEL_FILES
from metaprobe.core.arrays import read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import checksum_matches, digest_file
from metaprobe.data.readers.folder import turned
from metaprobe.data.transforms import TRANSFORMS, Preprocessing, open_image
from metaprobe.export import PROGRAMS, predict
from metaprobe.export import network as programs_network
from metaprobe.export.card import CITATION
from metaprobe.export.model import Run
from metaprobe.export.whole import _options, preparation
from metaprobe.tables.statistics import wilson
from metaprobe.training.fragment import read_fragment
from PIL import Image
from torchvision import models


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """ResNet18 and a head that is trained alone, two replicates."""
    return experiment(
        tmp_path_factory.mktemp("plain"), RESNET | {"input_size": SIDE}, RECIPE, replicates=2
    )


@pytest.fixture(scope="module")
def model(plain: Experiment) -> Path:
    """The folder of its model."""
    return plain.export()[0]


MORE = {
    "pooled-resnet18": (RESNET | {"layer": "layer3", "pooling": "mean"}, RECIPE),
    "all-of-resnet18": (RESNET, TUNED | {"trainable": "all"}),
    "single-resnet18": (RESNET, TUNED | {"cache_precision": "float32"}),
    "tuned-vit": (VIT, TUNED),
    "bias-of-vit": (VIT, TUNED | {"trainable": "bias"}),
    "ridge": (RESNET, {"head": "ridge"}),
    "efficientnet": (TORCHVISION | {"model": "efficientnet_b0"}, RECIPE),
    "convnext": (TORCHVISION | {"model": "convnext_tiny"}, RECIPE),
    "vit-of-torchvision": (TORCHVISION | {"model": "vit_b_32"}, RECIPE),
    "swin": (TORCHVISION | {"model": "swin_t"}, RECIPE),
    "googlenet": (TORCHVISION | {"model": "googlenet"}, RECIPE),
    "mobilenet-of-timm": (TIMM | {"model": "mobilenetv4_conv_small"}, RECIPE),
    "levit": (TIMM | {"model": "levit_128s", "input_size": 224}, RECIPE),
    "eva": (TIMM | {"model": "eva02_tiny_patch14_224", "input_size": 224}, RECIPE),
}

IN_CI = ("all-of-resnet18", "tuned-vit", "swin")


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow, *([] if name in IN_CI else [pytest.mark.long])]


@pytest.mark.parametrize(
    ("declared", "recipe"),
    [
        pytest.param(RESNET, TUNED, id="tuned-resnet18"),
        pytest.param(TORCHVISION | {"model": "mobilenet_v2"}, RECIPE, id="mobilenet"),
        pytest.param(VIT | {"pooling": "both"}, RECIPE, id="pooled-vit"),
        *(pytest.param(*one, id=name, marks=marks(name)) for name, one in MORE.items()),
    ],
)
def test_model_says_what_the_run_says(
    tmp_path: Path, declared: dict[str, Any], recipe: dict[str, Any]
) -> None:
    """Tuned weights left out, another cut, half precision forgotten; ONNX and torch that differ."""
    one = experiment(tmp_path, {"input_size": SIDE} | declared, recipe)
    folder, card = one.export()
    fragment = read_fragment(one.run.fragment, TASK, NAME)
    assert card["test"]["accuracy"] == fragment.test_accuracy
    assert card["compared"]["different"] == 0
    assert card["compared"]["largest_difference"] < 2e-5
    logits = read_arrays(one.run.head)[0]["test_logits"][0]
    onnx, torch_model = predict.Model(folder), programs_network.load(folder)
    pictures = [predict.open_picture(file, True) for file in of_test_part(one)]
    pixels = np.stack([predict.prepare(one, onnx.preprocessing) for one in pictures])
    found = onnx.session.run(["logits"], {"pixels": pixels})[0]
    with torch.inference_mode():
        again = torch_model(torch.from_numpy(pixels)).numpy()
    scale = np.abs(logits).max()
    assert np.abs(found - logits).max() < 1e-4 * scale
    assert np.abs(again - found).max() < 1e-4 * scale


def test_size_that_weights_bring_with_them_is_told() -> None:
    """A network whose position embeddings do not fit, as its weights are of larger pictures."""
    with torch.device("meta"):
        network = models.vit_b_32(image_size=96)
    declared = parse_backbone(TORCHVISION | {"model": "vit_b_32"})
    assert _options(declared, network) == {"image_size": 96}
    assert _options(parse_backbone(RESNET), models.resnet18()) == {}


def test_folder_holds_what_is_promised(plain: Experiment, model: Path) -> None:
    """A file that is missing, or a card whose numbers are not those of the run."""
    assert sorted(one.name for one in model.iterdir()) == sorted(MODEL_FILES)
    card = json.loads((model / "card.json").read_text())
    fragment = read_fragment(plain.run.fragment, TASK, NAME)
    assert checksum_matches(card)
    assert card["files"] == {
        name: digest_file(model / name) for name in MODEL_FILES if name != "card.json"
    }
    test, first = card["test"], fragment.replicates[0]
    assert test["accuracy"] == first.test_accuracy
    assert (test["accuracy_low"], test["accuracy_high"]) == wilson(
        first.test_accuracy, test["images"]
    )
    assert np.trace(test["confusion_matrix"]) == test["right"]
    subset = json.loads(plain.run.subset.read_text())
    counts = list(subset["test"]["counts_per_class"].values())
    assert np.sum(test["confusion_matrix"], axis=1).tolist() == counts
    assert card["data"]["subset_sha256"] == subset["sha256"]
    assert card["recipe"]["learning_rate"] == 0.01 and "grad_clip" not in card["recipe"]
    assert json.loads((model / "classes.json").read_text()) == ["blue", "green", "red"]
    text = (model / "card.md").read_text()
    assert f"accuracy {first.test_accuracy:.3f}, 95 % interval" in text
    assert "first of 2 heads" in text and "as green" in text and subset["sha256"] in text


def test_card_cites_as_the_repository_does() -> None:
    """A title, an address or a version that has changed since."""
    whole = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (method,) = whole["references"]
    assert whole["title"] in CITATION[0] and whole["version"] in CITATION[0]
    assert whole["authors"][0]["name"].lower() in CITATION[0].lower()
    told = [method["title"], method["url"], str(method["year"]), method["conference"]["name"]]
    assert all(one in CITATION[1] for one in told)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
def test_programs_need_nothing_of_this_package(program: Path) -> None:
    """A model that runs only where it was made."""
    allowed = {"predict.py": {"numpy", "onnxruntime", "PIL"}}
    allowed |= {"network.py": {"torch", "torchvision", "timm", "safetensors"}}
    found = set()
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert found - sys.stdlib_module_names == allowed[program.name]


PREPARED = st.builds(
    Preprocessing,
    size=st.integers(8, 40),
    resized=st.integers(40, 64),
    squash=st.booleans(),
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest", "lanczos"]),
)
MODES = ["RGB", "L", "RGBA", "P", "LA", "CMYK", "1"]


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(MODES), PREPARED, st.booleans())
@settings(max_examples=150)
def test_pictures_are_prepared_as_in_the_run(
    width: int, height: int, mode: str, to: Preprocessing, grey: bool
) -> None:
    """An offset that is rounded otherwise, sides exchanged, another filter."""
    pixels = np.random.default_rng(width * 91 + height).integers(0, 256, (height, width, 3))
    picture = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
    transform = "grey" if grey else "colour"
    found = predict.prepare(picture, preparation(to, transform, True))
    np.testing.assert_array_equal(found, TRANSFORMS[transform](picture, to))
    assert found.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused_as_in_the_run(mode: str) -> None:
    """Pictures that turn white without a word."""
    picture = Image.new(mode, (9, 9))
    with pytest.raises(ValueError, match="convert it to 8 bits a channel"):
        predict.prepare(picture, preparation(Preprocessing(), "colour", True))


@pytest.mark.parametrize("transform", ["grey", "colour"])
@pytest.mark.parametrize("size", [(1, 101), (20_000, 1)])
def test_thin_pictures_are_refused_as_in_the_run(transform: str, size: tuple[int, int]) -> None:
    """A strip of 20,000 pixels that is resized to 4 GB."""
    how = preparation(Preprocessing(), transform, True)
    said = re.escape(f"its sides are 1 and {max(size)} pixels: cut it to at most 1 : 100")
    with pytest.raises(ValueError, match=said):
        predict.prepare(Image.new("RGB", size), how)
    with pytest.raises(ValueError, match=said):
        TRANSFORMS[transform](Image.new("RGB", size), Preprocessing())
    assert predict.prepare(Image.new("RGB", (1, 100)), how).any() == 0


@pytest.mark.parametrize("orientation", range(9))
def test_pictures_are_opened_as_in_the_run(tmp_path: Path, orientation: int) -> None:
    """Pictures of a telephone that the run has turned upright, and the model has not."""
    exif = Image.Exif()
    exif[predict.ORIENTATION] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png", exif=exif)
    stored = open_image(tmp_path / "one.png")
    for upright, expected in ((True, turned(stored)), (False, stored)):
        found = predict.open_picture(tmp_path / "one.png", upright)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_predictions_are_printed_and_broken_pictures_named(
    plain: Experiment, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One damaged picture that ends the program, or that nobody hears of."""
    files = of_test_part(plain)
    for number, file in enumerate(files[:4]):
        shutil.copy(file, tmp_path / f"{number}{file.suffix}")
    (tmp_path / "1broken.png").write_bytes(files[0].read_bytes()[:70])
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    assert predict.main([str(tmp_path), str(tmp_path / "none.png"), "--csv"], model) == 1
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    predicted = read_arrays(plain.run.predictions)[0]
    names = json.loads((model / "classes.json").read_text())
    assert [row["class"] for row in rows] == [names[i] for i in predicted["predicted_class"][0][:4]]
    for row, probability in zip(rows, predicted["probability_predicted"][0], strict=False):
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-4)
    lines = said.err.splitlines()
    assert len(lines) == 2 and "1broken.png: cannot be read (" in lines[0]
    assert "none.png: cannot be read (" in lines[1]
    assert predict.main([str(files[0])], model) == 0
    path, name, _ = capsys.readouterr().out.strip().split("\t")
    assert (path, name) == (str(files[0]), rows[0]["class"])


def test_folder_without_pictures_is_an_error(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong folder, taken for one whose pictures are all told."""
    assert predict.main([str(tmp_path)], model) == 1
    assert capsys.readouterr().err == f"there is no picture in {tmp_path}\n"


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    """Class folders that are links, which training has read; a folder that leads to itself."""
    (tmp_path / "all/cats").mkdir(parents=True)
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    for name in ("all/cats/b.png", "elsewhere/deep/a.JPG", "all/.c.png", "all/d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "all/loop").symlink_to(tmp_path / "all")
    (tmp_path / "all/dogs").symlink_to(tmp_path / "elsewhere")
    found = predict.find([tmp_path / "all", tmp_path / "none.png"])
    expected = [tmp_path / "all/cats/b.png", tmp_path / "all/dogs/deep/a.JPG"]
    assert [*found] == [*expected, tmp_path / "none.png"]


def test_any_name_and_any_error_can_be_printed(
    model: Path,
    plain: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name that the console cannot encode, which ends everything; an error without a word."""
    picture = of_test_part(plain)[0].read_bytes()
    for name in (b"\xff\xfe.png", b"z.png"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(picture)
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    assert predict.main([str(tmp_path)], model) == 0
    console.flush()
    lines = console.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]
    assert any("\\udcff\\udcfe.png\t" in line for line in lines)
    assert len(lines) == 2

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(predict, "open_picture", full)
    assert predict.main([str(tmp_path / "z.png")], model) == 1
    assert "z.png: cannot be read (MemoryError)" in capsys.readouterr().err


def test_model_that_says_otherwise_is_not_exported(plain: Experiment, tmp_path: Path) -> None:
    """A model with an accuracy that was measured of another one."""
    arrays, ids = read_arrays(plain.run.predictions)
    said, facts = read_arrays(plain.run.head)
    spoiled = tmp_path / "predictions" / TASK / f"{NAME}.safetensors"
    arrays["predicted_class"][0, :2] = (arrays["predicted_class"][0, :2] + 1) % 3
    write_arrays(spoiled, arrays, ids)
    for row, number in enumerate(arrays["predicted_class"][0]):
        said["test_logits"][0, row, number] += 100
    write_arrays(tmp_path / "head.json", said, facts)
    run = Run(
        TASK, NAME, plain.run.recipe, plain.run.subset, tmp_path / "head.json",
        plain.run.fragment, spoiled,
    )  # fmt: skip
    other = Experiment(run, plain.backbone, plain.data, tmp_path)
    with pytest.raises(UserError, match="puts 2 of 9 test pictures into another class"):
        other.export()
    assert not [*(tmp_path / "models" / TASK).iterdir()]


def test_predictions_of_another_head_are_refused(plain: Experiment, tmp_path: Path) -> None:
    """A model of one training with the accuracy of another."""
    said, facts = read_arrays(plain.run.head)
    said["test_logits"] = -said["test_logits"]
    write_arrays(tmp_path / "head.json", said, facts)
    run = Run(
        TASK, NAME, plain.run.recipe, plain.run.subset, tmp_path / "head.json",
        plain.run.fragment, plain.run.predictions,
    )  # fmt: skip
    with pytest.raises(UserError, match="is broken"):
        Experiment(run, plain.backbone, plain.data, tmp_path).export()


def test_examples_of_the_page_run(
    plain: Experiment,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An example that fails as soon as somebody follows it."""
    shutil.copytree(model, tmp_path / "birds")
    Image.open(of_test_part(plain)[0]).convert("RGB").save(tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("birds")
    for name in ("network", "predict"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    said: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, said)
    assert said["model"].classes[said["number"]] in capsys.readouterr().out
    assert said["logits"].argmax().item() == said["number"]


def test_without_torch_it_predicts_the_same(plain: Experiment, model: Path, tmp_path: Path) -> None:
    """A program that needs what it says it does not."""
    (tmp_path / "no").mkdir()
    for name in ("torch", "torchvision", "metaprobe", "pandas", "scipy"):
        (tmp_path / "no" / f"{name}.py").write_text("raise ImportError('not here')")
    files = list(map(str, of_test_part(plain)))
    done = subprocess.run(
        [sys.executable, str(model / "predict.py"), *files],
        env={"PYTHONPATH": str(tmp_path / "no")},
        capture_output=True,
        text=True,
        check=True,
    )
    names = json.loads((model / "classes.json").read_text())
    predicted = read_arrays(plain.run.predictions)[0]["predicted_class"][0]
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == [
        names[i] for i in predicted
    ]
