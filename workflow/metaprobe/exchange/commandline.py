"""The commands on folders of results: `merge`, `contribute`, `check-bundle` and `compare`."""

import argparse
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from metaprobe.core.errors import UserError

if TYPE_CHECKING:
    from metaprobe.exchange.holdings import Item
    from metaprobe.exchange.merge import Chosen
    from metaprobe.operations.flow.workflow import Workflow

HELP = {
    "merge": (
        "results of several runs or machines as those of one",
        "Write the experiments of several results folders, or bundles, into one new folder that a run "
        "takes as finished. Every file is proved by its digest. Results of another seed, size, engine, "
        "weights or subset are refused, and so are two numbers of one experiment, unless --prefer says "
        "whose to keep. In a checkout the tables are made as well, if nothing else is left to do.",
    ),
    "contribute": (
        "a bundle of a run's experiments, to hand in",
        "Write fragments, predictions, subsets and descriptions of a results folder into one zip file: no "
        "pictures, features or heads. `check-bundle` checks it, `merge` and `compare` take it in the place "
        "of a folder.",
    ),
    "check-bundle": (
        "whether the experiments of a bundle can be computed again",
        "See that a bundle is whole and that its experiments are of this checkout's settings, and compute "
        "some of them again from their pictures on, which must be here. Ends with 1 if something is "
        "wrong: a line for each.",
    ),
    "compare": (
        "what moved between two runs, beyond test images and seeds",
        "Compare the accuracies of two results folders, or bundles, experiment by experiment: which moved "
        "by more than other test images and other seeds explain (at 5 % of all together), which settings "
        "differ, and what only one of them has.",
    ),
}


