"""The workflow as a user runs it: plans, a whole tiny run, reruns, failures."""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from checkouts import (
    ROOT,
    TINY,
    ask,
    copy_tiny,
    copy_workflow,
    edit_yaml,
    planned,
    run_tiny,
    snakemake,
    write_pictures,
)
from metaprobe.config.layout import STAGES
from metaprobe.core.parquet import read_parquet
from metaprobe.metafeatures.columns import columns
from PIL import Image
from tiny_runs import RECIPES, TUNED, VALIDATED, add

pytestmark = pytest.mark.slow  # A finished run, and many that are begun: a quarter of an hour.
CHECKED = {"check_table": 1, "validate": 1}
FROM_METABU = dict.fromkeys(("export_metabu", "evaluate_recommenders", "report"), 1)
LEARNT = FROM_METABU | {"build_portfolio": 1}
FINAL = {"aggregate": 1, "all": 1} | CHECKED | LEARNT
FINAL |= {"compare_configurations": 1}
DESCRIBED = {"describe_dataset": 2, "aggregate_descriptions": 1} | CHECKED | LEARNT

HEADS = {"train_head": 6, "metrics_json": 6}
METRICS = {"metrics_json": 6}
EXTRACTION = {"extract_features": 4} | HEADS | DESCRIBED
ALL = EXTRACTION | {"subset_index": 2, "measure_pictures": 2}
COLOURED = {"extract_features": 2, "train_head": 3, "metrics_json": 3, "measure_pictures": 1}
COLOURED |= DESCRIBED | {"describe_dataset": 1}
OF_RESNET18 = {"extract_features": 2, "train_head": 4, "metrics_json": 4} | DESCRIBED
DIGITS = {"subset_index": 1, "extract_features": 2, "train_head": 3, "metrics_json": 3}
DIGITS |= DESCRIBED | {"measure_pictures": 1, "describe_dataset": 1}


