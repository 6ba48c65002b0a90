"""The environment: declared once, pinned once, and the same for pip and conda."""

import re
import tomllib

import yaml
from checkouts import ROOT

CONDA_NAMES = {"pytorch": "torch"}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line)


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {re.split(r"[<>=\[]", name)[0].lower() for name in wanted}


def test_every_dependency_is_pinned_and_no_index_is_named() -> None:
    """An environment that differs from month to month, or that needs somebody's package index."""
    assert declared() <= constraints().keys()
    assert not re.search(r"://|@|--index|--find", (ROOT / "constraints.txt").read_text())


def test_conda_environments_have_the_pinned_versions() -> None:
    """Numbers that differ between `--sdm conda` and pip."""
    for file in (ROOT / "envs").glob("*.yaml"):
        environment = yaml.safe_load(file.read_text())
        assert environment["channels"] == ["conda-forge", "nodefaults"]
        for dependency in environment["dependencies"]:
            name, version = dependency.split(" =")
            if name != "python":
                assert constraints()[CONDA_NAMES.get(name, name)] == version, (file.name, name)


def test_every_rule_has_an_environment_and_every_environment_a_rule() -> None:
    """A file name mistyped, or an environment nobody uses."""
    used = set()
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        text = file.read_text()
        found = re.findall(r'conda:\n\s+"\.\./\.\./(.*)"', text)
        assert len(found) == len(re.findall(r"^rule ", text, re.MULTILINE)), file.name
        used |= set(found)
    assert used == {f"envs/{file.name}" for file in (ROOT / "envs").glob("*.yaml")}


def test_readme_and_ci_name_the_commands_that_exist() -> None:
    """A README whose first command fails."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^make (\w+)", readme, re.MULTILINE)) <= targets
    assert not re.search(r"^[A-Z_]+$", readme, re.MULTILINE)
    for path in re.findall(r"`((?:config|workflow|tests|profiles)/[\w./-]+)`", readme):
        assert (ROOT / path).exists(), path
    ci = (ROOT / ".ci/run").read_text()
    assert {"make test", "make demo"} <= set(ci.splitlines())


def test_default_profile_holds_only_what_no_other_profile_sets() -> None:
    """Keys of profiles/default silently override those of a cluster's profile, key by key."""
    profile = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text())
    assert profile.keys() == {"keep-going", "rerun-incomplete", "rerun-triggers"}
