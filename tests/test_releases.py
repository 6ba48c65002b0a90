"""What a release is made of: one version and address everywhere, containers and CI that fit the repository."""

import re
import shlex
import tomllib

import yaml
from checkouts import ROOT
from metaprobe.export.card import CITATION

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "containers/Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "containers/metaprobe.def").read_text(encoding="utf-8")
NEEDED = {"Makefile", "pyproject.toml", "constraints.txt", "README.md", "workflow", "config"}


def copied_by_docker() -> list[str]:
    """The sources of the Dockerfile's COPY lines."""
    lines = [shlex.split(line) for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)]
    return [source for line in lines for source in line[:-1]]


def section(name: str) -> list[str]:
    """The lines of a section of the Apptainer definition."""
    text = re.findall(rf"^%{name}\n((?:    .*\n|\n)+)", APPTAINER, re.MULTILINE)[0]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_version_and_day_are_one() -> None:
    """A tag whose changelog, citation or package say another version."""
    heading = re.findall(r"^## (.*)$", CHANGES, re.MULTILINE)[0]
    assert heading == f"[{PROJECT['version']}] - {CITED['date-released']}"
    assert str(CITED["version"]) == PROJECT["version"]
    assert f"Version {PROJECT['version']}," in CITATION[0]
    assert str(CITED["date-released"])[:4] in CITATION[0]


def test_address_is_one() -> None:
    """A link to a place where the project is not."""
    assert CITED["url"] == CITED["repository-code"] == PROJECT["urls"]["Homepage"]
    assert CITED["url"] in CITATION[0]


def test_containers_hold_what_the_installation_needs() -> None:
    """A build that ends at a file that is not there, after its downloads."""
    by_docker = copied_by_docker()
    by_apptainer = [line.split()[0] for line in section("files")]
    assert sorted(by_docker) == sorted(by_apptainer)
    assert set(by_docker) >= NEEDED
    assert [name for name in by_docker if not (ROOT / name).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(by_docker)


def test_containers_install_as_everybody_does() -> None:
    """An image with other versions than those of constraints.txt, or with another Python."""
    assert "RUN make setup\n" in DOCKERFILE and "make setup" in section("post")
    makefile = (ROOT / "Makefile").read_text()
    assert "--constraint constraints.txt" in makefile
    (python,) = re.findall(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    assert f"From: python:{python}-" in APPTAINER
    assert f"name in python{python} " in makefile  # the first that `make setup` looks for
    place = re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.MULTILINE)
    assert f'PATH="{place[0]}/.venv/bin:$PATH"' in DOCKERFILE
    assert f'export PATH="{place[0]}/.venv/bin:$PATH"' in section("environment")


def test_ci_runs_what_the_repository_says() -> None:
    """Checks on a host that are not those that contributors run."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["runs-on"].startswith("ubuntu") and job["container"].startswith("python:3.11")
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