def edit_code(folder: Path, module: str, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a module of the package."""
    path = folder / f"workflow/metaprobe/{module}.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A checkout in which the tiny run has ended well."""
    folder = tmp_path_factory.mktemp("finished") / "a checkout"
    run_tiny(folder)
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results" / "target_representations.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_shipped_configuration_plans_the_documented_jobs(tmp_path) -> None:
    """A backbone pass per configuration, or a download per task."""
    folder = copy_workflow(tmp_path)
    jobs = planned(folder)
    assert jobs == FINAL | {
        "download": 24,
        "fetch_weights": 3,
        "subset_index": 30,
        "extract_features": 90,
        "train_head": 180,
        "metrics_json": 180,
        "measure_pictures": 30,
        "describe_dataset": 30,
        "aggregate_descriptions": 1,
    }


def test_finished_run_has_every_experiment_once_in_order(finished) -> None:
    """A lost or doubled row, or an order that depends on which job ended first."""
    rows = table(finished)
    assert [(row["task_id"], row["architecture"], row["learning_rate"]) for row in rows] == [
        (task, architecture, rate)
        for task in ("Digits", "Tints")
        for architecture, rate in (
            ("ResNet18", "0.01"),
            ("ResNet18", "0.001"),
            ("MobileNetV2", "0.01"),
        )
    ]
    fragment = json.loads((finished / "results/metrics/Tints/resnet18-plain.json").read_text())
    assert fragment["weights"]["id"] == "random (seed 0)"
    assert fragment["sampling"] == "stratified"
    assert fragment["train_images"] == 24
    assert len(fragment["learning_curve"]) == 3
    subset = json.loads((finished / "results/subsets/Tints.json").read_text())
    assert subset["class_names"] == ["blue", "green", "red"]
    assert subset["train"]["counts_per_class"] == {"blue": 8, "green": 8, "red": 8}
    assert not set(subset["train"]["indices"]) & set(subset["test"]["indices"])


def test_second_run_does_nothing_and_a_moved_checkout_neither(checkout) -> None:
    """Absolute paths or times in what decides a rerun."""
    for file in (checkout / "workflow").glob("**/*"):
        os.utime(file)
    assert planned(checkout, *TINY) == {}


def test_published_weights_reach_the_backbone(checkout) -> None:
    """A receipt that the extraction cannot read, which no run with random weights would tell."""
    import torch
    from torchvision import models

    file = checkout / "data/weights/resnet18-of-the-test.pth"
    file.parent.mkdir()
    torch.manual_seed(5)
    torch.save(models.resnet18().state_dict(), file)
    weights = {"id": "ResNet18_Weights.IMAGENET1K_V1", "file": file.name}
    weights["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    receipt = checkout / "results/published/weights/ResNet18.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_text(json.dumps(weights))

    def change(content):
        content["weights"] = "imagenet"
        content["only_datasets"], content["only_configurations"] = ["Digits"], ["resnet18-plain"]
        content["described_by"] = ["ResNet18"]
        content["pathvars"] = {"results": "results/published", "logs": "results/published/logs"}

    edit_yaml(checkout / "tiny.yaml", change)
    result = snakemake(checkout, *TINY)
    assert result.returncode == 0, result.stdout
    fragment = checkout / "results/published/metrics/Digits/resnet18-plain.json"
    assert json.loads(fragment.read_text())["weights"] == weights


def test_changed_learning_rate_reruns_its_experiments(checkout) -> None:
    """A changed hyperparameter that leaves stale rows, or that runs a backbone."""

    def change(content):
        content["configurations"]["mobilenetv2-plain"]["learning_rate"] = 0.02

    edit_yaml(checkout / "config/configurations.yaml", change)
    assert planned(checkout, *TINY) == FINAL | {"train_head": 2, "metrics_json": 2}
    touched = snakemake(checkout, "--touch", *TINY)
    assert touched.returncode == 0, touched.stdout
    assert "experiments done" not in touched.stdout
    assert planned(checkout, *TINY) == FINAL | {"train_head": 2, "metrics_json": 2}


@pytest.fixture
def arrived(checkout) -> Path:
    """The results in a checkout that knows nothing of how they were made."""
    shutil.rmtree(checkout / ".snakemake")
    return checkout


def test_copied_results_rerun_nothing(arrived) -> None:
    """Hours of work done again as a copy came without Snakemake's records, or in another order."""
    assert planned(arrived, *TINY) == {}
    for file in sorted((arrived / "results").rglob("*.*"), reverse=True):
        os.utime(file)
    assert planned(arrived, *TINY) == {}


SETTINGS_OF_COPIES = {
    "replicates=2": HEADS,
    "precision=bfloat16": EXTRACTION,
    "train_images=25": ALL,
    "test_images=8": ALL,
    "seed=1": ALL,
}


@pytest.mark.parametrize("setting", SETTINGS_OF_COPIES)
def test_copied_results_of_other_settings_are_made_again(arrived, setting) -> None:
    """A stale table and exit code 0, as nothing is recorded of how its files were made."""
    expected = FINAL | SETTINGS_OF_COPIES[setting]
    assert planned(arrived, *TINY, "--config", setting) == expected


@pytest.mark.long
def test_copied_results_of_another_configuration_are_made_again(arrived) -> None:
    """The same, or experiments run again that agree."""

    def change(content):
        content["configurations"]["mobilenetv2-plain"]["learning_rate"] = 0.02

    edit_yaml(arrived / "config/configurations.yaml", change)
    expected = FINAL | {"train_head": 2, "metrics_json": 2}
    assert planned(arrived, *TINY) == expected
    run = snakemake(arrived, *TINY)
    assert "made again, as its learning_rate is 0.01, not 0.02: results/heads/" in run.stdout
    assert {row["learning_rate"] for row in table(arrived)} == {"0.01", "0.001", "0.02"}
    assert planned(arrived, *TINY) == {}


def test_copied_results_of_fewer_experiments_rewrite_the_tables(arrived) -> None:
    """Rows of an experiment that is no longer asked for."""
    edit_yaml(arrived / "tiny.yaml", lambda content: content["only_configurations"].pop(0))
    assert planned(arrived, *TINY) == FINAL


def test_added_configuration_runs_heads_only(checkout) -> None:
    """Cached features not used."""

    def change(content):
        content["only_configurations"].append("mobilenetv2-regularized")

    edit_yaml(checkout / "tiny.yaml", change)
    assert planned(checkout, *TINY) == FINAL | {"train_head": 2, "metrics_json": 2}


def test_added_architecture_runs_its_backbone(checkout) -> None:
    """Features of one architecture given to another."""

    def change(content):
        content["only_configurations"].append("efficientnetb0-plain")

    edit_yaml(checkout / "tiny.yaml", change)
    expected = {"extract_features": 2, "train_head": 2, "metrics_json": 2}
    assert planned(checkout, *TINY) == FINAL | expected


def test_added_data_set_runs_its_own_jobs(checkout) -> None:
    """Random draws that depend on which other data sets there are."""

    def change(content):
        content["only_datasets"].insert(0, "MoreTints")

    edit_yaml(checkout / "tiny.yaml", change)
    expected = {"subset_index": 1, "extract_features": 2, "train_head": 3, "metrics_json": 3}
    expected |= {"measure_pictures": 1, "describe_dataset": 1, "aggregate_descriptions": 1}
    assert planned(checkout, *TINY) == FINAL | expected


def test_removed_configuration_rewrites_the_table_only(checkout) -> None:
    """Rows of an experiment that is no longer asked for."""
    edit_yaml(checkout / "tiny.yaml", lambda content: content["only_configurations"].pop(0))
    assert planned(checkout, *TINY) == FINAL


def test_removed_backbone_rewrites_the_tables_only(checkout) -> None:
    """Descriptions that come and go with the configurations."""
    edit_yaml(checkout / "tiny.yaml", lambda content: content["only_configurations"].pop())
    assert planned(checkout, *TINY) == FINAL


def test_data_sets_are_described_by_what_the_run_says(checkout) -> None:
    """Columns of a backbone that describes no longer, or descriptions without a backbone's columns."""
    described_by = ("--config", "described_by=[ResNet18]")
    assert planned(checkout, *TINY, *described_by) == DESCRIBED | {"all": 1}
    described_by = ("--config", "described_by=[ResNet18,EfficientNetB0]")
    expected = {"extract_features": 2, "all": 1} | DESCRIBED
    assert planned(checkout, *TINY, *described_by) == expected


def test_configurations_in_another_order_describe_nothing_again(checkout) -> None:
    """Meta-features that depend on which configuration comes first."""
    edit_yaml(checkout / "tiny.yaml", lambda content: content["only_configurations"].reverse())
    assert planned(checkout, *TINY) == FINAL


@pytest.mark.parametrize(
    ("file", "edit", "expected"),
    [
        ("metafeatures/logme", ("1e-5", "2e-5"), DESCRIBED),
        ("metafeatures/image_statistics", ("255", "256"), DESCRIBED | {"measure_pictures": 2}),
        ("metafeatures/table", ("+ 0.0", "+ 0"), {"aggregate_descriptions": 1} | CHECKED | LEARNT),
        ("recommend/metabu", ("CLIP = 3.0", "CLIP = 4.0"), FROM_METABU),
        ("recommend/evaluation", ("= 100", "= 99"), {"evaluate_recommenders": 1, "report": 1}),
        ("recommend/portfolio", ("= 12\n", "= 13\n"), {"build_portfolio": 1, "report": 1}),
        ("recommend/ranking", ("= 10.0", "= 9.0"), None),
    ],
)
def test_edited_description_reruns_no_experiment(checkout, file, edit, expected) -> None:
    """A backbone or a head run again for a meta-feature."""
    edit_code(checkout, file, *edit)
    assert planned(checkout, *TINY) == ({} if expected is None else expected | {"all": 1})


def test_edited_page_of_the_report_reruns_the_report(checkout) -> None:
    """An old page under a new template."""
    path = checkout / "workflow/metaprobe/report/template.html"
    path.write_text(path.read_text(encoding="utf-8").replace("<h1>", "<h1>Our "), encoding="utf-8")
    assert planned(checkout, *TINY) == {"report": 1, "all": 1}


def test_status_tells_no_failure_of_what_is_not_needed(checkout) -> None:
    """An old failure to fetch weights or a source, held against a run that needs neither."""
    (checkout / "results/metrics/Digits/resnet18-plain.json").unlink()
    log = checkout / "results/logs/fetch_weights/ResNet18.log"
    log.parent.mkdir()
    log.write_text("error: cannot fetch the weights\n")
    result = snakemake(checkout, "status", *TINY)
    assert "# 5 done, x 0 failed, . 1 missing, of 6 experiments" in result.stdout


def test_both_tables_have_the_same_tasks_and_no_empty_cell(finished) -> None:
    """Two files that a meta-learner cannot join."""
    with open(finished / "results" / "basic_representations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["task_id"] for row in rows] == ["Digits", "Tints"]
    assert {row["task_id"] for row in rows} == {row["task_id"] for row in table(finished)}
    assert list(rows[0])[1:] == columns(["ResNet18", "MobileNetV2"], ["MobileNetV2"])
    for row in rows:
        assert all(math.isfinite(float(row[name])) for name in row if name != "task_id")
    digits, tints = rows
    assert float(tints["nearest_mean_accuracy"]) > float(digits["nearest_mean_accuracy"])
    assert float(digits["colourfulness"]) == 0 < float(tints["colourfulness"])


def test_bootstrap_reads_no_picture_and_runs_no_backbone(checkout) -> None:
    """Resamples that cost what the data sets cost, or that have other columns."""
    (checkout / "data").rename(checkout / "gone")
    tiny = (*TINY, "--config", "bootstrap_resamples=2", "--", "bootstrap")
    assert planned(checkout, *tiny) == {"describe_resamples": 2, "bootstrap": 1}
    result = snakemake(checkout, *tiny)
    assert result.returncode == 0, result.stdout
    with open(checkout / "results" / "bootstrap_representations.csv", newline="") as file:
        header, *rows = csv.reader(file)
    basic = (checkout / "results" / "basic_representations.csv").read_text()
    assert ",".join(header) == basic.splitlines()[0]
    assert [row[0] for row in rows] == ["Digits", "Digits", "Tints", "Tints"]
    assert all(math.isfinite(float(cell)) for row in rows for cell in row[1:])
    assert planned(checkout, *TINY) == {}


def plan(folder: Path, *arguments: str) -> tuple[dict[str, int], str]:
    """Rule → number of jobs by `snakemake plan`, and all that it says; tables are one sum."""
    result = snakemake(folder, "plan", *arguments)
    assert result.returncode == 0, result.stdout
    listed = result.stdout.partition(" to run:")[2].partition("\n\n")[0]
    return {rule: int(n) for rule, n in re.findall(r"(\w+) (\d+)", listed)}, result.stdout


def tables_summed(jobs: dict[str, int]) -> dict[str, int]:
    """The jobs of a dry run as the plan has them."""
    others = sum(n for rule, n in jobs.items() if rule not in (*STAGES, "all"))
    listed = {rule: n for rule, n in jobs.items() if rule in STAGES}
    return listed | ({"tables": others} if others else {})


def test_plan_says_what_snakemake_would_run(checkout) -> None:
    """A plan of its own idea of what is missing; or one that starts or writes something."""

    def agree(*arguments: str) -> str:
        before = written(checkout)
        jobs, text = plan(checkout, *arguments)
        assert jobs == tables_summed(planned(checkout, *arguments))
        assert written(checkout) == before
        return text

    def written(folder: Path) -> dict[str, int]:
        found = (folder / "results").glob("**/*")
        return {str(f): f.stat().st_mtime_ns for f in found if f.is_file() and f.suffix != ".log"}

    assert "6 experiments: 6 done\nNothing to do" in agree(*TINY)
    assert "6 experiments: 6 outdated\n" in agree(*TINY, "--config", "epochs=4")
    more = "only_datasets=[Digits,Tints,MoreTints]"
    added = agree(*TINY, "--config", more)
    assert "9 experiments: 6 done, 3 missing" in added
    assert "2 other data sets: nothing to do" in added
    assert re.search(r"^MoreTints +0 +3 +\d+ +- +<0.01 +\d+ (s|min)$", added, re.MULTILINE)
    assert "by what finished jobs took" in added

    (checkout / "results/metrics/Digits/resnet18-plain.json").unlink()
    (checkout / "results/metrics/Tints/resnet18-plain.json").write_text("{}")
    text = agree(*TINY)
    assert "6 experiments: 4 done, 1 missing, 1 broken" in text
    assert "Tints/resnet18-plain: results/metrics/Tints/resnet18-plain.json is broken" in text
    edit_code(checkout, "training/metrics", "CALIBRATION_BINS = 15", "CALIBRATION_BINS = 16")
    assert "6 experiments: 5 outdated, 1 missing" in agree(*TINY)


def test_plan_of_a_fresh_checkout_invents_no_time_and_starts_nothing(tmp_path) -> None:
    """Hours out of the air, downloads begun by a question, or a question that takes minutes."""
    folder = copy_workflow(tmp_path)
    started = time.monotonic()
    jobs, text = plan(folder)
    assert time.monotonic() - started < 60
    assert jobs == tables_summed(planned(folder))
    assert "180 experiments: 180 missing" in text
    assert "time: ? until a first job of each kind has run here" in text
    assert "to download: 27.5 GB" in text
    assert not (folder / "results").exists()
    assert not (folder / "data").exists()


def test_run_says_how_far_it_is_and_little_else(checkout) -> None:
    """Hundreds of lines about single jobs; or a dry run, or an error, that is silenced with them."""
    (checkout / "results/metrics/Tints/resnet18-plain.json").unlink()
    (checkout / "results/pictures/Tints.safetensors").write_bytes(b"cut off")
    (checkout / "results/descriptions/Tints.json").unlink()
    dry = snakemake(checkout, "--dry-run", *TINY)
    assert "rule metrics_json:" in dry.stdout
    assert "experiments done" not in dry.stdout
    result = snakemake(checkout, *TINY)
    assert "6 of 6 experiments done, " in result.stdout
    assert "; 1 job failed" in result.stdout
    assert "Error in rule describe_dataset:" in result.stdout
    for noise in ("Finished jobid", "Select jobs", "rule metrics_json:", "steps ("):
        assert noise not in result.stdout
    log = max((checkout / ".snakemake/log").glob("*.log")).read_text()
    assert "rule metrics_json:" in log
    (checkout / "results/metrics/Tints/resnet18-plain.json").unlink()
    asked = snakemake(checkout, *TINY, "--quiet", "reason")
    assert "Finished jobid" in asked.stdout
    assert "experiments done" not in asked.stdout


def test_partial_is_the_table_of_what_exists_now(checkout) -> None:
    """Rows of broken fragments, or a partial table beside a whole one that is the same."""
    table_of_all = checkout / "results/target_representations.csv"
    partial = checkout / "results/target_representations.partial.csv"
    assert (
        f"they are in {table_of_all.relative_to(checkout)}."
        in snakemake(checkout, "partial", *TINY).stdout
    )
    assert not partial.exists()
    (checkout / "results/metrics/Digits/resnet18-plain.json").unlink()
    (checkout / "results/metrics/Tints/resnet18-plain.json").write_text("{}")
    said = snakemake(checkout, "partial", *TINY).stdout
    assert "4 of 6 experiments are finished; they are in results/target_repr" in said
    assert "Left out: results/metrics/Tints/resnet18-plain.json is broken" in said
    assert len(partial.read_text().splitlines()) == 1 + 4


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("status", "No experiment is finished yet"),
        ("plan", "2 experiments: 2 missing"),
        ("partial", "No experiment is finished yet"),
        ("verify", "there is no finished experiment to verify yet"),
        ("recommend", "there is no finished experiment to learn from yet"),
    ],
)
def test_empty_results_get_a_friendly_sentence(finished, tmp_path, question, sentence) -> None:
    """A traceback, or an empty table, for a run that has not begun."""
    folder = copy_tiny(tmp_path)
    shutil.copy2(finished / "tiny.yaml", folder)
    write_pictures(tmp_path / "new")
    settings = ["only_configurations=[resnet18-plain]"]
    settings += [f"new_dataset={tmp_path / 'new'}"] if question == "recommend" else []
    said = snakemake(folder, question, *TINY, "--config", *settings).stdout
    assert "Traceback" not in said
    assert sentence in said
    assert not list((folder / "results").glob("*.csv"))


def test_questions_leave_the_lock_of_a_run_alone(checkout) -> None:
    """Snakemake deletes all locks at the end of a question: a second run could then begin."""
    lock = checkout / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/target_representations.csv\n")
    for question in ("status", "partial", "plan", "doctor"):
        for nolock in ((), ("--nolock",)):
            result = snakemake(checkout, question, *nolock, *TINY)
            assert result.returncode == 0, result.stdout
            assert lock.is_file(), question
    assert "Directory cannot be locked" in snakemake(checkout, *TINY, "-R", "aggregate").stdout
    assert snakemake(checkout, "--unlock", *TINY).returncode == 0
    assert planned(checkout, *TINY) == {} and not lock.exists()


def test_snakemakes_report_has_the_figures(checkout) -> None:
    """Figures that Snakemake does not find, or a report of its own that fails."""
    result = snakemake(checkout, "--report", "report.zip", *TINY, cores=None)
    assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(checkout / "report.zip") as archive:
        packed = {Path(name).name for name in archive.namelist()}
    figures = {path.name for path in (checkout / "results/figures").glob("*.svg")}
    assert figures and figures <= packed


def test_comments_and_docstrings_rerun_nothing(checkout) -> None:
    """Hours of work thrown away for a comment."""
    for file in (
        "metaprobe/training/heads.py",
        "metaprobe/features/extraction.py",
        "scripts/train_head.py",
    ):
        path = checkout / "workflow" / file
        path.write_text(path.read_text().replace('"""', '"""Edited: ', 1) + "\n# a comment\n")
    assert planned(checkout, *TINY) == {}


@pytest.mark.parametrize(
    ("file", "edit", "expected"),
    [
        ("training/heads", ("1e-6", "1e-5"), HEADS),
        ("training/metrics", ("np.mean(logits.", "np.median(logits."), HEADS),
        ("training/metrics", ("CALIBRATION_BINS = 15", "CALIBRATION_BINS = 16"), METRICS),
        ("features/extraction", ("size // 2", "size // 4"), EXTRACTION),
        ("training/optimizers", ("0.9, 0.999, 1e-8", "0.9, 0.99, 1e-8"), HEADS),
        ("training/optimizers", ("ALPHA, EPS = 0.99", "ALPHA, EPS = 0.9"), None),
        ("data/readers/embedded", ("return", "return 0 or"), DIGITS),
        ("data/transforms", ("length - to.size) / 2", "length - to.size) / 3"), COLOURED),
        ("features/engines", ("CPU_BATCH = 16", "CPU_BATCH = 32"), EXTRACTION),
        ("features/engines", ('"NUM_STREAMS": 1', '"NUM_STREAMS": 2'), None),
        ("features/batchnorm", ("(-8, 8,", "(-9, 9,"), EXTRACTION),
    ],
)
def test_edited_code_reruns_what_it_computes(checkout, file, edit, expected) -> None:
    """Results of old code under new code, or everything rerun for one function."""
    edit_code(checkout, file, *edit)
    assert planned(checkout, *TINY) == ({} if expected is None else FINAL | expected)


def test_moved_and_renamed_modules_rerun_nothing(checkout) -> None:
    """Every head trained again because a file got a better name or a better place."""
    package = checkout / "workflow/metaprobe"
    (package / "drawing").mkdir()
    (package / "core/randomness.py").rename(package / "drawing/chance.py")
    (package / "data/subset.py").rename(package / "data/drawn.py")
    changes = {
        "metaprobe.core.randomness": "metaprobe.drawing.chance",
        "metaprobe.data.subset ": "metaprobe.data.drawn ",
        "from metaprobe.data import subset as subsets": "from metaprobe.data import drawn as subsets",
    }
    for file in [*package.rglob("*.py"), *(checkout / "workflow/scripts").glob("*.py")]:
        text = file.read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    (package / "training/added.py").write_text("RATE = 1\n")
    assert planned(checkout, *TINY) == {}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("training/optimizers", '= {\n    "Adam"', '= {\n    "Mine": Adam,\n    "Adam"'),
        ("features/engines", '= {"torch"', '= {"mine": TorchEngine, "torch"'),
        ("data/transforms", '= {"grey"', '= {"mine": colour, "grey"'),
    ],
)
def test_entry_that_nothing_uses_reruns_nothing(checkout, module, old, new) -> None:
    """Hours of backbones for a line that no data set and no configuration names."""
    edit_code(checkout, module, old, new)
    assert planned(checkout, *TINY) == {}


