"""Fingerprints: code that makes a result changes them, a comment does not."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from metaprobe.core import fingerprints

WORKFLOW = Path(__file__).parent.parent / "workflow"
STEPS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "subset_index": (("subset_index", "data.readers.stl10.read"), {}),
    "subset_index of PCAM": (("subset_index", "data.readers.pcam.read"), {}),
    "derive_subset": (("derive_subset",), {}),
    "select_features": (("select_features",), {}),
    "extract_features": (("extract_features", "data.readers.stl10.read"), {}),
    "train_head": (("train_head",), {"OPTIMIZERS": "Adam"}),
    "train_head of SGD": (("train_head",), {"OPTIMIZERS": "SGD"}),
    "metrics_json": (("metrics_json",), {}),
    "aggregate": (("aggregate",), {}),
    "sweep_heads": (("sweep_heads",), {"OPTIMIZERS": "Adam"}),
    "describe_dataset": (("describe_dataset",), {}),
    "compare_configurations": (("compare_configurations",), {}),
    "report": (("report",), {}),
}


class Copy:
    """A temporary copy of the workflow's code, and the fingerprints that changed since it began."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workflow = folder / "workflow"
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("metaprobe", "scripts"):
            shutil.copytree(WORKFLOW / part, self.workflow / part, ignore=ignored)
        monkeypatch.setattr(fingerprints, "WORKFLOW", self.workflow)
        self.before = self.now()

    def now(self) -> dict[str, str]:
        for function in vars(fingerprints).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()
        return {
            step: fingerprints.fingerprint(*names, **chosen)
            for step, (names, chosen) in STEPS.items()
        }

    def edit(self, path: str, change: Callable[[str], str]) -> set[str]:
        """Change one file; return the steps whose fingerprint is another than at first."""
        file = self.workflow / path
        old = file.read_text(encoding="utf-8")
        file.write_text(change(old), encoding="utf-8")
        assert file.read_text(encoding="utf-8") != old
        now = self.now()
        return {step for step in STEPS if now[step] != self.before[step]}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield Copy(tmp_path, monkeypatch)
    monkeypatch.undo()
    for function in vars(fingerprints).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def append(text: str) -> Callable[[str], str]:
    return lambda old: old + text


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    "change",
    [
        append("\n# A comment.\n"),
        append("\n\n\n"),
        replace('"""', '"""Now, '),
        replace("\n    return ", "\n    # why\n\n    return "),
        replace('    """', '    """Better said: '),
        append("\n\nNEW = 1\n"),
        append("\n\ndef new() -> int:\n    return 1\n"),
        replace(") -> ", ") -> object or "),
    ],
    ids=[
        "comment",
        "blank lines",
        "module docstring",
        "comment inside",
        "function docstring",
        "an unused constant",
        "an unused function",
        "annotation",
    ],
)
def test_what_no_step_runs_changes_nothing(code: Copy, change: Callable[[str], str]) -> None:
    """Hours of features computed again for a comment, or for a function that nothing calls yet."""
    for path in ("training/heads.py", "data/subset.py", "data/readers/stl10.py"):
        assert code.edit(f"metaprobe/{path}", change) == set()


def test_docstring_of_a_script_changes_nothing(code: Copy) -> None:
    """The same of the file that a rule names."""
    assert code.edit("scripts/train_head.py", replace('"""Train', '"""Now train')) == set()


ADAM = {"train_head", "sweep_heads"}
HEADS = ADAM | {"train_head of SGD"}
DRAWING = {"subset_index", "subset_index of PCAM"}
DERIVED = {"derive_subset"}
READING = DRAWING | {"extract_features"}

EDITS = [
    ("core/randomness.py", '"shuffling"', '"mixing"', HEADS),
    ("core/randomness.py", '"big"', '"little"', READING | HEADS | DERIVED | {"describe_dataset"}),
    ("training/heads.py", "1e-6", "1e-5", {"train_head", "train_head of SGD"}),
    ("training/optimizers.py", "0.9, 0.999, 1e-8", "0.9, 0.99, 1e-8", ADAM),
    ("training/optimizers.py", "self.velocity *= self.momentum", "pass", {"train_head of SGD"}),
    ("data/subset.py", "np.argsort(-remainders", "np.argsort(remainders", DRAWING | DERIVED),
    ("derived/derivation.py", '"label noise"', '"noise"', DERIVED),
    ("derived/index.py", '"features_cpu")', '"features")', {"select_features"}),
    ("data/readers/pcam.py", "def read(", "VALUE = 1\n\n\ndef read(", set()),
    ("data/readers/stl10.py", "rotate(90", "rotate(180", {"subset_index", "extract_features"}),
    ("metafeatures/logme.py", "1e-", "2e-", {"describe_dataset"}),
    ("tables/statistics.py", "0.95", "0.9", {"aggregate", "compare_configurations", "report"}),
    ("core/files.py", "10**6", "10**7", set()),
    ("core/jobs.py", '"error: "', '"mistake: "', set()),
    ("config/complaints.py", "n=1", "n=2", set()),
]


