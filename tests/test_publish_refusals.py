"""What `metaprobe publish` refuses, each in one line, and what it replaces."""

import json
import shutil
from pathlib import Path

import metaprobe
import pytest
from metaprobe.__main__ import main, parse
from metaprobe.core.files import read_json, write_checked_json
from metaprobe.publish.target import MARK, write_sums
from published import OPEN, publish, write_finished


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return write_finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(results, tmp_path / "results")
    shutil.copy2(results.parent / "own.yaml", tmp_path)
    return tmp_path / "results"


def refusal(capsys, results: Path, *options: str) -> str:
    """The one line that a refused command says."""
    assert publish(results, results.parent / "refused", *options) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("publish: ")
    assert "\n" not in said
    assert not (results.parent / "refused").exists()
    return said


def test_former_release_is_replaced_and_nothing_else(own: Path, capsys) -> None:
    """Files of others deleted, or those of a former release left among the new."""
    target = own.parent / "release"
    assert publish(own, target, "--features") == 0
    assert publish(own, target) == 0
    assert not (target / "features").exists()
    (target / "thesis.tex").write_text("years of work")
    assert publish(own, target) == 1
    assert "changed since it was written (thesis.tex)" in capsys.readouterr().err
    assert (target / "thesis.tex").read_text() == "years of work"
    assert publish(own, own) == 1


def test_foreign_folder_with_true_checksums_is_left_alone(own: Path, capsys) -> None:
    """Work of somebody else deleted, as it has checksums of its own; or with a release.json that says nothing."""
    target = own.parent / "thesis"
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    for told in (None, "{}", "[]", "no JSON"):
        if told is not None:
            (target / MARK).write_text(told)
        write_sums(target)
        assert publish(own, target) == 1
        said = capsys.readouterr().err.strip()
        assert (
            said
            == f"publish: {target} is there and is no former release: name an empty or a new folder"
        )
        assert (target / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("form", ["release", "aslib"])
def test_edited_former_release_is_left_alone(own: Path, capsys, form: str) -> None:
    """What was written into a card by hand deleted, or a file of a name that checksums name but that is another."""
    target = own.parent / form
    options = [] if form == "release" else ["--as", form]
    assert publish(own, target, *options) == 0
    assert publish(own, target, *options) == 0
    capsys.readouterr()
    card = target / ("README.md" if form == "release" else "readme.txt")
    card.write_text(edited := card.read_text() + "By hand.")
    assert publish(own, target, *options) == 1
    said = capsys.readouterr().err.strip()
    assert f"was changed since it was written ({card.name})" in said
    assert "\n" not in said
    assert card.read_text() == edited


def test_what_fails_its_digest_is_refused(own: Path, capsys) -> None:
    """A changed number that gets a digest, a card and a DOI."""
    table = own / "experiments.csv"
    sound = table.read_text()
    table.write_text(sound.replace("0.", "1.", 1))
    assert "experiments.csv is broken" in refusal(capsys, own)
    table.write_text(sound)
    fragment = own / "metrics/Birds/resnet18-plain.json"
    write_checked_json(fragment, read_json(fragment) | {"test_accuracy": 1.0})
    assert "was made from another metrics/Birds/resnet18-plain.json" in refusal(capsys, own)
    content = bytearray((own / "curves.parquet").read_bytes())
    content[100] ^= 1
    (own / "curves.parquet").write_bytes(content)
    assert "curves.parquet is broken" in refusal(capsys, own)


def test_subset_that_was_changed_is_refused(own: Path, capsys) -> None:
    """A changed label that gets a checksum and a card."""
    path = own / "subsets/Birds.json"
    told = read_json(path)
    told["test"]["labels"][0] += 1
    path.write_text(json.dumps(told))
    assert "subsets/Birds.json is broken" in refusal(capsys, own)


def test_features_that_were_changed_are_refused(own: Path, capsys) -> None:
    """A flipped byte of a feature that gets a checksum and a card."""
    path = own / "features/Birds/MobileNetV2.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "features/Birds/MobileNetV2.safetensors is broken" in refusal(capsys, own, "--features")


def test_run_without_a_report_is_refused(own: Path, capsys) -> None:
    """A run stopped between table and report taken for a finished one, with a list of files for a page."""
    (own / "report.html").unlink()
    assert "unfinished run (report.html is missing)" in refusal(capsys, own)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(("--licence", "CC BY 4.0"), ("--licence", "mine"), ("--licence", "")),
        *(("--doi", "zenodo.1"), ("--doi", "10.5281"), ("--doi", "10.5281/a b"), ("--doi", "")),
    ],
)
def test_what_is_no_licence_or_no_doi_is_refused(capsys, option: str, text: str) -> None:
    """A citation that no program understands, with a link that leads nowhere."""
    with pytest.raises(SystemExit) as ended:
        main(["publish", "results", "--to", "release", option, text])
    assert ended.value.code == 2
    expected = "is no SPDX id" if option == "--licence" else "is no DOI"
    assert expected in capsys.readouterr().err


def test_licence_and_doi_are_taken_as_people_write_them() -> None:
    """A DOI twice in a link, or a licence of which SPDX has no page."""
    facts = ["--licence", "cc-by-sa-4.0", "--doi", "https://doi.org/10.5281/zenodo.1"]
    options = parse(["publish", "results", "--to", "release", *facts])
    assert (options.licence, options.doi) == ("CC-BY-SA-4.0", "10.5281/zenodo.1")


def test_what_fails_its_own_validation_is_refused(own: Path, capsys) -> None:
    """A table that cannot be right, published."""
    check = {"name": "ranges", "severity": "error", "findings": [{"message": "2 > 1"}]}
    write_checked_json(own / "validation.json", {"checks": [check]})
    assert "did not pass the validation of its own run (ranges)" in refusal(capsys, own)
    assert "ranges" in refusal(capsys, own, "--partial")


def test_unfinished_run_is_refused_unless_it_is_said(own: Path, capsys) -> None:
    """Half a table that looks like a whole one; or one that cannot be shown at all."""
    for name in ("experiments.parquet", "validation.json", "predictions.parquet"):
        (own / name).unlink()
    (own / "metrics/Digits/resnet18-plain.json").unlink()
    assert "--partial" in refusal(capsys, own)
    assert publish(own, own.parent / "release", "--partial") == 0
    release = own.parent / "release"
    assert "unfinished run" in (release / "README.md").read_text()
    assert len(metaprobe.load(release).experiments) == 20
    assert metaprobe.load(release).predictions.task_id.nunique() == len(OPEN)
    assert (release / "target_representations.partial.csv").is_file()
    assert "no folder of results" in refusal(capsys, own.parent)