def test_backbone_that_nothing_uses_reruns_nothing_and_a_changed_one_only_itself(checkout) -> None:
    """Hours of backbones for an entry that is new, for a licence, or for what another one changed."""

    def add(content):
        content["backbones"]["Mine"] = {"library": "torchvision", "model": "alexnet"}
        content["backbones"]["ResNet18"]["licence"] = "another"

    edit_yaml(checkout / "config/backbones.yaml", add)
    assert planned(checkout, *TINY) == {}
    edit_yaml(
        checkout / "config/backbones.yaml",
        lambda content: content["backbones"]["ResNet18"].update(
            layer="layer4.1.bn2", pooling="mean"
        ),
    )
    assert planned(checkout, *TINY) == FINAL | OF_RESNET18


def test_reader_that_nothing_uses_reruns_nothing(checkout) -> None:
    """A new kind of data set that draws the subsets of the others again."""
    readers = checkout / "workflow/metaprobe/data/readers"
    shutil.copy(readers / "folder.py", readers / "mine.py")
    assert planned(checkout, *TINY) == {}


def test_machine_settings_rerun_nothing(checkout) -> None:
    """Device, cores or the place of the data among what decides a rerun."""
    (checkout / "data").rename(checkout / "elsewhere")
    settings = ("--config", "device=cpu", "data=elsewhere", "--set-threads", "train_head=2")
    assert planned(checkout, *TINY, *settings) == {}