@pytest.mark.parametrize(("path", "old", "new", "reach"), EDITS)
def test_code_changes_the_steps_that_run_it(
    code: Copy, path: str, old: str, new: str, reach: set[str]
) -> None:
    """A result that stays although its code changed, perhaps far below; or the reverse."""
    assert code.edit(f"metaprobe/{path}", replace(old, new)) == reach


def test_moved_and_renamed_modules_change_nothing(code: Copy) -> None:
    """Hours of work done again because a file got a better name."""
    package = code.workflow / "metaprobe"
    (package / "drawing").mkdir()
    (package / "core/randomness.py").rename(package / "drawing/chance.py")
    (package / "training/metrics.py").rename(package / "training/scores.py")
    for file in [*package.rglob("*.py"), *(code.workflow / "scripts").glob("*.py")]:
        text = file.read_text(encoding="utf-8")
        text = text.replace("metaprobe.core.randomness", "metaprobe.drawing.chance")
        text = text.replace("metaprobe.training.metrics", "metaprobe.training.scores")
        text = re.sub(
            r"from metaprobe.training import (.*\b)?metrics\b",
            lambda found: found[0].replace("metrics", "scores"),
            text,
        )
        text = re.sub(r"\bmetrics\.(?=[a-z]\w+\()", "scores.", text)
        file.write_text(text, encoding="utf-8")
    assert "scores.accuracy(" in (package / "training/heads.py").read_text(encoding="utf-8")
    assert code.now() == code.before


def test_entries_of_a_registry_count_for_those_who_use_them(code: Copy) -> None:
    """Every head trained again for an optimiser that none of them uses."""
    added = replace('    "Adam": Adam,', '    "Lion": SGD,\n    "Adam": Adam,')
    assert code.edit("metaprobe/training/optimizers.py", added) == set()
    swapped = replace('    "SGD": SGD,', '    "SGD": Adam,')
    assert code.edit("metaprobe/training/optimizers.py", swapped) == {"train_head of SGD"}


def test_an_entry_that_is_not_there_is_an_error() -> None:
    """A misspelt registry entry or reader, whose code is then not watched."""
    with pytest.raises(KeyError, match="Adagard"):
        fingerprints.fingerprint("train_head", OPTIMIZERS="Adagard")
    with pytest.raises(KeyError, match="no_such_reader"):
        fingerprints.fingerprint("subset_index", "data.readers.no_such_reader.read")


def test_an_undone_edit_is_no_edit(code: Copy) -> None:
    """A fingerprint of file times."""
    path = "metaprobe/training/heads.py"
    assert code.edit(path, replace("1e-6", "1e-5")) == {"train_head", "train_head of SGD"}
    assert code.edit(path, replace("1e-5", "1e-6")) == set()


def test_a_new_use_is_followed(code: Copy) -> None:
    """A definition that a step comes to use, imported inside a function, and that is not watched."""
    late = "    from metaprobe.training import added\n\n    added.late()\n    kept = head\n"
    added = code.workflow / "metaprobe/training/added.py"
    added.write_text("import metaprobe.training.deeper as deep\n\n\ndef late():\n    deep.RATE\n")
    (added.parent / "deeper.py").write_text("RATE = 1\n")
    trained = {"train_head", "train_head of SGD"}
    assert code.edit("metaprobe/training/heads.py", replace("    kept = head\n", late)) == trained
    code.before = code.now()
    assert code.edit("metaprobe/training/deeper.py", replace("1", "2")) == trained


def test_place_of_the_checkout_does_not_count(code: Copy, tmp_path: Path, monkeypatch) -> None:
    """Everything run again after the folder was moved."""
    moved = Copy(tmp_path / "elsewhere", monkeypatch)
    assert moved.before == code.before


def test_carriers_exist() -> None:
    """A module that is left out of no fingerprint any more, as it was renamed."""
    package = WORKFLOW / "metaprobe"
    for name in fingerprints.CARRIERS:
        path = package.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_a_name_that_is_bound_is_no_use(code: Copy) -> None:
    """An attribute called as a module, for which a step depends on all of that module."""
    field = "@dataclass(frozen=True)\nclass LabelledFeatures:\n"
    bound = "from metaprobe.training import metrics\n\n\n" + field + "    metrics: int\n"
    heads = code.workflow / "metaprobe/training/heads.py"
    assert field in heads.read_text(encoding="utf-8")
    code.edit("metaprobe/training/heads.py", replace(field, bound))
    code.before = code.now()
    change = replace("CALIBRATION_BINS = 15", "CALIBRATION_BINS = 16")
    assert code.edit("metaprobe/training/metrics.py", change) == {"metrics_json"}