def add_to(questions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that ask for no run."""
    merge = _parser(questions, "merge")
    merge.add_argument("folders", nargs="+", type=Path, metavar="RESULTS")
    merge.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new folder")
    merge.add_argument(
        "--prefer", type=Path, metavar="RESULTS", help="whose numbers to keep where two differ"
    )
    merge.add_argument(
        "--configfile", nargs="+", action="extend", type=Path, default=[], metavar="FILE"
    )
    merge.add_argument("--config", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    merge.add_argument(
        "--cores", type=int, default=1, metavar="N", help="for the tables; by default 1"
    )
    merge.set_defaults(run=run_merge)
    contribute = _parser(questions, "contribute")
    contribute.add_argument("results", type=Path, metavar="RESULTS")
    contribute.add_argument("--to", type=Path, required=True, metavar="BUNDLE.zip")
    contribute.set_defaults(run=run_contribute)
    compare = _parser(questions, "compare")
    compare.add_argument("first", type=Path, metavar="RESULTS")
    compare.add_argument("second", type=Path, metavar="RESULTS")
    compare.add_argument("--page", type=Path, metavar="FILE.html", help="also write a page")
    compare.set_defaults(run=run_compare)


def _parser(
    questions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str
) -> argparse.ArgumentParser:
    short, long = HELP[name]
    return questions.add_parser(name, help=short, description=long)


def add_check_to(question: argparse.ArgumentParser) -> None:
    """Add the options of `check-bundle`, which is a question about a run."""
    question.add_argument("bundle", type=Path, metavar="BUNDLE.zip")
    question.add_argument(
        "--recompute",
        type=_at_least(1),
        default=3,
        metavar="K",
        help="experiments to compute again, drawn at random; at least 1, by default 3",
    )
    question.add_argument(
        "--draw",
        type=_at_least(0),
        metavar="SEED",
        help="of that draw, to repeat one; by default a new one",
    )


def _at_least(smallest: int) -> Callable[[str], int]:
    """Return what reads an option's whole number, and refuses a smaller one."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest:
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {smallest} on")
        return number

    return read


def run_merge(options: argparse.Namespace) -> int:
    """Merge; return the exit code."""
    from metaprobe.exchange.bundle import opened
    from metaprobe.exchange.carry import check_target, write_folder
    from metaprobe.exchange.finish import NO_CHECKOUT, make_tables
    from metaprobe.exchange.holdings import holdings
    from metaprobe.exchange.merge import choose

    check_target(options.to)
    preferred = _preferred(options.prefer, options.folders)
    with ExitStack() as stack:
        held = [holdings(stack.enter_context(opened(one)), one) for one in options.folders]
        chosen = choose(held, preferred)
        write_folder(chosen.items, options.to)
    print(*_merged(options.to, chosen), sep="\n", flush=True)
    if Path("Snakefile").is_file() and Path("workflow/metaprobe").is_dir():
        given = (options.configfile, options.config, options.cores)
        print(make_tables(Path.cwd(), options.to, *given))
    else:
        print(NO_CHECKOUT.format(target=options.to))
    return 0


def _preferred(named: Path | None, folders: Sequence[Path]) -> Path | None:
    """Return the one of the folders to merge that `--prefer` names, in whatever way.

    Raises:
        UserError: it is none of them.
    """
    if named is None:
        return None
    for folder in folders:
        if folder.resolve() == named.resolve():
            return folder
    raise UserError(f"--prefer {named}: it is none of those to merge; name one of them")


def _merged(target: Path, chosen: "Chosen") -> Iterator[str]:
    """Yield how many experiments and files there are, whose, what was decided, and what was left out."""
    from metaprobe.exchange.merge import shortened

    items = [*chosen.items.values()]
    experiments = _shares([one for one in items if one.kind.word == "fragment"], "experiments")
    yield f"{target}: {experiments}; {_shares(items, 'files')}"
    yield from shortened(
        [
            f"{what} differs: kept as in {kept}, not as in {' and '.join(map(str, others))}"
            for what, kept, others in chosen.settled
        ]
    )
    without = "left out, as it does not go with what is kept: {}"
    yield from shortened([without.format(one) for one in chosen.left_out])


def _shares(items: "Sequence[Item]", word: str) -> str:
    counts = Counter(str(one.origin) for one in items)
    shares = ", ".join(f"{number} of {name}" for name, number in counts.items())
    return f"{len(items)} {word} ({shares})"


def run_contribute(options: argparse.Namespace) -> int:
    """Write a bundle; return the exit code."""
    from metaprobe.exchange.bundle import write_bundle
    from metaprobe.exchange.targets import check_bundle_target

    check_bundle_target(options.to)
    files = write_bundle(options.results, options.to)
    experiments = sum(name.startswith("metrics/") for name in files)
    size = options.to.stat().st_size / 1e6
    print(f"{options.to}: {experiments} experiments, {len(files)} files, {size:.2f} MB")
    return 0


def run_check(options: argparse.Namespace, flow: "Workflow") -> int:
    """Check a bundle; return the exit code."""
    from metaprobe.exchange.check import check_bundle

    seed = secrets.randbits(32) if options.draw is None else options.draw
    wrong = check_bundle(options.bundle, flow, options.recompute, seed, options.cores)
    print(*wrong, f"drawn by --draw {seed}", sep="\n")
    return int(bool(wrong))


def run_compare(options: argparse.Namespace) -> int:
    """Compare two runs; return the exit code."""
    from metaprobe.exchange.bundle import opened
    from metaprobe.exchange.compare import compare
    from metaprobe.exchange.compared_text import in_words, write_page
    from metaprobe.exchange.holdings import holdings
    from metaprobe.exchange.targets import check_page_target

    if options.page:
        check_page_target(options.page)
    words = ("fragment", "predictions")
    with ExitStack() as stack:
        two = (options.first, options.second)
        first, second = (holdings(stack.enter_context(opened(one)), one, words) for one in two)
        found = compare(first, second, (str(options.first), str(options.second)))
    print(in_words(found))
    if options.page:
        write_page(found, options.page)
        print(f"\nThe same as a page: {options.page}")
    return 0
