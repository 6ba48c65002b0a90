"""The command `metaprobe`: understood by a stranger, one answer and nothing else, honest exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import ROOT, ask, copy_workflow, snakemake
from metaprobe import __main__ as command

DEMO = ("--configfile", "config/demo.yaml")


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A checkout in which nothing has run."""
    return copy_workflow(tmp_path_factory.mktemp("empty") / "a checkout")


def test_help_names_every_question(capsys) -> None:
    """A command that only its author can use."""
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "snakemake --cores 4" in said
    for question, (short, _) in command.HELP.items():
        assert question in said and short.split(",")[0] in said
    for question in command.HELP:
        with pytest.raises(SystemExit):
            command.main([question, "--help"])
        said = capsys.readouterr().out
        assert "--configfile" in said and "--config" in said and "--cores" in said


@pytest.mark.parametrize(
    "arguments", [[], ["stauts"], ["status", "--no"], ["recommend"], ["plan", "--cores", "two"]]
)
def test_command_that_is_not_understood_ends_with_2(arguments, capsys) -> None:
    """A script that takes a typing mistake for an answer."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage: metaprobe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "epochs=0"], "--config: epochs: 0 is not allowed"),
        (["--config", "epochs"], "--config epochs: has no value: write epochs=VALUE"),
        (["--configfile", "nowhere.yaml"], "nowhere.yaml"),
        (["--directory", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_1(empty, arguments, sentence) -> None:
    """A traceback for a mistake of the user's."""
    done = ask(empty, "status", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr and len(done.stderr.splitlines()) == 1


def test_outside_of_a_checkout_the_own_one_is_asked_about(tmp_path) -> None:
    """Settings looked for in the folder that somebody happens to be in; files left there."""
    done = ask(tmp_path, "status", "--configfile", str(ROOT / "config/demo.yaml"))
    assert done.returncode == 0 and "of 18 experiments" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_checkout_of_the_current_folder_is_the_one_that_answers(empty, tmp_path) -> None:
    """The environment's package asked about another checkout's files."""
    folder = copy_workflow(tmp_path / "other")
    path = folder / "workflow/metaprobe/operations/status.py"
    path.write_text(path.read_text().replace('"#"', '"@"'))
    done = ask(folder, "status", *DEMO)
    assert "@ 0 done" in done.stdout, done.stderr
    assert "# 0 done" in ask(empty, "status", *DEMO).stdout
    done = ask(
        tmp_path, "status", "--checkout", str(folder), "--configfile", "other/config/demo.yaml"
    )
    assert "@ 0 done" in done.stdout, done.stderr


def without_room(answer: str) -> str:
    """An answer without the free room of a disk that others use as well."""
    return re.sub(r"free (there|below \S+): \d+\.\d GB", "", answer)


def test_answers_are_the_same_through_snakemake(empty) -> None:
    """`snakemake status` that says something else, or goes on talking after the answer."""
    settings = (*DEMO, "--config", "only_configurations=[resnet18-plain]", "epochs=5")
    for question in ("status", "doctor", "partial", "plan"):
        done = ask(empty, question, *settings, "--cores", "2")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        for more in ((), ("-n",), ("--nolock",)) if question == "status" else ((),):
            asked = snakemake(empty, question, *settings, *more)
            assert asked.returncode == 0
            assert without_room(asked.stdout).endswith(without_room(done.stdout))
    both = snakemake(empty, "status", "doctor", *settings).stdout
    assert both.index("of 3 experiments") < both.index("3 ready")


def test_snakemakes_directory_is_that_of_the_answer(empty, tmp_path) -> None:
    """An answer about the checkout's results instead of those asked about."""
    fragment = tmp_path / "results/demo/metrics/Digits/resnet18-plain.json"
    fragment.parent.mkdir(parents=True)
    fragment.write_text("{}")
    said = snakemake(empty, "status", *DEMO, "--directory", str(tmp_path)).stdout
    assert "x 1 failed" in said
    assert "x 1 failed" in ask(empty, "status", *DEMO, "--directory", str(tmp_path)).stdout
    assert "x 0 failed" in ask(empty, "status", *DEMO).stdout


def test_doctor_fails_only_where_it_is_asked_to(empty) -> None:
    """A failure for everybody, as two data sets must be fetched by hand; or none for a script."""
    assert ask(empty, "doctor").returncode == 0
    assert ask(empty, "doctor", "--strict").returncode == 1
    assert ask(empty, "doctor", "--strict", *DEMO).returncode == 0


def test_no_question_starts_torch(empty) -> None:
    """Seconds of waiting for an answer that needs no network."""
    code = "import sys; from metaprobe.__main__ import main; main(sys.argv[1:])\n"
    code += "assert not {'torch', 'matplotlib', 'snakemake.api', *(%r)} & sys.modules.keys()"
    for question, others in (("status", ["pandas"]), ("partial", [])):
        subprocess.run(
            [sys.executable, "-c", code % others, question],
            cwd=empty,
            env=os.environ | {"PYTHONPATH": str(empty / "workflow")},
            check=True,
            capture_output=True,
        )


@pytest.mark.parametrize("number", ["-1", "0", "three"])
def test_numbers_that_mean_nothing_are_refused(number: str, capsys) -> None:
    """A ValueError of NumPy's for a draw of minus one experiments."""
    with pytest.raises(SystemExit) as ended:
        command.main(["check-bundle", "a.zip", "--recompute", number])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"--recompute: {number} is no whole number from 1 on" in said
    with pytest.raises(SystemExit):
        command.main(["check-bundle", "a.zip", "--draw", "-1"])


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [
        (["merge", "a", "--to", "c"], "pydantic"),
        (["compare", "a", "a"], "pydantic"),
        (["contribute", "a", "--to", "a.zip"], "pydantic"),
        (["publish", "a", "--to", "release"], "yaml"),
    ],
    ids=["merge", "compare", "contribute", "publish"],
)
def test_reader_alone_says_what_to_install(arguments, lacking, tmp_path, monkeypatch, capsys):
    """A traceback of an UnboundLocalError where only the reader is installed."""
    monkeypatch.chdir(tmp_path)

    def run(options) -> int:
        raise ModuleNotFoundError(f"No module named {lacking!r}", name=lacking)

    module = command.publish if arguments[0] == "publish" else command.exchange
    name = "publish" if arguments[0] == "publish" else f"run_{arguments[0]}"
    monkeypatch.setattr(module, name, run)
    assert command.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{arguments[0]}: {lacking} is not installed: ")
    assert 'pip install --editable ".[workflow]", in ' in said and said.count("\n") == 1


def test_missing_package_is_told_without_a_checkout(tmp_path) -> None:
    """The folder of the installed packages named as the place to install from."""
    error = ModuleNotFoundError("No module named 'pydantic'", name="pydantic")
    assert command.what_to_install(error, tmp_path).endswith("in a checkout of metaprobe")


def test_reader_that_has_gone_is_no_error(tmp_path) -> None:
    """`metaprobe compare a b | head -1` that complains of a broken pipe."""
    code = "import sys; from metaprobe import __main__ as command\n"
    code += "command.exchange.run_compare = lambda options: print('a line\\n' * %d) or 0\n"
    code += "sys.exit(command.main(['compare', 'a', 'b']))"
    for lines in (1, 100_000):  # less than a buffer, and more
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-c", code % lines],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (1, "")
