"""`metaprobe publish`: its options, and what it does with them."""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from metaprobe.publish.facts import doi, licence, version

if TYPE_CHECKING:
    from metaprobe.publish.about import About
    from metaprobe.publish.licences import Licences
    from metaprobe.publish.results import Results

FORMS = ("hpob", "syne-tune", "aslib", "openml", "huggingface")
LONG = """\
Write a release of finished results into a folder of its own: tables as Parquet and CSV, a data card,
Croissant metadata, checksums, a page, and a zip of it all. Or, with --as, the same results in the form
that another project reads. What may not be passed on, by the licences of the data sets, is left out.
The results are only read."""
EXAMPLES = """\
examples:
  metaprobe publish results --to release
  metaprobe publish results --to release --version 1.1.0 --author "Ada Lovelace" --doi 10.5281/zenodo.1
  metaprobe publish results/demo --to hpob --as hpob

Exit codes: 0 it is written; 1 it cannot be; 2 the command is not understood."""


def add_to(questions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `metaprobe`."""
    parser = questions.add_parser(
        "publish",
        help="a release of finished results, or another project's form of them",
        description=LONG,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="folder that a run has written"
    )
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="new or empty, or a former release, which is replaced",
    )
    parser.add_argument(
        "--as", dest="form", choices=FORMS, metavar="FORM", help=f"one of {', '.join(FORMS)}"
    )
    parser.add_argument(
        "--partial", action="store_true", help="publish what there is of an unfinished run"
    )
    parser.add_argument(
        "--features",
        action="store_true",
        help="with the features of images, where licences allow it; large",
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="settings of the run, which name the licences of its own data sets",
    )
    _add_facts(parser)
    parser.set_defaults(run=publish)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    """Add what only the publisher knows."""
    parser.add_argument(
        "--title", help="by default from the numbers of data sets and configurations"
    )
    parser.add_argument(
        "--version",
        type=version,
        default="1.0.0",
        metavar="N.N.N",
        help="of the release; by default 1.0.0",
    )
    parser.add_argument(
        "--author", action="append", default=[], metavar="NAME", help="may be given several times"
    )
    parser.add_argument(
        "--licence",
        type=licence,
        metavar="SPDX",
        help="of the numbers, by its SPDX id; by default CC-BY-4.0",
    )
    parser.add_argument("--doi", type=doi, help="where a host has given one, as 10.5281/zenodo.1")
    parser.add_argument(
        "--date",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="of the release; by default that of the table's file, which a copy may change",
    )


def publish(options: argparse.Namespace) -> int:
    """Write a release or an export, and say where it is.

    Raises:
        UserError: the results or the folder cannot be used.
    """
    from metaprobe.publish.about import LICENCE, About, day_of, title_of
    from metaprobe.publish.digests import check_digests
    from metaprobe.publish.licences import read_licences
    from metaprobe.publish.results import read_results
    from metaprobe.publish.target import check_target, replacing_release

    folder = options.results.expanduser()
    check_target(options.to.expanduser())
    results = read_results(folder, partial=options.partial)
    if not results.partial:
        check_digests(folder)
    title = options.title or title_of(results)
    about = About(
        title=title,
        version=options.version,
        authors=tuple(options.author) or (f"The authors of {title}",),
        licence=options.licence or LICENCE,
        doi=options.doi or "",
        released=options.date or day_of(results),
    )
    checkout = _checkout()
    licences = read_licences(checkout, options.configfile)
    if checkout is None:
        print(
            "note: no licences of data sets are known here but those that --configfile names, as there is"
            " no checkout of metaprobe: call the command in one, or name config/datasets*.yaml of one with"
            " --configfile; nothing about single images of other data sets is published",
            file=sys.stderr,
        )
    with replacing_release(options.to.expanduser()) as new:
        _write(options, results, licences, about, new)
    closed = licences.closed(results.tasks)
    print(f"{options.to}: {about.title}, version {about.version}")
    if closed:
        print(
            "nothing about single images is there of these, as their licences are not known to allow"
            f" it: {', '.join(closed)}"
        )
    return 0


def _checkout() -> Path | None:
    """Return the checkout that one is in, or else that of this command, if it is not installed without."""
    from metaprobe.__main__ import OWN_CHECKOUT, here  # here, as that module imports this one

    return here() or (OWN_CHECKOUT if (OWN_CHECKOUT / "Snakefile").is_file() else None)


def _write(
    options: argparse.Namespace,
    results: "Results",
    licences: "Licences",
    about: "About",
    folder: Path,
) -> None:
    from metaprobe.core.files import write_json
    from metaprobe.publish.exports import EXPORTS
    from metaprobe.publish.release import facts, write_release
    from metaprobe.publish.target import MARK, write_sums

    if options.form is None:
        write_release(results, licences, about, folder, features=options.features)
        return
    write_json(folder / MARK, facts(results, licences, about, options.form))
    EXPORTS[options.form](results, licences, about, folder)
    write_sums(folder)
