"""Fingerprints: code that makes a result changes them, a comment does not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.metaprobe import fingerprints

WORKFLOW = Path(__file__).parent.parent / "workflow"
STEPS = {
    "subset_index": ("subset_index", "readers.stl10"),
    "subset_index of PCAM": ("subset_index", "readers.pcam"),
    "extract_features": ("extract_features", "readers.stl10"),
    "train_head": ("train_head",),
    "metrics_json": ("metrics_json",),
    "aggregate": ("aggregate",),
    "sweep_heads": ("sweep_heads",),
    "sweep": ("sweep",),
    "write_experiments": ("write_experiments",),
    "write_predictions": ("write_predictions",),
    "compare_configurations": ("compare_configurations",),
    "check_table": ("check_table",),
    "validate": ("validate",),
    "report": ("report",),
}
CODE = "\n\nANSWER = 42\n"


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
        return {step: fingerprints.fingerprint(*names) for step, names in STEPS.items()}

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
    ],
    ids=["comment", "blank lines", "module docstring", "comment inside", "function docstring"],
)
def test_words_change_nothing(code: Copy, change: Callable[[str], str]) -> None:
    """Hours of features computed again for a comment."""
    for path in ("metaprobe/heads.py", "metaprobe/subsets.py", "metaprobe/readers/stl10.py"):
        assert code.edit(path, change) == set()


def test_a_string_that_is_no_docstring_counts(code: Copy) -> None:
    """Every text of the source taken for a docstring."""
    assert code.edit("metaprobe/draws.py", replace('"shuffling"', '"mixing"')) == HEADS


HEADS = {"train_head", "sweep_heads"}
TABLES = {"aggregate", "write_experiments", "report"}
CHECKED = {"check_table", "validate"}
READING = {"subset_index", "subset_index of PCAM", "extract_features"}
REACH = {
    "metaprobe/heads.py": HEADS,
    "metaprobe/many_heads.py": {"sweep_heads"},
    "metaprobe/head_steps.py": {"sweep_heads"},
    "metaprobe/head_kernels.py": {"sweep_heads"},
    "metaprobe/outcomes.py": {"sweep_heads"},
    "metaprobe/grid.py": {"sweep_heads"},
    "metaprobe/sweep_table.py": {"sweep_heads", "sweep"},
    "metaprobe/readers/stl10.py": {"subset_index", "extract_features"},
    "metaprobe/readers/pcam.py": {"subset_index of PCAM"},
    "metaprobe/readers/__init__.py": READING,
    "metaprobe/readers/folder.py": READING,  # a tree may replace any data set's own files
    "metaprobe/datasets.py": READING,
    "metaprobe/images.py": READING,
    "metaprobe/features.py": {"extract_features"},
    "metaprobe/architectures.py": {"extract_features"},
    "metaprobe/engines.py": {"extract_features"},
    "metaprobe/devices.py": {"extract_features"},
    "metaprobe/randomness.py": READING | HEADS,
    "metaprobe/subsets.py": READING | TABLES | CHECKED | {"metrics_json"},
    "metaprobe/metrics.py": HEADS | {"metrics_json", "write_predictions"} | TABLES | CHECKED,
    "metaprobe/measures.py": {"metrics_json", "write_predictions"} | TABLES | CHECKED,
    "metaprobe/predictions.py": {"metrics_json", "write_predictions"} | TABLES | CHECKED,
    "metaprobe/fragments.py": {"metrics_json"} | TABLES | CHECKED,
    "metaprobe/experiments.py": {"write_experiments"},
    "metaprobe/intervals.py": {"write_experiments", "compare_configurations"},
    "metaprobe/comparisons.py": {"compare_configurations"},
    "metaprobe/prediction_table.py": {"write_predictions"},
    "metaprobe/checks.py": CHECKED,
    "metaprobe/validation.py": CHECKED,
    "metaprobe/report_page.py": {"report"},
    "metaprobe/report_template.py": {"report"},
    "metaprobe/svg.py": {"report"},
    "metaprobe/rank_tests.py": {"report"},
    "metaprobe/csv_text.py": {"aggregate", "write_experiments", "compare_configurations", "report"},
    "metaprobe/optimizers.py": HEADS,
    "metaprobe/draws.py": HEADS,
    "metaprobe/tables.py": TABLES,
    "scripts/train_head.py": {"train_head"},
    "scripts/metrics_json.py": {"metrics_json"},
    "metaprobe/errors.py": set(),
    "metaprobe/files.py": set(),
    "metaprobe/jobs.py": set(),
    "metaprobe/provenance.py": set(),
    "metaprobe/config.py": set(),
    "metaprobe/download.py": set(),
    "metaprobe/transfer.py": set(),
    "metaprobe/fingerprints.py": set(),
}


@pytest.mark.parametrize("path", REACH)
def test_code_changes_the_steps_that_run_it(code: Copy, path: str) -> None:
    """A result that stays although its code changed, perhaps through an import; or the reverse."""
    assert code.edit(path, append(CODE)) == REACH[path]


def test_an_undone_edit_is_no_edit(code: Copy) -> None:
    """A fingerprint of file times."""
    assert code.edit("metaprobe/heads.py", append(CODE)) == HEADS
    assert code.edit("metaprobe/heads.py", replace(CODE, "")) == set()


def test_a_new_import_is_followed(code: Copy) -> None:
    """A module that a step comes to use, perhaps inside a function, and that is not watched."""
    late = '\n\ndef late():\n    """Import late."""\n    from workflow.metaprobe import added\n'
    (code.workflow / "metaprobe" / "added.py").write_text("import workflow.metaprobe.deeper\n")
    (code.workflow / "metaprobe" / "deeper.py").write_text("RATE = 1\n")
    assert code.edit("metaprobe/heads.py", append(late)) == HEADS
    code.before = code.now()
    assert code.edit("metaprobe/deeper.py", replace("1", "2")) == HEADS


def test_place_of_the_checkout_does_not_count(code: Copy, tmp_path: Path, monkeypatch) -> None:
    """Everything run again after the folder was moved."""
    moved = Copy(tmp_path / "elsewhere", monkeypatch)
    assert moved.before == code.before


def test_every_reader_is_known(code: Copy) -> None:
    """A reader whose name is misspelt in a rule, so that its code is not watched."""
    readers = [file.stem for file in (WORKFLOW / "metaprobe" / "readers").glob("[a-z]*.py")]
    plain = fingerprints.fingerprint("subset_index", "readers.no_such_reader")
    watched = {
        name: fingerprints.fingerprint("subset_index", f"readers.{name}") for name in readers
    }
    always = {name for name, digest in watched.items() if digest == plain}
    assert always <= {"folder"}
    assert len(set(watched.values())) == len(readers)
