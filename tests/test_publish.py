"""`metaprobe publish`: what is in a release, what is not, and what is refused."""

import csv
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import metaprobe
import pandas as pd
import pytest
import yaml
from checkouts import ROOT
from metaprobe.__main__ import main, parse
from metaprobe.publish.commandline import FORMS
from metaprobe.publish.exports import EXPORTS
from metaprobe.publish.licences import Licences, read_licences
from published import OPEN, publish, write_finished

PAGE = ROOT / "docs/publishing.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return write_finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def release(results: Path) -> Path:
    assert publish(results, results.parent / "release", "--features") == 0
    return results.parent / "release"


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(results, tmp_path / "results")
    shutil.copy2(results.parent / "own.yaml", tmp_path)
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_same_results_give_the_same_bytes(results: Path, release: Path, tmp_path: Path) -> None:
    """A time, an order of files or a path in a release, so that no one can check it."""
    assert publish(results, tmp_path / "again", "--features") == 0
    assert contents(tmp_path / "again") == contents(release)


def test_copy_of_the_results_gives_the_same_bytes_for_one_date(
    results: Path, tmp_path: Path
) -> None:
    """The time of a file in a release although its date was named."""
    shutil.copytree(results, tmp_path / "results", copy_function=shutil.copyfile)
    shutil.copyfile(results.parent / "own.yaml", tmp_path / "own.yaml")
    for file in (tmp_path / "results").rglob("*"):
        os.utime(file, (0, 10**9))
    for origin, name in ((results, "first"), (tmp_path / "results", "second")):
        assert publish(origin, tmp_path / name, "--date", "2026-01-31") == 0
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_zip_is_read_as_the_results_are(results: Path, release: Path) -> None:
    """A release that its own reader cannot open, or with other numbers."""
    there = metaprobe.load(release / "metaprobe-results-1.0.0.zip")
    with open(results / "experiments.csv", newline="") as file:
        row = random.choice(list(csv.DictReader(file)))
    answer = there.query(row["task_id"], row["configuration"])
    assert answer.test == float(row["test_accuracy"])
    pd.testing.assert_frame_equal(there.curves, metaprobe.load(results).curves)
    pd.testing.assert_frame_equal(there.sweep, metaprobe.load(results).sweep)
    assert there.features("Birds", "ResNet18")["train_features"].shape == (10, 4)
    assert there.features("Birds-half")["train_features"].shape == (5, 4)


def test_nothing_of_single_images_where_the_licence_does_not_allow_it(release: Path) -> None:
    """Features, labels or predictions of a data set that may not be passed on; or numbers that are lost."""
    there = metaprobe.load(release)
    assert there.predictions.task_id.unique().tolist() == OPEN
    assert sorted(file.stem for file in (release / "subsets").iterdir()) == sorted(OPEN)
    assert {file.name for file in (release / "features").iterdir()} <= {*OPEN}
    assert {*there.experiments.task_id} - {*OPEN} == {"USPS", "Flowers", "Digits"}
    card = (release / "README.md").read_text()
    assert "| Flowers | CC BY-ND 4.0 | left out |" in card
    assert "| Digits | not named | left out |" in card
    assert "| Birds-half | CC BY 4.0 | here |" in card


@pytest.mark.parametrize(
    ("licence", "is_open"),
    [
        *(("CC BY 4.0", True), ("CC BY-SA 3.0", True), ("CC BY-NC 4.0", True), ("CC0", True)),
        *(("MIT", True), ("BSD-3-Clause", True), ("Apache-2.0", True)),
        *(("CC BY-ND 4.0", False), ("CC BY-NC-ND 4.0", False), ("none stated", False)),
        *(("CC BY 4.0 (not verified)", False), ("non-commercial research", False)),
    ],
)
def test_rule_of_licences(licence: str, is_open: bool) -> None:
    """A licence without derivatives, or a remark, taken for permission."""
    assert Licences({"Birds": licence}).is_open("Birds") == is_open
    assert not Licences({}).is_open("Birds")


def test_licences_are_those_of_the_checkout_unless_the_run_says_otherwise(tmp_path: Path) -> None:
    """A user's own data set under a known name that gets the licence of the known one."""
    assert read_licences(ROOT, []).of("MNIST") == "CC BY-SA 3.0"
    (tmp_path / "own.yaml").write_text("datasets: {MNIST: {kind: folder}}")
    assert not read_licences(ROOT, [tmp_path / "own.yaml"]).is_open("MNIST")


def test_without_a_checkout_no_licence_is_known(own: Path, monkeypatch, capsys) -> None:
    """A card of an installed package that says of MNIST that its licence is not named."""
    monkeypatch.chdir(own.parent)
    monkeypatch.setattr("metaprobe.__main__.OWN_CHECKOUT", own.parent)
    assert main(["publish", str(own), "--to", "release"]) == 0
    said = capsys.readouterr().err.strip()
    assert "as there is no checkout" in said
    assert "--configfile" in said
    assert "\n" not in said
    card = Path("release/README.md").read_text()
    assert "| MNIST | not looked up | left out |" in card
    assert not Path("release/subsets").exists()
    assert not Path("release/predictions.parquet").exists()
    assert publish(own, own.parent / "named") == 0
    assert Path("named/subsets/MNIST.json").is_file()