def test_changed_seed_reruns_everything(checkout) -> None:
    """A seed that does not reach the draws."""
    expected = {"subset_index": 2, "extract_features": 4, "train_head": 6, "metrics_json": 6}
    expected |= DESCRIBED | {"measure_pictures": 2}
    assert planned(checkout, *TINY, "--config", "seed=1") == FINAL | expected


def test_more_replicates_run_no_backbone(checkout) -> None:
    """Features extracted again, or heads that stay alone."""
    expected = {"train_head": 6, "metrics_json": 6}
    assert planned(checkout, *TINY, "--config", "replicates=2") == FINAL | expected


def test_deleted_fragment_is_made_again(checkout) -> None:
    """A table that looks complete while a fragment is missing."""
    (checkout / "results/metrics/Tints/resnet18-plain.json").unlink()
    assert planned(checkout, *TINY) == FINAL | {"metrics_json": 1}


def test_one_broken_data_set_stops_nothing_but_itself(checkout) -> None:
    """A failure that hides, spreads, leaves a table that looks whole, or is not made up for."""
    shutil.move(checkout / "data/Tints/red", checkout / "red")
    shutil.rmtree(checkout / "results/subsets")
    shutil.rmtree(checkout / "results/metrics")
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert "Tints: 2 classes have images, but datasets.yaml declares classes: 3" in result.stdout
    assert "3 of 6 experiments are finished" in result.stdout
    log = (checkout / "results/logs/subset_index/Tints.log").read_text().splitlines()
    assert log[-1].startswith("error: Tints: 2 classes have images")
    assert "Traceback" not in "".join(log)
    partial = checkout / "results/target_representations.partial.csv"
    assert len(partial.read_text().splitlines()) == 1 + 3

    shutil.move(checkout / "red", checkout / "data/Tints/red")
    expected = {"subset_index": 1, "extract_features": 2, "train_head": 3, "metrics_json": 3}
    expected |= {"measure_pictures": 1, "describe_dataset": 1, "aggregate_descriptions": 1}
    assert planned(checkout, *TINY) == FINAL | expected
    result = snakemake(checkout, *TINY)
    assert result.returncode == 0, result.stdout
    assert not partial.exists()
    assert len(table(checkout)) == 6


