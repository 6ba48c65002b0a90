"""Attacks by files that come from outside: they are data and are never run.

Archives that attack are in test_download.py, weights in test_weights.py.
"""

import ast
import hashlib
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkouts import ROOT, copy_workflow, snakemake
from entries import open_dataset, read
from metaprobe.config.reading import read_strictly
from metaprobe.core.errors import UserError
from metaprobe.core.jobs import logged
from PIL import Image
from torchvision import datasets as torchvision_datasets


class Attack:
    """Makes the folder `trap` when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> Any:
        return (Path.mkdir, (self.trap,))


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def test_attack_works(trap: Path) -> None:
    """Attacks below that are harmless for another reason than the defence."""
    pickle.loads(pickle.dumps(Attack(trap)))
    assert trap.is_dir()


# Pickles


def cifar10(root: Path, body: bytes) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch", "batches.meta"]
    for name in names:
        (folder / name).write_bytes(body)
    return folder


CIFAR = {
    "kind": "torchvision",
    "class": "CIFAR10",
    "train": {"train": True},
    "test": {"train": False},
    "classes": 10,
}


def test_cifar_pickle_of_a_stranger_is_not_loaded(tmp_path: Path, trap: Path) -> None:
    """Code run by a batch that is not the published one."""
    cifar10(tmp_path, pickle.dumps(Attack(trap)))
    with pytest.raises(UserError, match="CIFAR10"):
        open_dataset("CIFAR10", CIFAR, tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_5", "test_batch"])
def test_one_wrong_cifar_file_is_not_loaded(tmp_path: Path, trap: Path, name: str, monkeypatch):
    """A digest that is checked of some files only, or after they are read."""
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}
    good = pickle.dumps(batch | {"label_names": list("abcdefghij")})
    folder = cifar10(tmp_path, good)
    md5 = hashlib.md5(good).hexdigest()
    cifar = torchvision_datasets.CIFAR10
    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(cifar, attribute, [[n, md5] for n, _ in getattr(cifar, attribute)])
    monkeypatch.setattr(cifar, "meta", cifar.meta | {"md5": md5})
    assert read("CIFAR10", CIFAR, tmp_path).class_names == list("abcdefghij")
    (folder / name).write_bytes(pickle.dumps(Attack(trap)))
    with pytest.raises(UserError, match="CIFAR10"):
        open_dataset("CIFAR10", CIFAR, tmp_path)
    assert not trap.exists()


def test_old_processed_mnist_files_are_not_run(tmp_path: Path, trap: Path) -> None:
    """torchvision's MNIST loads `processed/training.pt` where it is, as old versions wrote it."""
    folder = tmp_path / "MNIST" / "processed"
    folder.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((Attack(trap), torch.zeros(1)), folder / name)
    entry = CIFAR | {"class": "MNIST"}
    with pytest.raises(UserError, match="MNIST"):
        open_dataset("MNIST", entry, tmp_path)
    assert not trap.exists()


def test_object_arrays_of_medmnist_are_not_run(tmp_path: Path, trap: Path) -> None:
    """numpy.load with allow_pickle."""
    (tmp_path / "medmnist").mkdir()
    objects = np.array([Attack(trap)], dtype=object)
    parts = {f"{part}_{key}": objects for part in ("train", "test") for key in ("images", "labels")}
    np.savez(tmp_path / "medmnist" / "attack.npz", **parts)
    with pytest.raises(UserError, match="damaged"):
        open_dataset("Attack", {"kind": "medmnist", "classes": 2}, tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["LSUN", "LSUNClass"])
def test_torchvision_class_that_unpickles_unchecked_is_refused(tmp_path: Path, name: str) -> None:
    """The cache file of LSUN."""
    with pytest.raises(UserError, match="pickle that nobody has checked"):
        open_dataset("Rooms", CIFAR | {"class": name}, tmp_path)


