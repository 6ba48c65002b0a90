"""The report: one HTML page that holds everything it shows and loads nothing from elsewhere."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from metaprobe.core.files import write_text
from metaprobe.report.accuracy_figures import completeness, heat_map, learning_curves, ranks
from metaprobe.report.cost_figures import accuracy_against_cost, hours_by_phase, recommenders
from metaprobe.report.data import Run, cards, compare, judged_by, records, summary
from metaprobe.report.portfolio_figure import portfolio
from metaprobe.report.layout import render
from metaprobe.report.style import Figure


def figures(run: Run) -> list[Figure]:
    """Return every picture for which there is something to show."""
    found = [completeness(run)]
    if run.experiments.empty:
        return found
    found.append(heat_map(run))
    comparison = compare(run)
    if comparison.tasks:
        found.append(ranks(run, comparison))
    found.append(learning_curves(run))
    if comparison.tasks:
        found.append(accuracy_against_cost(run))
    found.append(hours_by_phase(run))
    if run.evaluation and run.evaluation["rows"]:
        found.append(recommenders(run.evaluation["rows"]))
    if run.portfolio:
        found.append(portfolio(run.portfolio))
    return found


def page(run: Run, pictures: Sequence[Figure]) -> str:
    """Return the page."""
    return render(
        "template.html",
        summary=summary(run).items(),
        figures=pictures,
        failures=failures(run),
        cards=cards(run),
        judged_by=judged_by(run),
        experiments=records(run.experiments.assign(spread=spread(run))),
        validation=run.validation,
        findings=findings(run),
        notes=run.evaluation["notes"] if run.evaluation else [],
        evaluated=run.evaluation["rows"] if run.evaluation else [],
        floors=run.evaluation["noise_floor_points"] if run.evaluation else {},
    )


def failures(run: Run) -> list[tuple[str, str, int]]:
    """Return of each failed job an experiment that waits for it, the reason, and how many others wait."""
    failed = [
        (state.stage, state.reason, "/".join(one))
        for one, state in run.states.items()
        if state.name == "failed"
    ]
    groups = [list(group) for _, group in groupby(sorted(failed), key=lambda item: item[:2])]
    return [(group[0][2], group[0][1], len(group) - 1) for group in groups]


def spread(run: Run) -> list[float]:
    """Return how far apart the test accuracies of each experiment's replicates are."""
    ids = ["task_id", "configuration"]
    found = run.tables.replicates.groupby(ids, sort=False).test_accuracy
    return list(found.max() - found.min())


def findings(run: Run) -> list[tuple[str, str, list[str]]]:
    """Return (name, severity, what was found) of each check that found something."""
    checks = run.validation["checks"] if run.validation else []

    def told(one: dict[str, Any]) -> str:
        where = ", ".join(filter(None, [one["task_id"], one["configuration"]]))
        return f"{where}: {one['message']}"

    return [
        (check["name"], check["severity"], [told(one) for one in check["findings"]])
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
    """Write `report.partial.html`, unless all is done and reported; return where the report is."""
    whole, partial = results / "report.html", results / "report.partial.html"
    if run.count("done") == len(run.states) and whole.is_file():
        partial.unlink(missing_ok=True)
        return whole
    write_text(partial, page(run, figures(run)))
    return partial