def test_failed_description_leaves_the_table_of_experiments_whole(checkout) -> None:
    """A finished table called partial, or of an earlier run, for want of a meta-feature."""
    (checkout / "results/descriptions/Tints.json").unlink()
    (checkout / "results/pictures/Tints.safetensors").write_bytes(b"cut off")
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    table_of_all = "results/target_representations.csv"
    assert f"6 of 6 experiments are finished; they are in {table_of_all}." in result.stdout
    assert "describe_dataset/Tints: results/pictures/Tints.safetensors is broken" in result.stdout
    assert "of an earlier run" not in result.stdout
    assert not (checkout / "results/target_representations.partial.csv").exists()


def test_experiments_of_an_earlier_run_are_not_counted(checkout) -> None:
    """Rows of the old learning rate in the table of a run whose new experiments failed."""

    def change(content):
        content["configurations"] = {"resnet18-plain": {"learning_rate": 1e60, "optimizer": "SGD"}}

    edit_yaml(checkout / "tiny.yaml", change)
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert "diverged at epoch 1" in result.stdout
    assert "4 of 6 experiments are finished" in result.stdout
    assert "target_representations.csv is of an earlier run" in result.stdout
    partial = checkout / "results/target_representations.partial.csv"
    assert len(partial.read_text().splitlines()) == 1 + 4


