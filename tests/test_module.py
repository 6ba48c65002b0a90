"""The workflow used from elsewhere: as a module of another Snakefile, as a deployed copy, from a host."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from checkouts import ROOT, copy_workflow, edit_yaml, planned, snakemake, write_pictures

DEPLOYED = """\
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


# declare metaprobe as a module
module metaprobe:
    snakefile:
        {snakefile}
    config:
        config


# use all rules from metaprobe
use rule * from metaprobe
"""
OWN = {
    "weights": "random",
    "only_datasets": ["Tints"],
    "only_configurations": ["mobilenetv2-plain"],
    "described_by": ["MobileNetV2"],
    "train_images": 24,
    "test_images": 12,
    "datasets": {"Tints": {"kind": "folder", "classes": 3}},
}


def deploy(folder: Path, snakefile: str) -> Path:
    """What `snakedeploy deploy-workflow` writes: a Snakefile, and copies of `config` and `profiles`."""
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(snakefile=snakefile))
    for part in ("config", "profiles"):
        shutil.copytree(ROOT / part, folder / part)
    return folder


def use(folder: Path, *lines: str, rules: str = "use rule * from metaprobe") -> Path:
    """A Snakefile of a user's own that takes the workflow as a module."""
    folder.mkdir(exist_ok=True)
    module = ["module metaprobe:", f'    snakefile: "{ROOT}/Snakefile"', *lines, "", rules]
    (folder / "Snakefile").write_text("\n".join(module) + "\n")
    return folder


@pytest.mark.parametrize("given", ["    config: config", ""], ids=["config", "no config"])
def test_module_takes_what_it_is_not_told_from_the_checkout(tmp_path: Path, given: str) -> None:
    """`datasets: is missing`, or a file that is looked for in the other Snakefile's folder."""
    folder = use(tmp_path, given, rules="use rule * from metaprobe as probe_*")
    (folder / "mine.yaml").write_text(json.dumps(OWN))
    jobs = planned(folder, "--configfile", "mine.yaml")
    assert jobs["probe_train_head"] == jobs["probe_extract_features"] == 1


def test_module_can_be_given_a_part_of_the_configuration(tmp_path: Path) -> None:
    """A Snakefile of several modules, whose other keys are refused as unknown."""
    folder = use(tmp_path, '    config: config["probe"]')
    (folder / "mine.yaml").write_text(json.dumps({"probe": OWN, "aligner": {"threads": 3}}))
    assert planned(folder, "--configfile", "mine.yaml")["train_head"] == 1


def test_module_with_a_prefix_is_refused(tmp_path: Path) -> None:
    """Results in one folder, and status, handlers and locks that look into another."""
    result = snakemake(use(tmp_path, "    config: config", '    prefix: "a"'), "-n")
    assert result.returncode == 1
    assert "takes no `prefix`: set `pathvars: {results: a/results, logs: a/logs}`" in result.stdout


def test_deployed_copy_has_a_configuration_of_its_own(tmp_path: Path) -> None:
    """A user who edits config/datasets.yaml of his copy, and another file that is read."""
    folder = deploy(tmp_path / "deployed", f'"{ROOT}/Snakefile"')
    assert planned(folder)["metrics_json"] == 180
    edit_yaml(folder / "config/datasets.yaml", lambda content: content["datasets"].pop("MNIST"))
    edit_yaml(folder / "config/config.yaml", lambda content: content.update(epochs=0))
    result = snakemake(folder, "-n")
    assert result.returncode == 1
    assert "config/config.yaml: epochs: 0 is not allowed; allowed: 1 or more" in result.stdout
    edit_yaml(folder / "config/config.yaml", lambda content: content.update(epochs=4))
    assert planned(folder)["metrics_json"] == 174


@pytest.mark.slow
def test_deployed_copy_of_a_hosted_workflow_runs(tmp_path: Path, monkeypatch) -> None:
    """A package, scripts or settings that are not in Snakemake's clone of the repository.

    The clone is put where Snakemake would put it, so that no host is needed.
    """
    source = copy_workflow(tmp_path / "source")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(source)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    cache = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache"
    clone = cache / "github.com/someone/metaprobe"
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(clone)], check=True)
    hosted = 'github("someone/metaprobe", path="Snakefile", tag="v1")'
    folder = deploy(tmp_path / "deployed", hosted)
    write_pictures(folder / "data/Tints")
    edit_yaml(folder / "config/config.yaml", lambda content: content.update(OWN))
    result = snakemake(folder, "results/metrics/Tints/mobilenetv2-plain.json")
    assert result.returncode == 0, result.stdout
    assert (folder / "results/metrics/Tints/mobilenetv2-plain.json").is_file()
    (unpacked,) = (tmp_path / "cache").glob("**/metaprobe/*/workflow/metaprobe")
    assert os.path.isfile(unpacked / "__init__.py")


def test_catalog_file_says_what_is_so() -> None:
    """A catalog page that denies the report or the environments."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True
    assert usage["software-stack-deployment"] == {"conda": True}
    flags = usage["mandatory-flags"]["flags"]
    assert not flags or flags.startswith("--")
