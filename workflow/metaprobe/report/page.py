"""The report: one HTML page that holds everything it shows and asks nobody for more."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from metaprobe.core.files import write_text
from metaprobe.report.accuracy_figures import completeness, heat_map, learning_curves, ranks
from metaprobe.report.cost_figures import (
    accuracy_against_cost,
    recommenders,
    where_the_hours_went,
)
from metaprobe.report.data import Run, cards, compare, facts
from metaprobe.report.style import Figure
from metaprobe.report.template import TEMPLATE


def figures(run: Run) -> list[Figure]:
    """Every picture for which there is something to show."""
    found = [completeness(run)]
    if not run.fragments:
        return found
    found.append(heat_map(run))
    comparison = compare(run)
    if comparison.tasks:
        found.append(ranks(run, comparison))
    found.append(learning_curves(run))
    if comparison.tasks:
        found.append(accuracy_against_cost(run))
    found.append(where_the_hours_went(run))
    evaluated = recommenders(run)
    return [*found, evaluated] if evaluated else found


def page(run: Run, pictures: Sequence[Figure]) -> str:
    """The page.

    All text is escaped, as names of data sets and classes come from folders; pictures are data:
    images, in which a browser runs nothing; the page's policy forbids every request.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"data_url": data_url, "spread": spread}
    return environment.from_string(TEMPLATE).render(
        facts=facts(run),
        figures=pictures,
        failures=failures(run),
        cards=cards(run),
        fragments=run.fragments.values(),
        validation=run.validation,
        findings=findings(run),
        notes=run.evaluation["notes"] if run.evaluation else [],
    )


def data_url(svg: str) -> str:
    """An SVG as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def failures(run: Run) -> list[tuple[str, str, int]]:
    """Of each failed job an experiment that waits for it, the reason, and how many others wait."""
    failed = [
        (state.stage, state.reason, "/".join(one))
        for one, state in run.states.items()
        if state.name == "failed"
    ]
    groups = [list(group) for _, group in groupby(sorted(failed), key=lambda item: item[:2])]
    return [(group[0][2], group[0][1], len(group) - 1) for group in groups]


def spread(fragment: dict[str, Any]) -> float:
    """How far apart the test accuracies of an experiment's replicates are."""
    accuracies: list[float] = [one["test_accuracy"] for one in fragment["replicates"]]
    return max(accuracies) - min(accuracies)


def findings(run: Run) -> list[tuple[str, str, list[str]]]:
    """(name, severity, what was found) of each check that found something."""
    checks = run.validation["checks"] if run.validation else []
    return [
        (
            check["name"],
            check["severity"],
            [
                ", ".join(str(part) for part in (one["task_id"], one["configuration"]) if part)
                + f": {one['says']}"
                for one in check["findings"]
            ],
        )
        for check in checks
        if check["findings"]
    ]


def write_report(run: Run, report: str | Path, folder: str | Path) -> None:
    """Write the page, and each of its pictures as `<folder>/<name>.svg`."""
    pictures = figures(run)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_text(Path(folder) / f"{picture.name}.svg", picture.svg)
    write_text(report, page(run, pictures))


def write_partial_report(run: Run, results: Path) -> Path:
    """Write `report.partial.html`, unless all is done and reported; return where the report is.

    It does not show a validation or an evaluation, which are of a whole table.
    """
    whole, partial = results / "report.html", results / "report.partial.html"
    if run.count("done") == len(run.states) and whole.is_file():
        partial.unlink(missing_ok=True)
        return whole
    now = replace(run, validation=None, evaluation=None)
    write_text(partial, page(now, figures(now)))
    return partial