def test_diverged_experiment_fails_alone(checkout) -> None:
    """NaN in the table, a fragment of it, or healthy experiments that are lost with it."""

    def change(content):
        content["only_configurations"] += ["runaway", "efficientnetb0-plain"]
        content["configurations"] = {
            "runaway": {
                "architecture": "ResNet18",
                "learning_rate": 1e60,
                "optimizer": "SGD",
                "batch_size": 8,
            }
        }

    edit_yaml(checkout / "tiny.yaml", change)
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert "8 of 10 experiments are finished" in result.stdout
    for task in ("Digits", "Tints"):
        assert f"train_head/{task}/runaway: diverged at epoch 1, step " in result.stdout
        assert not (checkout / f"results/metrics/{task}/runaway.json").exists()
        assert not (checkout / f"results/heads/{task}/runaway.safetensors").exists()
        assert (checkout / f"results/metrics/{task}/efficientnetb0-plain.json").exists()


def test_features_of_other_pictures_never_share_a_table(checkout) -> None:
    """Half of a data set's rows from pictures that have since been replaced."""
    for file in (checkout / "data/Tints").glob("*/*.png"):
        Image.new("RGB", (30, 40)).save(file)

    small = {"library": "torchvision", "model": "shufflenet_v2_x0_5", "input_size": 64}
    edit_yaml(checkout / "tiny.yaml", lambda content: content.update(backbones={"Small": small}))
    add(checkout, small={"architecture": "Small", "learning_rate": 0.01})
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert "the pictures of Tints changed between its architectures" in result.stdout


