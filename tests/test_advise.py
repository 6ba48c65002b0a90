"""`metaprobe advise`: what a user sees, within the time, stopped and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkouts import ROOT, ask, copy_workflow, snakemake, write_pictures
from metaprobe.config import layout
from metaprobe.features.sizes import Size, Sizes
from metaprobe.operations import advise as operations
from metaprobe.operations.flow.workflow import read_workflow
from metaprobe.operations.snakemake_coupling import merged_configuration
from PIL import Image

MINE = {
    "only_datasets": ["Tints"],
    "only_configurations": ["resnet18-plain", "mobilenetv2-plain", "resnet18-tuned"],
    "train_images": 40,
    "test_images": 12,
    "described_by": ["ResNet18"],
    "weights": "random",
    "data": "data",
    "datasets": {"Tints": {"kind": "folder", "classes": 3}},
    "configurations": {
        "resnet18-tuned": {
            "architecture": "ResNet18",
            "learning_rate": 0.01,
            "trainable": "last_block",
            "epochs": 1,
            "validation_images": 5,
        }
    },
}
SHORT = 25  # seconds of a budget: a few steps, on a busy machine, too


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which nothing has run, with a folder of pictures beside it."""
    checkout = copy_workflow(tmp_path / "checkout")
    (checkout / "mine.yaml").write_text(json.dumps(MINE))
    write_pictures(tmp_path / "birds")
    return checkout


def advise(
    folder: Path, *arguments: str, pictures: str = "../birds"
) -> subprocess.CompletedProcess[str]:
    return ask(folder, "advise", pictures, "--configfile", "mine.yaml", "--cores", "1", *arguments)


def answer_in(folder: Path) -> dict[str, Any]:
    path = folder / layout.ADVICE.replace("<results>", "results").format(dataset="birds")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.slow
def test_advice_keeps_its_time_and_goes_on(folder: Path) -> None:
    """A budget that is overrun; a kill that loses what was seen; an advice that looks at test pictures."""
    start = time.monotonic()
    first = advise(folder, "--budget", f"{SHORT}s")
    assert time.monotonic() - start < SHORT + 10
    assert first.returncode == 0, first.stdout
    assert "before a picture is seen: resnet18" in first.stdout
    assert "birds: take " in first.stdout
    assert "random weights" in first.stdout
    seen = answer_in(folder)
    assert Path(seen["folder"]) == folder.parent / "birds"
    assert seen["steps"]
    assert seen["configuration"] in MINE["only_configurations"]
    assert seen["seconds"] <= SHORT + 10

    command = [sys.executable, "-m", "metaprobe", "advise", "../birds", "--configfile", "mine.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    with subprocess.Popen(
        [*command, "--budget", "10min", "--cores", "1"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if " of 600 s " in line:  # a step more than before
                break
        running.send_signal(signal.SIGKILL)
    again = advise(folder, "--budget", f"{SHORT + 1}s")
    assert again.returncode == 0, again.stdout
    assert "goes on after" in again.stdout
    assert "so far: " in again.stdout
    assert "before a picture is seen" not in again.stdout
    assert answer_in(folder)["steps"][: len(seen["steps"])] == seen["steps"]
    assert len(answer_in(folder)["steps"]) > len(seen["steps"])


@pytest.mark.slow
def test_snakemake_asks_the_same(folder: Path) -> None:
    """`snakemake advise` that starts the whole run, or another question."""
    done = snakemake(
        folder,
        *("advise", "--configfile", "mine.yaml"),
        *("--config", "new_dataset=../birds", "budget=15"),
        cores=1,
    )
    assert done.returncode == 0, done.stdout
    assert "birds: take " in done.stdout
    assert not (folder / "results/metrics").exists()


def with_pictures(parent: Path, classes: int, each: int) -> Path:
    rng = np.random.default_rng(0)
    for number in range(classes):
        for one in range(each):
            path = parent / f"c{number}" / f"{one}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(path)
    return parent


def one_class(parent: Path) -> None:
    with_pictures(parent, 1, 30)


def three_images(parent: Path) -> None:
    with_pictures(parent, 3, 1)


def more_classes_than_pictures_are_drawn(parent: Path) -> None:
    with_pictures(parent, 60, 3)


def nothing(parent: Path) -> None:
    parent.mkdir()


def broken(parent: Path) -> None:
    with_pictures(parent, 2, 20)
    for file in sorted(parent.glob("c0/*.png")):
        file.write_bytes(file.read_bytes()[:60])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (one_class, "has one class with pictures"),
        (three_images, "at least 3 are needed"),
        (more_classes_than_pictures_are_drawn, "60 classes, but train_images: 40"),
        (nothing, "one folder per class"),
        (broken, "c0/"),
    ],
)
def test_folder_that_is_no_data_set_is_one_line(folder: Path, make: Any, said: str) -> None:
    """A traceback, or minutes of work, for a folder that nothing can be learned from."""
    make(folder / "mine")
    done = advise(folder, "--budget", "2min", pictures="mine")
    assert done.returncode == 1
    assert said in done.stdout + (done.stderr or "")
    assert "Traceback" not in done.stdout + (done.stderr or "")


def test_advise_for_nothing_says_so(folder: Path) -> None:
    """A question without a folder that ends in a traceback."""
    done = ask(folder, "advise", "--configfile", "mine.yaml")
    assert done.returncode == 1
    assert "for which pictures?" in done.stdout + (done.stderr or "")


def test_first_answer_waits_for_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first answer for which torch is imported, or one that cannot be judged and is advised."""
    monkeypatch.chdir(folder)
    settings = MINE["configurations"]["resnet18-tuned"] | {"validation_images": 0}  # type: ignore[index]
    Path("mine.yaml").write_text(
        json.dumps(MINE | {"configurations": {"resnet18-tuned": settings}})
    )
    merged = merged_configuration(folder, [Path("mine.yaml")], ["new_dataset=../birds"])
    flow = read_workflow(merged[0], merged[1], "results", "logs")
    size = {"ResNet18": Size(1e7, 1.8), "MobileNetV2": Size(3e6, 0.3)}
    monkeypatch.setattr(Sizes, "look_up", lambda sizes: sizes.known.update(size))
    # As an import of what imports torch that fails.
    monkeypatch.setitem(sys.modules, "metaprobe.features.loaded", None)
    with pytest.raises(ImportError):
        operations.advise(flow, lambda target: [], 1, time.monotonic())
    assert capsys.readouterr().out == (
        "before a picture is seen: resnet18-plain (on the largest network)\n"
    )


def test_backbones_that_cannot_be_had_are_named(folder: Path) -> None:
    """An advice without internet that waits for ever, or that names what was never tried."""
    (folder / "empty").mkdir()
    settings = ("--config", "weights=imagenet", "weights_folder=empty")
    done = advise(folder, "--budget", "10min", *settings)
    assert done.returncode == 1
    text = done.stdout + (done.stderr or "")
    assert "is left out: backbones/" in text
    assert "no backbone can be had" in text
