"""Wrong configurations: each is one plain line before anything starts, and neither hangs nor crashes."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from checkouts import ROOT, copy_workflow, snakemake
from metaprobe.config.reading import read_strictly
from metaprobe.config.settings import Files
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_text
from metaprobe.operations.beforehand import check_machine
from metaprobe.operations.flow.workflow import Workflow, read_workflow
from metaprobe.operations.planning.costs import Job
from metaprobe.operations.snakemake_coupling import merged_configuration

OWN = {
    "config": "train_images: 40\ndata: data\npathvars: {results: results, logs: results/logs}\n",
    "datasets": """
datasets:
  Birds: {kind: folder, classes: 2}
  Trees: {kind: folder, classes: 3, source: woods}
sources:
  woods:
    download_mb: 1
    extracted_mb: 2
    files: [{name: woods.zip, urls: ["https://example.org/woods.zip"], extract_to: woods}]
""",
    "backbones": (ROOT / "config/backbones.yaml").read_text(),
    "configurations": "configurations: {plain: {architecture: ResNet18, learning_rate: 0.01}}\n",
    "grid": "grid: {architecture: [ResNet18], learning_rate: [0.01]}\n",
}
SECONDS = 5
DEVICES = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
MAPS = "".join(
    f"a{n}: &a{n} {{{', '.join(f'{k}: *a{n - 1}' for k in 'bcdefghi')}}}\n" for n in range(1, 9)
)


def entry(keys: str, task_id: str = "Fish") -> str:
    return f'datasets: {{"{task_id}": {{kind: folder, classes: 2, {keys}}}}}\n'


def configuration(keys: str, name: str = "mine") -> str:
    return f'configurations: {{"{name}": {{architecture: ResNet18, learning_rate: 0.1, {keys}}}}}\n'


def source(keys: str) -> str:
    return f"sources: {{s: {{download_mb: 1, extracted_mb: 1, {keys}}}}}\n"


def file(keys: str) -> str:
    given = {"name": "a.zip", "urls": '["https://a.org/a.zip"]'}
    given |= dict([keys.split(": ", 1)])
    text = ", ".join(f"{key}: {value}" for key, value in given.items())
    return source(f"files: [{{{text}}}]")


NOT_AN_ID = "not an id; allowed: letters, digits, - and _, at most 100; not NA, nan, None or null"
INSIDE = "a path inside of the folder it is relative to: no .., no / or drive at its start"
ADDRESS = "an address that begins with http:// or https://, without blanks"
FORMULA = "one line that does not begin with =, +, - or @, as a spreadsheet would run it"
TEXTS_ONLY = "inside of brackets --config has texts only: write"
LONG = "a" * 101
UNKNOWN = f"7: unknown key; allowed: {', '.join(sorted(Files.fields()))}"
OTHER_CASE = "in capitals only, which some disks do not tell apart: rename one"

# What mine.yaml says -> the line that is told, after its name.
FILES: dict[str, tuple[str | bytes, str]] = {
    # ids
    "id with newline": (entry("", r"Dig\n"), rf"datasets/Dig\n: {NOT_AN_ID}"),
    "configuration with newline": (configuration("", r"a\n"), rf"configurations/a\n: {NOT_AN_ID}"),
    "source with newline": (
        r'sources: {"x\n": {download_mb: 1, extracted_mb: 1}}',
        rf"sources/x\n: {NOT_AN_ID}",
    ),
    "unknown source with newline": (
        entry(r'source: "x\n"'),
        r"datasets/Fish/source: 'x\n' is not declared in sources",
    ),
    "id too long": (configuration("", LONG), f"configurations/{LONG}: {NOT_AN_ID}"),
    "id of a thousand letters": (
        configuration("", "b" * 1000),
        f"configurations/{'b' * 40}...{'b' * 20}: {NOT_AN_ID}",
    ),
    "data sets differ in case": (
        entry("", "birds"),
        f"datasets/birds: differs from Birds {OTHER_CASE}",
    ),
    "configurations differ in case": (
        configuration("", "PLAIN"),
        f"configurations/PLAIN: differs from plain {OTHER_CASE}",
    ),
    "sources differ in case": (
        "sources: {Woods: {download_mb: 1, extracted_mb: 1}}",
        f"sources/Woods: differs from woods {OTHER_CASE}",
    ),
    # where files are written
    "name climbs": (
        file("name: ../OUT"),
        f"sources/s/files/0/name: '../OUT' is not allowed; allowed: {INSIDE}",
    ),
    "name is absolute": (
        file("name: /abs/OUT"),
        f"sources/s/files/0/name: '/abs/OUT' is not allowed; allowed: {INSIDE}",
    ),
    "name of another system": (
        file(r"name: 'a\..\..\b'"),
        rf"sources/s/files/0/name: 'a\\..\\..\\b' is not allowed; allowed: {INSIDE}",
    ),
    "name with a drive": (
        file("name: 'C:OUT'"),
        f"sources/s/files/0/name: 'C:OUT' is not allowed; allowed: {INSIDE}",
    ),
    "name with newline": (
        file(r'name: "a\nb"'),
        rf"sources/s/files/0/name: 'a\nb' is not allowed; allowed: {INSIDE}",
    ),
    "name with NUL": (
        file(r'name: "a\0b"'),
        rf"sources/s/files/0/name: 'a\x00b' is not allowed; allowed: {INSIDE}",
    ),
    "no name": (
        file("name: ."),
        f"sources/s/files/0/name: '.' is not allowed; allowed: the name of a file, {INSIDE}",
    ),
    "extracted elsewhere": (
        file("extract_to: ../../.."),
        f"sources/s/files/0/extract_to: '../../..' is not allowed; allowed: {INSIDE}",
    ),
    "extracted to an absolute place": (
        file("extract_to: /abs"),
        f"sources/s/files/0/extract_to: '/abs' is not allowed; allowed: {INSIDE}",
    ),
    "nested archives elsewhere": (
        source("nested: [{archive: '../*.zip', extract_to: a}]"),
        f"sources/s/nested/0/archive: '../*.zip' is not allowed; allowed: {INSIDE}",
    ),
    "nested extracted elsewhere": (
        source("nested: [{archive: '*.zip', extract_to: /abs}]"),
        f"sources/s/nested/0/extract_to: '/abs' is not allowed; allowed: {INSIDE}",
    ),
    "provides elsewhere": (
        source("provides: {'../*': 1}"),
        f"sources/s/provides/../*: '../*' is not allowed; allowed: {INSIDE}",
    ),
    # addresses
    "file address": (
        file('urls: ["file:///etc/passwd"]'),
        f"sources/s/files/0/urls/0: 'file:///etc/passwd' is not allowed; allowed: {ADDRESS}",
    ),
    "ftp address": (
        file('urls: ["ftp://a.org/a.zip"]'),
        f"sources/s/files/0/urls/0: 'ftp://a.org/a.zip' is not allowed; allowed: {ADDRESS}",
    ),
    "no scheme": (
        file('urls: ["a.org/a.zip"]'),
        f"sources/s/files/0/urls/0: 'a.org/a.zip' is not allowed; allowed: {ADDRESS}",
    ),
    "no host": (
        file('urls: ["https:///a.zip"]'),
        f"sources/s/files/0/urls/0: 'https:///a.zip' is not allowed; allowed: {ADDRESS}",
    ),
    "blank in an address": (
        file(r'urls: ["https://a.org/a\n"]'),
        rf"sources/s/files/0/urls/0: 'https://a.org/a\n' is not allowed; allowed: {ADDRESS}",
    ),
    "digest with newline": (
        file(rf'md5: "{"0" * 32}\n"'),
        rf"sources/s/files/0/md5: '{'0' * 32}\n' is not allowed; allowed: text like ^[0-9a-f]{{32}}\Z",
    ),
    # texts in tables
    "family is a formula": (
        entry("family: '=cmd'"),
        f"datasets/Fish/family: '=cmd' is not allowed; allowed: {FORMULA}",
    ),
    "family is a formula after a blank": (
        entry("family: ' @SUM(A1)'"),
        f"datasets/Fish/family: ' @SUM(A1)' is not allowed; allowed: {FORMULA}",
    ),
    "family of two lines": (
        entry(r'family: "a\nb"'),
        rf"datasets/Fish/family: 'a\nb' is not allowed; allowed: {FORMULA}",
    ),
    # places
    "no results": (
        "pathvars: {results: ''}",
        "pathvars/results: '' is not allowed; allowed: a folder of its own, such as results",
    ),
    "results in the root": (
        "pathvars: {results: /}",
        "pathvars/results: '/' is not allowed; allowed: a folder of its own, such as results",
    ),
    "results in the root, longer": (
        "pathvars: {results: /tmp/../}",
        "pathvars/results: '/tmp/../' is not allowed; allowed: a folder of its own, such as results",
    ),
    "logs in the root": (
        "pathvars: {logs: //}",
        "pathvars/logs: '//' is not allowed; allowed: a folder of its own, such as results",
    ),
    "results at home": (
        "pathvars: {results: ~/out}",
        "pathvars/results: '~/out' is not allowed; allowed: a folder without { and }, written out where ~ would"
        " stand",
    ),
    "wildcard in results": (
        "pathvars: {results: 'out{dataset}'}",
        "pathvars/results: 'out{dataset}' is not allowed; allowed: a folder without { and }, written out where"
        " ~ would stand",
    ),
    "results is a number": (
        "pathvars: {results: 3}",
        "pathvars/results: 3 is not allowed; allowed: a text",
    ),
    "pathvars is a number": ("pathvars: 3", "pathvars: 3 is not allowed; allowed: a mapping"),
    "home of nobody": (
        entry("path: ~nosuchuser/x"),
        "datasets/Fish/path: '~nosuchuser/x' is not allowed; allowed: a path; this machine has no user nosuchuser",
    ),
    "data of nobody": (
        "data: ~nosuchuser",
        "data: '~nosuchuser' is not allowed; allowed: a path; this machine has no user nosuchuser",
    ),
    "weights of nobody": (
        "weights_folder: ~nosuchuser/w",
        "weights_folder: '~nosuchuser/w' is not allowed; allowed: a path; this machine has no user nosuchuser",
    ),
    "path with NUL": (
        entry(r'path: "a\0b"'),
        r"datasets/Fish/path: 'a\x00b' is not allowed; allowed: a path, on one line",
    ),
    # bounds
    "epochs without bound": (
        "epochs: 1.0e+99",
        "epochs: a number of some 100 digits is not allowed; allowed: 10000 or less",
    ),
    "replicates without bound": (
        "replicates: 1000000000",
        "replicates: 1000000000 is not allowed; allowed: 1000 or less",
    ),
    "training images without bound": (
        f"train_images: 1{'0' * 24}",
        f"train_images: 1{'0' * 24} is not allowed; allowed: 10000000 or less",
    ),
    "test images without bound": (
        "test_images: 10000001",
        "test_images: 10000001 is not allowed; allowed: 10000000 or less",
    ),
    "batch without bound": (
        configuration(f"batch_size: 1{'0' * 30}"),
        f"configurations/mine/batch_size: 1{'0' * 30} is not allowed; allowed: 10000000 or less",
    ),
    "epochs of a configuration without bound": (
        configuration("epochs: 10001"),
        "configurations/mine/epochs: 10001 is not allowed; allowed: 10000 or less",
    ),
    "resamples without bound": (
        "bootstrap_resamples: 10001",
        "bootstrap_resamples: 10001 is not allowed; allowed: 10000 or less",
    ),
    "classes without bound": (
        "datasets: {Fish: {kind: folder, classes: 99999999999}}",
        "datasets/Fish/classes: 99999999999 is not allowed; allowed: 1000000 or less",
    ),
    "first label without bound": (
        "datasets: {Fish: {kind: huggingface, classes: 2, path: a, revision: b, first_label: -99999999999}}",
        "datasets/Fish/first_label: -99999999999 is not allowed; allowed: -1000000000 or more",
    ),
    "grid without bound": (
        f"grid: {{batch_size: {[*range(1, 1001)]}, epochs: {[*range(1, 1002)]}}}",
        "grid: has 1,001,000 combinations; at most 1,000,000 are run",
    ),
    "number of 400 digits": (
        configuration("weight_decay: 1" + "0" * 400),
        "configurations/mine/weight_decay: a number of some 401 digits is not allowed; allowed: finite numbers",
    ),
    "seed of 400 digits": (
        "seed: 1" + "0" * 400,
        "seed: a number of some 401 digits is not allowed; allowed: 9223372036854775807 or less",
    ),
    "number of 5,000 digits": (
        "seed: 1" + "0" * 5000,
        "line 1: a number of more than 1,000 digits",
    ),
    "hexadecimal number of 900 digits": (
        "epochs: 0x" + "f" * 900,
        "epochs: a number of some 1,084 digits is not allowed; allowed: 10000 or less",
    ),
    "NaN epochs": ("epochs: .nan", "epochs: nan is not allowed; allowed: integer"),
    "NaN rate": (
        "configurations: {mine: {architecture: ResNet18, learning_rate: .nan}}",
        "configurations/mine/learning_rate: nan is not allowed; allowed: finite numbers",
    ),
    "NaN momentum": (
        configuration("optimizer: SGD, momentum: .nan"),
        "configurations/mine/momentum: nan is not allowed; allowed: finite numbers",
    ),
    # texts for numbers
    "text for an integer": ("epochs: '3'", "epochs: '3' is a text; write 3"),
    "text for a number": (
        configuration("weight_decay: 1e-7"),
        "configurations/mine/weight_decay: '1e-7' is a text; write 1.0e-07",
    ),
    "text for a truth": (
        "delete_archives: 'true'",
        "delete_archives: 'true' is a text; write true",
    ),
    "word for an integer": ("epochs: three", "epochs: 'three' is not allowed; allowed: integer"),
    # the file itself
    "Latin-1": (
        "seed: 1\n# é\n".encode("latin-1"),
        "line 2: the byte 0xe9 is not UTF-8: save the file as UTF-8",
    ),
    "UTF-16": ("seed: 1\n".encode("utf-16"), "is UTF-16, not UTF-8: save it as UTF-8"),
    "empty": ("", "is empty; a configuration file holds keys, such as seed: 0"),
    "comments only": ("# nothing\n", "is empty; a configuration file holds keys, such as seed: 0"),
    "list": ("- a\n- b\n", "is a list; a configuration file holds keys, such as seed: 0"),
    "text": ("hello\n", "is one text; a configuration file holds keys, such as seed: 0"),
    "recursive": ("datasets: &a\n  X: *a\n", "line 2: *a stands inside of &a"),
    "recursive list": ("only_datasets: &a [*a]\n", "line 1: *a stands inside of &a"),
    "billion laughs": (
        f"a0: &a0 [x, x, x]\n{LAUGHS}only_datasets: *a8\n",
        "line 7: more than 1,000,000 values, those that aliases (*name) repeat among them",
    ),
    "billion laughs in mappings": (
        f"a0: &a0 {{b: x}}\n{MAPS}datasets: *a8\n",
        "line 7: more than 1,000,000 values, those that aliases (*name) repeat among them",
    ),
    "3,000 lists": (
        f"only_datasets: {'[' * 3000}{']' * 3000}\n",
        "line 1: lists and mappings lie more than 30 deep in each other",
    ),
    "3,000 mappings": (
        f"datasets: {'{a: ' * 3000}1{'}' * 3000}\n",
        "line 1: lists and mappings lie more than 30 deep in each other",
    ),
    "list as a key": ("? [a]\n: b\n", "line 1: a list or a mapping cannot be a key"),
    "no such day": ("licence: 2001-99-99\n", "month must be in 1..12"),
    "Python of yte": (
        "__use_yte__: true\n?1 + 1: a\n",
        "__use_yte__ would run what the file says as Python: remove it",
    ),
    "section is a list": (
        "datasets: [Birds]\n",
        "datasets: ['Birds'] is not allowed; allowed: a mapping",
    ),
    "section is a number": ("sources: 5\n", "sources: 5 is not allowed; allowed: a mapping"),
    "key is a number": ("7: a\n", UNKNOWN),
}
# What --config says -> the line that is told.
COMMAND_LINE = {
    "epochs": "--config epochs: has no value: write epochs=VALUE",
    "epochs=": "--config: epochs: None is not allowed; allowed: integer",
    "configurations=x": "--config: configurations: 'x' is not allowed; allowed: a mapping",
    "datasets=3": "--config: datasets: 3 is not allowed; allowed: a mapping",
    "pathvars=3": "--config: pathvars: 3 is not allowed; allowed: a mapping",
    "pathvars={results: /}": "--config: pathvars/results: '/' is not allowed; allowed: a folder of its own, such as"
    " results",
    "delete_archives=true": "--config: delete_archives: 'true' is a text; write delete_archives=True",
    "configurations={plain: {epochs: 5}}": "--config: configurations/plain/epochs: '5' is a text;"
    f" {TEXTS_ONLY} 5 in a file for --configfile",
    "9=1": "--config: '9' is no key: write KEY=VALUE",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout's small configuration, in the current folder."""
    (tmp_path / "config").mkdir()
    for name, text in OWN.items():
        (tmp_path / "config" / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(own: Path, content: str | bytes | None = None, *overrides: str) -> Workflow:
    """Load as the command `metaprobe` does, with a file mine.yaml."""
    files = []
    if content is not None:
        files = [Path("mine.yaml")]
        files[0].write_bytes(content.encode() if isinstance(content, str) else content)
    configuration, names, folders = merged_configuration(own, files, overrides)
    return read_workflow(configuration, names, folders["results"], folders["logs"])


def test_right_configuration(own: Path) -> None:
    """Cases below that are refused for another reason than theirs."""
    flow = load(
        own, entry("family: fish - all, note: '=x'") + configuration("") + file("extract_to: .")
    )
    assert list(flow.run.datasets) == ["Birds", "Trees", "Fish"]
    assert flow.run.notes == ()


@pytest.mark.parametrize("case", FILES)
def test_wrong_file_is_one_line(own: Path, case: str) -> None:
    """A mistake that is accepted, found in a job, told on two lines or by a traceback; a hang."""
    content, expected = FILES[case]
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        load(own, content)
    assert str(caught.value) == f"mine.yaml: {expected}"
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("override", COMMAND_LINE)
def test_wrong_override_is_one_line(own: Path, override: str) -> None:
    """A file that is blamed for what the command line says; an advice that --config cannot follow."""
    with pytest.raises(UserError) as caught:
        load(own, None, override)
    assert str(caught.value) == COMMAND_LINE[override]


def test_entries_that_an_earlier_file_leaves_out_are_told(own: Path) -> None:
    """A data set of one's own that is given after config/demo.yaml, and silently never runs."""
    Path("demo.yaml").write_text("only_datasets: [Birds]\n")
    later = entry("") + configuration("")

    def notes(*overrides: str) -> tuple[str, ...]:
        Path("mine.yaml").write_text(later)
        merged = merged_configuration(own, [Path("demo.yaml"), Path("mine.yaml")], overrides)
        return read_workflow(merged[0], merged[1], "results", "logs").run.notes

    assert notes() == (
        "mine.yaml: Fish will not run, as only_datasets in demo.yaml does not name it:"
        " write only_datasets in mine.yaml too",
    )
    assert notes("only_datasets=[Trees]") == ()
    later += "only_datasets: [Fish]\n"
    assert notes() == ()


def test_shipped_files_are_read_in_no_time() -> None:
    """Bounds that the extended data sets, or the checking of bounds, would not stay within."""
    began = time.process_time()
    for file in (ROOT / "config").glob("*.yaml"):
        assert read_strictly(file)
    assert time.process_time() - began < 4


# What the first job would miss


def missing(own: Path, content: str, *jobs: Job, here: bool = True) -> list[str]:
    """The lines that are told of the jobs of a run with a file mine.yaml."""
    try:
        check_machine(load(own, content), jobs, here=here)
    except UserError as error:
        return str(error).replace(f"{own}/", "").split("\n")
    return []


def test_folders_that_are_not_there_are_told_before_the_first_job(own: Path) -> None:
    """A folder that is looked for in a job, after an hour; or asked for where no job reads it."""
    content = entry("path: /no/fish") + "weights_folder: ~/no/weights\n"
    reading = [Job("subset_index", name) for name in ("Birds", "Trees", "Fish")]
    assert missing(own, content, *reading, Job("fetch_weights", "ResNet18")) == [
        f"weights_folder: there is no folder {Path('~/no/weights').expanduser()}: correct it, or"
        " leave it out",
        "datasets/Birds: there is no folder data/Birds; put one folder per class there",
        "datasets/Fish: there is no folder /no/fish; put one folder per class there",
    ]
    assert missing(own, content, Job("extract_features", "Fish/ResNet18")) == []
    Path("data/Birds").mkdir(parents=True)
    assert missing(own, content, Job("subset_index", "Birds")) == []


def test_device_that_is_not_there_is_told_before_the_first_job(own: Path) -> None:
    """A run on `cuda` without a card that reads all pictures first; or one of a cluster refused."""
    job = Job("extract_features", "Birds/ResNet18")
    name = next(name for name in ("mps", "cuda") if not DEVICES[name]())
    told = [f"device: {name} is not available on this machine; use auto or cpu"]
    assert missing(own, f"device: {name}\n", job) == told
    assert missing(own, f"device: {name}\n", job, here=False) == []
    assert missing(own, f"device: {name}\n", Job("train_head", "Birds/plain")) == []


def test_no_process_is_started_to_ask_for_the_processor(own: Path, monkeypatch) -> None:
    """Seconds for an import of torch at the start of every run."""
    monkeypatch.setattr(subprocess, "run", None)
    for name in ("auto", "cpu"):
        assert missing(own, f"device: {name}\n", Job("extract_features", "Birds/ResNet18")) == []


def test_results_that_may_not_be_written_are_told_before_the_first_job(own: Path, monkeypatch):
    """A traceback of the first job that writes; or a finished run that cannot be asked about."""
    job = Job("train_head", "Birds/plain")
    Path("taken").touch()
    assert missing(own, "pathvars: {results: taken/out}\n", job) == [
        "taken/out cannot be a folder, as taken is a file: let pathvars name another place"
    ]
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")
    Path("closed").mkdir()
    assert missing(own, "pathvars: {results: closed/out, logs: closed/logs}\n", job) == [
        "closed may not be written to: let pathvars name a folder for the results and logs where"
        " you may write"
    ]
    assert missing(own, "pathvars: {results: closed/out}\n") == []


def test_read_only_place_is_told_by_the_writer(tmp_path: Path, monkeypatch) -> None:
    """A traceback, or the advice to make room, where a disk has become read-only."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError) as caught:
        write_text(tmp_path / "a.csv", "a")
    assert str(caught.value) == (
        f"{tmp_path}/a.csv cannot be written (Read-only file system): make its folder one that you"
        " may write to and start the run again"
    )


# The same by Snakemake and by the command


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("checkout"))


BY_SNAKEMAKE = (
    "id with newline",
    "name climbs",
    "no results",
    "billion laughs",
    "number of 400 digits",
)


@pytest.mark.slow
@pytest.mark.parametrize("case", BY_SNAKEMAKE)
def test_snakemake_tells_a_wrong_file_in_one_line(checkout: Path, case: str) -> None:
    """Words that only the command says, or a hang before they are said."""
    content, expected = FILES[case]
    (checkout / "mine.yaml").write_text(str(content))
    began = time.monotonic()
    result = snakemake(checkout, "--dry-run", "--configfile", "mine.yaml")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == f"{checkout}/mine.yaml: {expected}"
    assert "Traceback" not in result.stdout and "Building DAG" not in result.stdout
    assert time.monotonic() - began < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["Latin-1", "recursive", "empty", "pathvars is a number", "3,000 lists"]
)
def test_own_files_are_looked_at_before_snakemake_reads_them(checkout: Path, case: str) -> None:
    """Snakemake's traceback, or its sentence without a file, for the checkout's own files."""
    content, expected = FILES[case]
    grid = checkout / "config" / "grid.yaml"
    kept = grid.read_bytes()
    grid.write_bytes(content.encode() if isinstance(content, str) else content)
    result = snakemake(checkout, "--dry-run")
    grid.write_bytes(kept)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == f"config/grid.yaml: {expected}"
    assert "Traceback" not in result.stdout


@pytest.mark.slow
def test_missing_folder_stops_a_run_before_its_first_job(checkout: Path) -> None:
    """A look at the machine that no run takes; or a dry run that is refused."""
    (checkout / "mine.yaml").write_text(entry("") + "only_datasets: [Fish]\nweights: random\n")
    run = ("--configfile", "mine.yaml", "--until", "subset_index")
    assert snakemake(checkout, *run, "--dry-run").returncode == 0
    result = snakemake(checkout, *run)
    assert result.returncode != 0
    told = "datasets/Fish: there is no folder data/Fish; put one folder per class there"
    assert told in result.stdout.splitlines()
    assert (
        "Traceback" not in result.stdout and not (checkout / "results/logs/subset_index").exists()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "overrides", "expected"),
    [
        (FILES["recursive"][0], (), f"mine.yaml: {FILES['recursive'][1]}"),
        (None, ("--config", "epochs"), COMMAND_LINE["epochs"]),
    ],
)
def test_the_command_tells_what_snakemake_stumbles_over(
    checkout: Path, content: str | None, overrides: tuple[str, ...], expected: str
) -> None:
    """No way to learn in plain words what is wrong with what Snakemake reads before the workflow."""
    command = [sys.executable, "-m", "metaprobe", "doctor", *overrides]
    if content is not None:
        (checkout / "mine.yaml").write_text(content)
        command += ["--configfile", "mine.yaml"]
    environment = os.environ | {"PYTHONPATH": str(checkout / "workflow")}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.replace(f"{checkout}/", "") == f"doctor: {expected}\n"