def test_path_inside_the_data_folder_is_part_of_the_task(checkout) -> None:
    """Another folder's pictures under the old numbers."""
    shutil.copytree(checkout / "data/Tints", checkout / "data/Other")

    def change(content):
        content["datasets"]["Tints"]["path"] = "Other"

    edit_yaml(checkout / "tiny.yaml", change)
    assert planned(checkout, *TINY)["subset_index"] == 1


def test_order_of_keys_reruns_nothing(checkout) -> None:
    """A backbone run again because two lines of YAML were exchanged."""

    def change(content):
        for entry in (content["datasets"], content["configurations"]):
            for name, value in entry.items():
                entry[name] = dict(reversed(value.items()))

    for file in ("config/datasets.yaml", "config/configurations.yaml"):
        edit_yaml(
            checkout / file,
            lambda content: change({"datasets": {}, "configurations": {}} | content),
        )
    edit_yaml(checkout / "tiny.yaml", lambda content: change({"configurations": {}} | content))
    assert planned(checkout, *TINY) == {}


@pytest.mark.long
def test_second_run_from_nothing_gives_the_same_metrics(finished, tmp_path) -> None:
    """Results that depend on the order of jobs, on their number at a time, or on global state."""
    folder = copy_tiny(tmp_path / "again")
    for name in ("tiny.yaml", "data"):
        source = finished / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    result = snakemake(folder, *TINY, cores=1)
    assert result.returncode == 0, result.stdout
    basic = "results/basic_representations.csv"
    assert (folder / basic).read_bytes() == (finished / basic).read_bytes()
    for ours, theirs in zip(table(folder), table(finished), strict=True):
        assert {**ours, "training_time_sec": ""} == {**theirs, "training_time_sec": ""}
    for name in ("predictions.parquet", "comparisons.csv", "validation.txt"):
        file = Path("results", name)
        assert (folder / file).read_bytes() == (finished / file).read_bytes(), name
    ours, theirs = (read_parquet(one / "results/curves.parquet") for one in (folder, finished))
    assert ours.equals(theirs)


