"""The environment: declared once, pinned once, and the same for pip and conda."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import yaml
from checkouts import ROOT

CONDA_NAMES = {"pytorch": "torch"}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line)


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["workflow"], *extras["space"], *extras["dev"]]
    return {re.split(r"[<>=\[]", name)[0].lower() for name in wanted} - {"metaprobe"}


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


BY_HAND = ("StanfordCars", "FER2013")  # no host has them
IMPORTED_AS = {"pillow": "PIL", "pytorch": "torch", "pyyaml": "yaml", "scikit-learn": "sklearn"}
# What comes with another package, or is asked for by name and optional.
COMES_WITH = {"pydantic_core": "pydantic", "urllib3": "requests", "huggingface_hub": "timm"}
COMES_WITH |= {"datasets": "", "openvino": ""}
NOT_CALLED = {"envs/report.yaml": {"h5py", "torch", "torchvision"}}  # by what reads pictures
WORKFLOW = ROOT / "workflow"


def imports_of(file: Path) -> tuple[set[str], set[str]]:
    """Modules of the package that a file imports when it is loaded, and others at any depth."""
    own, others = set(), set()
    tree = ast.parse(file.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    later = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        if names and names[0].split(".")[0] != "metaprobe":
            others |= {name.split(".")[0] for name in names}
        elif id(node) not in later:
            own |= {*names}
    return own, others - sys.stdlib_module_names


def third_parties(script: Path) -> set[str]:
    """Packages that a script and the modules that it loads import."""
    pending, seen, found = [script], set(), set()
    while pending:
        file = pending.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        own, others = imports_of(file)
        found |= others
        for name in own:
            base = WORKFLOW.joinpath(*name.split("."))
            pending += [base.with_suffix(".py"), base / "__init__.py"]
    return found


def test_conda_environments_have_what_their_scripts_import() -> None:
    """A rule that ends with ModuleNotFoundError under `--sdm conda`, hours into a run."""
    for file in (WORKFLOW / "rules").glob("*.smk"):
        pairs = re.findall(
            r'conda:\n\s+"\.\./\.\./(.*?)".*?script:\n\s+"(.*?)"', file.read_text(), re.DOTALL
        )
        for environment, script in pairs:
            listed = yaml.safe_load((ROOT / environment).read_text())["dependencies"]
            names = {name.partition(" ")[0] for name in listed}
            there = {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}
            needed = {COMES_WITH.get(name, name) for name in third_parties(file.parent / script)}
            needed -= NOT_CALLED.get(environment, {""})
            assert needed - {""} <= there, (environment, script, needed - there)


def test_demo_installs_no_development_tools() -> None:
    """Some hundred megabytes of type checkers and OpenVINO, for who only wants to see the demo."""
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\n.venv/installed:")[2].partition("\n\n")[0]
    assert '--editable ".[slurm]"' in recipe and "[dev]" not in recipe
    for target in ("setup", "demo", "timings"):
        assert re.search(rf"^{target}: (setup|\.venv/installed)$", makefile, re.MULTILINE)
    for target in ("test", "test-slow", "check", "bench"):
        assert re.search(rf"^{target}: development$", makefile, re.MULTILINE)
    # An environment that was made with other wheels of torch is filled up, not made anew.
    assert "test -x $(BIN)/python || $(PYTHON) -m venv .venv" in recipe


def test_readme_says_what_the_real_run_downloads_and_takes() -> None:
    """28 GB that nobody was told of before the command that fetches them."""
    files = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())
    sources = {
        entry["source"]
        for task_id, entry in files["datasets"].items()
        if "source" in entry and task_id not in BY_HAND
    }
    named = [files["sources"][source] for source in sources]
    download = sum(one["download_mb"] for one in named) / 1000
    disk = download + sum(one["extracted_mb"] for one in named) / 1000
    english, spanish = ((ROOT / f"README{part}.md").read_text() for part in ("", ".es"))
    for text in english, spanish:
        assert f"{download:.1f} GB" in text and f"{disk:.1f} GB" in text
