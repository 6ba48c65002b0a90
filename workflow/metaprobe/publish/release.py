"""A release of results: tables, card, metadata, page, checksums, and a zip of it all."""

from dataclasses import asdict
from html import escape
from pathlib import Path

from metaprobe.core.files import write_json, write_text
from metaprobe.publish.about import About, citation
from metaprobe.publish.card import card, warnings
from metaprobe.publish.croissant import croissant
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results
from metaprobe.publish.tables import copy, write_per_image, write_tables
from metaprobe.publish.target import MADE_BY, MARK, names_in, write_sums, write_zip

PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
{warnings}
<ul>
{files}
</ul>
</body></html>
"""


def write_release(
    results: Results, licences: Licences, about: About, folder: Path, *, features: bool = False
) -> None:
    """Write a release into an empty folder: the same results and facts give the same bytes.

    Args:
        features: take the features of images along, of the data sets whose licences allow it.
    """
    write_tables(results, folder)
    write_per_image(results, licences, folder, features=features)
    write_page(results, about, folder)
    write_text(folder / "CITATION.cff", citation(about))
    write_json(folder / MARK, facts(results, licences, about))
    write_text(folder / "README.md", card(results, licences, about, folder))
    write_json(folder / "croissant.json", croissant(about, folder))
    write_sums(folder)
    write_zip(folder, f"{about.slug}.zip")
    write_sums(folder)


def facts(
    results: Results, licences: Licences, about: About, form: str = "release"
) -> dict[str, object]:
    """Return what release.json says: the release in short, for programs, and by whom the folder was made."""
    return {
        "made_by": MADE_BY,
        "form": form,
        **asdict(about),
        "released": str(about.released),
        "partial": results.partial,
        "experiments": len(results.experiments),
        "licences": {task: licences.of(task) for task in results.tasks},
        "without_single_images": licences.closed(results.tasks),
        "made_from": results.tables.made_from,
    }


def write_page(results: Results, about: About, folder: Path) -> None:
    """Write index.html: the run's report, which is one file that loads nothing; or what there is."""
    name = "report.partial.html" if results.partial else "report.html"
    if (results.folder / name).is_file():
        copy(results.folder, folder, [name])
        (folder / name).rename(folder / "index.html")
        return
    links = (f'<li><a href="{escape(one)}">{escape(one)}</a></li>' for one in names_in(folder))
    said = "".join(f"<p>{escape(one.strip('*'))}</p>" for one in warnings(results))
    page = PAGE.format(title=escape(about.title), warnings=said, files="\n".join(links))
    write_text(folder / "index.html", page)