def test_no_other_torchvision_class_unpickles() -> None:
    """A new version of torchvision in which one more class runs what a file says."""
    package = Path(inspect.getfile(torchvision_datasets)).parent
    unpickling = set()
    for file in package.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                name, safe = ast.unparse(call.func), "weights_only=True" in ast.unparse(call)
                if name in ("pickle.load", "pickle.loads", "eval", "exec") or (
                    name in ("torch.load", "np.load")
                    and not (
                        safe or ("allow_pickle" not in ast.unparse(call) and name == "np.load")
                    )
                ):
                    unpickling.add(file.stem)
    assert unpickling == {"cifar", "lsun"}


def test_our_own_code_unpickles_nothing() -> None:
    """pickle, eval, unsafe YAML, or torch.load of more than weights, anywhere in the workflow."""
    error = "from pickle import UnpicklingError"  # no more than its name
    forbidden = ("eval", "exec", "os.system", "pd.read_pickle", "yaml.unsafe_load")
    for file in (ROOT / "workflow").glob("**/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = ast.unparse(node) if isinstance(node, ast.Call) else ""
            assert text.partition("(")[0] not in forbidden, (file, text)
            assert not text.startswith("torch.load(") or "weights_only=True" in text, (file, text)
            assert "allow_pickle=True" not in text and "shell=True" not in text, (file, text)
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "pickle" not in ast.unparse(node).replace(error, ""), file


# YAML


def test_yaml_cannot_make_objects(tmp_path: Path, trap: Path) -> None:
    """yaml.load with a loader that runs code."""
    file = tmp_path / "attack.yaml"
    file.write_text(f"seed: !!python/object/apply:os.mkdir ['{trap}']\n")
    with pytest.raises(UserError, match=r"attack\.yaml"):
        read_strictly(file)
    assert not trap.exists()
    yaml.unsafe_load(file.read_text())
    assert trap.exists()


def test_yaml_through_the_workflow_cannot_make_objects(tmp_path: Path, trap: Path) -> None:
    """Snakemake, or the workflow, reading the file first by an unsafe loader."""
    folder = copy_workflow(tmp_path / "checkout")
    (folder / "attack.yaml").write_text(f"seed: !!python/object/apply:os.mkdir ['{trap}']\n")
    result = snakemake(folder, "--dry-run", "--configfile", "attack.yaml")
    assert result.returncode != 0
    assert "not valid JSON or YAML" in result.stdout
    assert not trap.exists()


# Names

ESCAPES = "\x1b[2J\x1b]0;owned\x07"


def picture(file: Path) -> None:
    file.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(file)


def test_escape_codes_in_names_do_not_reach_terminal_or_log(tmp_path: Path) -> None:
    """A class folder that rewrites the terminal of whoever reads the error."""
    picture(tmp_path / "data" / "Birds" / "test" / f"owl{ESCAPES}" / "0.png")
    picture(tmp_path / "data" / "Birds" / "train" / "duck" / "0.png")
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit), logged(str(log)):
        open_dataset("Birds", {"kind": "folder", "classes": 2}, tmp_path / "data")
    assert "\x1b" not in log.read_text()
    assert "owl\\x1b[2J\\x1b]0;owned\\x07 has no counterpart" in log.read_text()


def test_line_feeds_in_an_error_stay() -> None:
    """Messages of several lines on one line."""
    assert str(UserError("one\ntwo\t\r")) == "one\ntwo\\t\\r"


@pytest.mark.parametrize("task_id", ["=1+1", "+1", "-1", "@SUM(A1)", "a,b", 'a"b', "a\nb", "../a"])
def test_task_ids_cannot_be_formulas_or_paths(tmp_path: Path, task_id: str) -> None:
    """A table that runs a formula in a spreadsheet, or a result outside its folder."""
    folder = copy_workflow(tmp_path)
    entry = {"kind": "folder", "path": "a", "classes": 2}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"datasets": {task_id: entry}}))
    result = snakemake(folder, "--dry-run", "--configfile", "mine.yaml")
    assert result.returncode != 0
    assert "mine.yaml: datasets" in result.stdout
