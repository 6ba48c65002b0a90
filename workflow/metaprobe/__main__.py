"""The command `metaprobe`: questions about a run, answered without starting it."""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.exchange import commandline as exchange
from metaprobe.publish import commandline as publish

OWN_CHECKOUT = Path(__file__).resolve().parents[2]
DESCRIPTION = """\
Ask about a run of metaprobe, the workflow that trains many configurations of transfer
learning on many image data sets. Every question can also be asked while a run goes on.

The run itself is started by Snakemake, in the checkout: snakemake --cores 4"""
EPILOG = """\
examples:
  metaprobe status
  metaprobe plan --configfile config/demo.yaml
  metaprobe status --config only_datasets=[MNIST,USPS] epochs=5
  metaprobe recommend ~/pictures/birds --cores 4
  metaprobe advise ~/pictures/birds --budget 10min
  metaprobe fit ~/pictures/birds --configuration resnet18-plain
  metaprobe merge ~/laptop/results ~/server/results --to results
  metaprobe compare results ~/old/results --page compare.html

Exit codes: 0 the question is answered; 1 it cannot be, or the answer is bad (see the
question's own --help); 2 the command is not understood."""
PROGRESS = re.compile(r"\d+ of \d+ jobs done")  # as `operations.progress.line` begins
# Rooms with commands on folders of results, wherever they lie, not on a run of a checkout.
OF_RESULTS = (exchange, publish)
OF_FOLDERS = ("recommend", "advise", "fit")
HELP = {
    "status": (
        "which experiments are done, failed (and why), or missing",
        "Print the grid of all experiments and the reasons of failures. Computes nothing.",
    ),
    "plan": (
        "what a run would do now, and what it would take",
        "Print the jobs that a run would start now, gigabytes to fetch and to keep, and the time, "
        "from what jobs of the same kind took here. Starts nothing.",
    ),
    "doctor": (
        "which data sets are there, which will be downloaded, which need you",
        "Look at the files of every data set, and compare their sizes, and the digests of those that "
        "are known. Opens no picture (but with --deep) and fetches nothing. With --profile slurm also "
        "send a small job, and tell what a node sees.",
    ),
    "verify": (
        "whether finished experiments give the same numbers again",
        "See that every file is as it was written and made from those that are there; then measure "
        "all heads and descriptions again from cached features, and some experiments from their "
        "pictures on. Ends with 1 if a file was changed, or if a number differs by more than another "
        "machine may make it.",
    ),
    "fit": (
        "a model of a data set of your own, as ONNX, with a program that predicts",
        "Train one configuration on the pictures in FOLDER, one folder per class, and write the whole "
        "network into the results, below models/. Without --configuration and --advised: the one that "
        "`metaprobe advise` has found for the folder, or else the one that `metaprobe recommend` has "
        "ranked first.",
    ),
    "check-bundle": exchange.HELP["check-bundle"],
    "partial": (
        "write a table and a report of what is finished now",
        "Write target_representations.partial.csv and report.partial.html into the results.",
    ),
    "recommend": (
        "the best configurations for a data set of your own",
        "Describe the pictures in FOLDER, one folder per class, and rank the configurations for "
        "them by the finished experiments. Trains nothing.",
    ),
    "advise": (
        "which backbone and recipe for a data set of your own, within a time",
        "Try backbones and recipes on the pictures in FOLDER, one folder per class, those first that "
        "are expected to teach most per second, by finished experiments where there are any. A first "
        "answer comes within a minute, the last when the time is up or nothing more is worth trying. "
        "Stopped at any moment, the same command goes on.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question; return the exit code."""
    began = time.monotonic()
    options = parse(sys.argv[1:] if arguments is None else arguments)
    options.began = began
    checkout = (getattr(options, "checkout", None) or here() or OWN_CHECKOUT).resolve()
    try:
        code = decide(options, checkout)
        sys.stdout.flush()  # so that a reader that is gone is noticed here and not at the end
        return code
    except BrokenPipeError:  # an OSError, so before it
        without_stdout()
        return 1
    except (UserError, OSError) as error:
        print(f"{options.question}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if str(error.name).startswith("metaprobe"):
            raise
        print(f"{options.question}: {what_to_install(error, checkout)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def without_stdout() -> None:
    """Let what is printed from now on go nowhere, as whoever read it (`| head`) has gone; else Python
    complains of it when it ends.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def what_to_install(error: ModuleNotFoundError, checkout: Path) -> str:
    """Return which package is missing, and the command that installs it: the reader alone has few."""
    is_checkout = (checkout / "Snakefile").is_file()
    where = checkout if is_checkout else "a checkout of metaprobe"
    advice = f'make setup, or pip install --editable ".[workflow]", in {where}'
    return f"{error.name} is not installed: {advice}"


def decide(options: argparse.Namespace, checkout: Path) -> int:
    """Answer a question about folders of results, or about a run of a checkout; return the exit code.

    Raises:
        UserError: there is no answer.
    """
    if "run" in options:
        return int(options.run(options))
    if checkout != OWN_CHECKOUT:
        become_that_of(checkout, options)
    options.configfile = [file.absolute() for file in options.configfile]
    if getattr(options, "bundle", None) is not None:
        options.bundle = options.bundle.absolute()
    if getattr(options, "folder", None) is not None:
        options.folder = options.folder.expanduser().absolute()
    os.chdir(options.directory)
    if not (checkout / "Snakefile").is_file():
        raise UserError(f"{checkout} is no checkout of metaprobe: change to one and ask there")
    return answer(options, checkout)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; a mistake in them ends the program with 2."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--configfile",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="settings of this run, on top of the checkout's config/; as Snakemake's --configfile",
    )
    common.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="single settings, on top of all files; as Snakemake's --config",
    )
    common.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="where the run works; by default the current folder",
    )
    common.add_argument(
        "--cores",
        type=number_of_cores,
        default=available_cores(),
        metavar="N",
        help="processors that a run or a computation may use; by default all",
    )
    common.add_argument(
        "--checkout",
        type=Path,
        metavar="FOLDER",
        help="the checkout asked about; by default the current folder if it is one, or else that "
        "of this command",
    )
    parser = argparse.ArgumentParser(
        "metaprobe",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    questions = parser.add_subparsers(dest="question", required=True, metavar="QUESTION")
    for name, (short, long) in HELP.items():
        question = questions.add_parser(name, help=short, description=long, parents=[common])
        if name in OF_FOLDERS:
            needed = None if name != "advise" else "?"  # else it is the setting new_dataset
            question.add_argument("folder", type=Path, metavar="FOLDER", nargs=needed)
        if name == "advise":
            question.add_argument(
                "--budget", metavar="TIME", help="seconds, or with a unit: 90s, 10min (default), 1h"
            )
        if name == "fit":
            which = question.add_mutually_exclusive_group()
            which.add_argument("--configuration", metavar="ID", help="the one to train")
            which.add_argument(
                "--advised", action="store_true", help="the one that `metaprobe advise` has found"
            )
        if name == "doctor":
            question.add_argument(
                "--strict", action="store_true", help="end with 1 if a data set needs you"
            )
            question.add_argument(
                "--profile",
                metavar="slurm",
                help="also send one small job to Slurm: what a node sees, and the site's limits",
            )
            question.add_argument(
                "--deep",
                action="store_true",
                help="open every data set, decode some pictures, compare published digests",
            )
        if name == "verify":
            question.add_argument(
                "--digests", action="store_true", help="look at the files only: a matter of seconds"
            )
        if name == "check-bundle":
            exchange.add_check_to(question)
    for room in OF_RESULTS:
        room.add_to(questions)
    return parser.parse_args(arguments)


def number_of_cores(text: str) -> int:
    """Return the number; `all` for all, as Snakemake has it."""
    return available_cores() if text == "all" else max(1, int(text))


def available_cores() -> int:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def here() -> Path | None:
    """Return the current folder if it is a checkout."""
    is_checkout = Path("Snakefile").is_file() and Path("workflow/metaprobe").is_dir()
    return Path.cwd() if is_checkout else None


def become_that_of(checkout: Path, options: argparse.Namespace) -> None:
    """Run the command of another checkout in place of this one.

    Raises:
        UserError: it has none.
    """
    package = checkout / "workflow"
    if not (package / "metaprobe/__main__.py").is_file():
        raise UserError(f"{checkout} is no checkout of metaprobe with this command")
    others = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(package), *others]))
    os.execv(sys.executable, [sys.executable, "-m", "metaprobe", *sys.argv[1:]])


def answer(options: argparse.Namespace, checkout: Path) -> int:
    """Answer in the current folder; return the exit code.

    Raises:
        UserError: there is no answer.
    """
    if options.question == "recommend":
        return recommend(options, checkout)
    if options.question == "fit":
        return fit(options, checkout)
    from metaprobe.operations import questions
    from metaprobe.operations.flow.workflow import read_workflow
    from metaprobe.operations.snakemake_coupling import merged_configuration

    given = list(options.config)
    if options.question == "advise":
        given += [f"new_dataset={options.folder}"] if options.folder else []
        given += [f"budget={options.budget}"] if options.budget else []
    merged = merged_configuration(checkout, options.configfile, given)
    configuration, files, folders = merged
    flow = read_workflow(configuration, files, folders["results"], folders["logs"])
    print(*(f"note: {note}\n" for note in flow.run.notes), sep="", end="", file=sys.stderr)
    if options.question == "advise":
        from metaprobe.operations.advise import advise

        options.folder = options.folder or configuration.get("new_dataset")

        def command(target: str) -> list[str]:
            return snakemake_for(target, options, checkout)

        return advise(flow, command, options.cores, options.began)
    if options.question == "status":
        return questions.status(flow)
    if options.question == "doctor":
        return questions.doctor(
            flow, checkout, options.profile, strict=options.strict, deep=options.deep
        )
    if options.question == "verify":
        return questions.verify(flow, options.cores, digests=options.digests)
    if options.question == "check-bundle":
        return exchange.run_check(options, flow)
    if options.question == "plan":
        return questions.plan(flow, checkout, options.configfile, options.config, options.cores)
    from metaprobe.report.partial import answer as partial

    return partial(flow)


def recommend(options: argparse.Namespace, checkout: Path) -> int:
    """Let Snakemake compute a recommendation, and print that alone; all it says if it fails."""
    command = snakemake_for("recommend", options, checkout)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr, end="")
    print(done.stdout.strip())
    return min(done.returncode, 1)


def fit(options: argparse.Namespace, checkout: Path) -> int:
    """Let Snakemake make a model, and print where it is; its lines of progress, and all if it fails."""
    from metaprobe.operations.fitting import choose
    from metaprobe.operations.flow.workflow import read_workflow
    from metaprobe.operations.snakemake_coupling import merged_configuration

    overrides = [*options.config, f"new_dataset={options.folder}"]
    configuration, files, folders = merged_configuration(checkout, options.configfile, overrides)
    flow = read_workflow(configuration, files, folders["results"], folders["logs"])
    declared = configuration["configurations"]
    name, why = choose(flow, declared, options.configuration, advised=options.advised)
    print(f"{flow.new}: {name}, {why}", flush=True)
    command = snakemake_for("fit", options, checkout, f"only_configurations=[{name}]")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        said = []
        for line in running.stderr or ():
            said.append(line)
            if PROGRESS.match(line):
                print(line, file=sys.stderr, end="", flush=True)
    if running.returncode:
        print(*said, file=sys.stderr, sep="", end="")
    return min(running.returncode, 1)


def snakemake_for(
    target: str, options: argparse.Namespace, checkout: Path, *overrides: str
) -> list[str]:
    """Return the command that makes a target for a folder."""
    command = [sys.executable, "-m", "snakemake", target, "--cores", str(options.cores)]
    command += ["--snakefile", str(checkout / "Snakefile")]
    if options.configfile:
        command += ["--configfile", *map(str, options.configfile)]
    return [*command, "--config", *options.config, f"new_dataset={options.folder}", *overrides]


if __name__ == "__main__":
    sys.exit(main())