def test_checksums_are_of_every_file(release: Path) -> None:
    """A file that nobody can prove, or a wrong digest."""
    lines = (release / "SHA256SUMS").read_text().splitlines()
    named = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = contents(release)
    assert named.keys() == there.keys() - {"SHA256SUMS"}
    for name, digest in named.items():
        assert hashlib.sha256(there[name]).hexdigest() == digest, name


def test_card_tells_how_it_was_made_and_what_each_column_is(release: Path) -> None:
    """A card without a seed, with a column that nobody explains, or with numbers not in the table."""
    card = (release / "README.md").read_text()
    assert "| seed | 0 |" in card
    assert "random weights" in card
    for name in ("experiments", "replicates", "curves", "predictions", "sweep"):
        section = card.split(f"## Columns of `{name}.parquet`")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.MULTILINE)
        schema = pd.read_parquet(release / f"{name}.parquet").columns
        assert [column for column, _ in rows] == list(schema)
        unexplained = [column for column, told in rows if not told.strip()]
        assert not [one for one in unexplained if name != "replicates"], name


def test_citation_has_a_doi_once_there_is_one(results: Path, release: Path, tmp_path: Path) -> None:
    """A citation that is no YAML, or without what was told."""
    assert "# doi:" in (release / "CITATION.cff").read_text()
    facts = ["--doi", "10.5281/zenodo.1", "--version", "2.0.0", "--author", "A. Lovelace"]
    assert publish(results, tmp_path / "cited", *facts, "--date", "2026-01-31") == 0
    found = yaml.safe_load((tmp_path / "cited/CITATION.cff").read_text())
    assert (found["doi"], found["version"]) == ("10.5281/zenodo.1", "2.0.0")
    assert found["authors"] == [{"name": "A. Lovelace"}]
    assert str(found["date-released"]) == "2026-01-31"
    assert "https://doi.org/10.5281/zenodo.1" in (tmp_path / "cited/README.md").read_text()


def test_croissant_names_every_file_and_column(release: Path) -> None:
    """Metadata that says nothing of a table, or another digest than the file has."""
    told = json.loads((release / "croissant.json").read_text())
    files = {one["@id"]: one["sha256"] for one in told["distribution"]}
    later = {"croissant.json", "SHA256SUMS", "metaprobe-results-1.0.0.zip"}
    assert files.keys() == contents(release).keys() - later
    content = (release / "experiments.parquet").read_bytes()
    assert files["experiments.parquet"] == hashlib.sha256(content).hexdigest()
    (experiments,) = (one for one in told["recordSet"] if one["@id"] == "experiments")
    fields = {field["name"]: field["dataType"] for field in experiments["field"]}
    assert list(fields) == list(pd.read_parquet(release / "experiments.parquet"))
    assert (fields["task_id"], fields["epochs"]) == ("sc:Text", "sc:Integer")


def test_croissant_is_valid_and_its_reader_finds_the_numbers(results: Path, release: Path) -> None:
    """Metadata that `mlcroissant validate` complains of, or that leads to other numbers."""
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(release / "croissant.json")
    assert dataset.metadata.ctx.issues.report() == ""
    with open(results / "experiments.csv", newline="") as file:
        place, row = random.choice(list(enumerate(csv.DictReader(file))))
    record = list(dataset.records("experiments"))[place]
    assert record["experiments/task_id"] == row["task_id"].encode()
    assert record["experiments/test_accuracy"] == float(row["test_accuracy"])


def test_croissants_own_command_says_it_is_valid(release: Path) -> None:
    """Metadata that the library reads and the command that hosts call does not."""
    pytest.importorskip("mlcroissant")
    code = "from mlcroissant.scripts.cli import main; main()"
    command = [sys.executable, "-c", code, "validate", "--jsonld", str(release / "croissant.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Done." in done.stderr


def test_page_is_the_report_or_a_list_of_files(own: Path, release: Path) -> None:
    """A release without a page, or a page that is not the report of the run."""
    assert (release / "index.html").read_text() == "<p>the report"
    (own / "report.html").unlink()
    assert publish(own, own.parent / "release", "--partial") == 0
    assert '<a href="experiments.csv">' in (own.parent / "release/index.html").read_text()


def test_commands_of_the_page_run(own: Path, monkeypatch) -> None:
    """A page whose commands fail."""
    monkeypatch.chdir(own.parent)
    own.rename("demo")
    Path("results").mkdir()
    Path("demo").rename("results/demo")
    shutil.copytree(ROOT / "config", "config")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) > len(FORMS)
    for name, *arguments in commands:
        assert name == "metaprobe"
        assert main(arguments) == 0, arguments
    assert {*FORMS} <= {path.name for path in Path().iterdir()}


def test_help_has_examples_that_run(capsys) -> None:
    """A --help that does not name a form, or an example with an option that is no more."""
    with pytest.raises(SystemExit):
        main(["publish", "--help"])
    said = capsys.readouterr().out
    examples = re.findall(r"^  metaprobe (publish .*)$", said, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        parse(shlex.split(example))
    assert all(form in said for form in FORMS)
    assert tuple(EXPORTS) == FORMS


def test_command_needs_neither_torch_nor_snakemake(own: Path) -> None:
    """A publishing machine that must have gigabytes installed."""
    code = (
        "import sys; sys.modules |= {'torch': None, 'snakemake': None};"
        f"from metaprobe.__main__ import main; sys.exit(main({['publish', str(own), '--to', 'new']}))"
    )
    path = {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=own.parent, env=path, capture_output=True
    )
    assert done.returncode == 0, done.stderr