def test_recommendation_is_all_that_is_printed(checkout, tmp_path) -> None:
    """Snakemake's talk around the answer, or silence when it fails."""
    write_pictures(tmp_path / "my pictures")
    done = ask(checkout, "recommend", "../my pictures", *TINY, "--cores", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("my_pictures: configurations ranked by `nearest` from 2 tasks")
    assert done.stdout.splitlines()[-1].startswith("All of it: ")
    done = ask(checkout, "recommend", "nowhere", *TINY)
    assert done.returncode == 1 and "nowhere" in done.stderr


@pytest.mark.parametrize(
    "kind",
    [
        "subsets/Tints.json",
        pytest.param("features/Tints/ResNet18.safetensors", marks=pytest.mark.long),
    ],
)
def test_broken_intermediate_file_is_named(checkout, kind) -> None:
    """A truncated file that gives a wrong number, or a traceback."""
    path = checkout / "results" / kind
    path.write_bytes(path.read_bytes()[:-100])
    shutil.rmtree(checkout / "results/metrics/Tints")
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert f"results/{kind} is broken" in result.stdout
    assert "delete it and start the run again" in result.stdout
    path.unlink()
    assert snakemake(checkout, *TINY).returncode == 0


def test_mistake_in_the_configuration_is_one_line_before_any_job(tmp_path) -> None:
    """A traceback, or hours of work before a typing mistake is found."""
    folder = copy_workflow(tmp_path)
    (folder / "mine.yaml").write_text(
        "configurations: {mine: {architecture: ResNet50, learning_rate: 1}}\n"
    )
    result = snakemake(folder, "--configfile", "mine.yaml")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    expected = (
        "mine.yaml: configurations/mine/architecture: 'ResNet50' is not declared in backbones; "
    )
    assert expected + "did you mean ResNet18?" in result.stdout
    assert not (folder / "results").exists()


def test_both_forms_for_the_meta_learner_are_there_with_warnings(finished) -> None:
    """The tiny run failing for want of tasks, or keeping silent on what two tasks are good for."""
    with open(finished / "results/metabu/target_representations.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[0] == "task_id"
    assert header[-1] == "test_accuracy_z"
    assert [row[0] for row in rows] == ["Digits"] * 3 + ["Tints"] * 3
    assert all(math.isfinite(float(cell)) for row in rows for cell in row[1:])
    warnings = json.loads((finished / "results/metabu/scaler.json").read_text())["warnings"]
    assert "cannot train on 2 tasks" in warnings[0]
    evaluation = (finished / "results/recommendation_evaluation.csv").read_text()
    assert "too few families to tell: 2, at least " in evaluation
    portfolio = json.loads((finished / "results/portfolio.json").read_text())
    assert portfolio["sentence"].startswith("Without any meta-learning one would use ")


def test_warnings_are_repeated_at_the_end(checkout) -> None:
    """A warning that only the log knows."""
    (checkout / "results/metabu/scaler.json").unlink()
    (checkout / "results/metabu/target_representations.csv").unlink()
    result = snakemake(checkout, *TINY)
    assert "warning: Metabu cannot train on 2 tasks" in result.stdout


def test_recommendation_for_a_new_folder_leaves_the_table_alone(checkout, tmp_path) -> None:
    """A new data set in the table, one that reruns it, or two of one name taken for one."""
    write_pictures(tmp_path / "first" / "my pictures (2)")
    before = {
        path: path.read_bytes()
        for path in (checkout / "results").glob("**/*.*")
        if path.suffix in (".csv", ".json", ".safetensors")
    }
    first, second = (
        f"new_dataset={tmp_path / name / 'my pictures (2)'}" for name in ("first", "second")
    )
    ask = (*TINY, "--config", first, "--", "recommend")
    own = {"subset_index": 1, "measure_pictures": 1, "extract_features": 2, "describe_dataset": 1}
    own |= {"rank_configurations": 1, "recommend": 1}
    assert planned(checkout, *ask) == own
    result = snakemake(checkout, *ask)
    assert result.returncode == 0, result.stdout
    assert "my_pictures_2: configurations ranked by `nearest` from 2 tasks" in result.stdout
    answer = json.loads((checkout / "results/recommendations/my_pictures_2.json").read_text())
    assert {one["task_id"] for one in answer["neighbours"]} == {"Digits", "Tints"}
    assert len(answer["configurations"]) == 3
    assert {path: path.read_bytes() for path in before} == before
    assert planned(checkout, *TINY) == {}

    assert planned(checkout, *ask) == {"recommend": 1}
    by_logme = (*TINY, "--config", first, "recommender=logme", "--", "recommend")
    assert planned(checkout, *by_logme) == {"rank_configurations": 1, "recommend": 1}
    write_pictures(tmp_path / "second" / "my pictures (2)")
    assert planned(checkout, *TINY, "--config", second, "--", "recommend") == own


def test_recommendation_without_a_data_set_is_one_line(checkout) -> None:
    """A traceback where a word is missing."""
    result = snakemake(checkout, "recommend", *TINY)
    assert result.returncode != 0
    assert "recommend for which? Add --config new_dataset=" in result.stdout
    assert "Traceback" not in result.stdout


def test_48_configurations_read_no_image_again(checkout) -> None:
    """A sweep of heads that runs the backbones once more; or the six of the main run trained again."""
    drawn = yaml.safe_load((checkout / "config/configurations-48.yaml").read_text())
    ours = [
        name
        for name, one in drawn["configurations"].items()
        if one["architecture"] != "EfficientNetB0"
    ]
    edit_yaml(checkout / "tiny.yaml", lambda content: content.update(only_configurations=ours))
    jobs = planned(checkout, *TINY, "config/configurations-48.yaml")
    assert jobs == FINAL | {"train_head": 2 * (32 - 3), "metrics_json": 2 * (32 - 3)}


def test_snakefile_is_the_dag_at_a_glance() -> None:
    """Logic creeping into the first file a reader opens."""
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 40


def test_recipe_beside_a_finished_table_runs_its_own_jobs(checkout: Path) -> None:
    """Backbones run again, or heads trained again, for a recipe that is added."""
    expected = {"train_head": 2, "metrics_json": 2}
    add(checkout, ridge=RECIPES["ridge"])
    assert planned(checkout, *TINY) == FINAL | expected
    add(checkout, stopped=VALIDATED)
    expected = {name: 2 * number for name, number in expected.items()}
    expected |= {"draw_validation": 2, "extract_part": 2}
    assert planned(checkout, *TINY) == FINAL | expected
    add(checkout, flipped=RECIPES["flipped"])
    expected |= {"train_head": 6, "metrics_json": 6, "extract_part": 2 + 4}
    assert planned(checkout, *TINY) == FINAL | expected
    add(checkout, tuned=TUNED)
    expected |= {"metrics_json": 8, "cache_activations": 4, "tune_blocks": 2}
    assert planned(checkout, *TINY) == FINAL | expected


def test_impossible_cut_is_told_before_anything_starts(checkout: Path) -> None:
    """Hours of extraction before a job finds that a network has no blocks."""
    backbone = {"library": "torchvision", "model": "vgg11"}
    edit_yaml(checkout / "tiny.yaml", lambda content: content.update(backbones={"VGG": backbone}))
    add(checkout, tuned=TUNED | {"architecture": "VGG"})
    result = snakemake(checkout, *TINY)
    assert result.returncode != 0
    assert "backbones/VGG: trainable: last_block is impossible" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (checkout / "results/activations").exists()
