"""The report: one HTML page that holds everything it shows and loads nothing from elsewhere."""

from itertools import groupby
from pathlib import Path
from typing import Any

from metaprobe.core.files import write_text
from metaprobe.report import answer
from metaprobe.report.accuracy_figures import completeness, grids, learning_curves
from metaprobe.report.comparison import Comparison, compare, standings
from metaprobe.report.cost_figures import accuracy_against_cost, hours_by_phase
from metaprobe.report.data import Run, cards, hours, judged_by, records
from metaprobe.report.layout import render
from metaprobe.report.rank_figure import ranks
from metaprobe.report.reading import provenance
from metaprobe.report.recommendation_figures import METHODS, portfolio, recommenders
from metaprobe.report.style import Figure


def figures(run: Run, comparison: Comparison | None = None) -> list[Figure]:
    """Return every picture for which there is something to show, in the order of the page."""
    gaps = [completeness(run)] if run.count("done") < len(run.states) else []
    if run.experiments.empty:
        return gaps
    comparison = comparison or compare(run)
    found = [ranks(comparison)] if comparison.tasks else []
    found += [*gaps, *grids(run)]
    if comparison.tasks:
        found.append(accuracy_against_cost(run, comparison))
    found += [hours_by_phase(run), learning_curves(run)]
    if run.evaluation and run.evaluation["rows"]:
        found.append(recommenders(run.evaluation["rows"]))
    if run.portfolio:
        found.append(portfolio(run.portfolio))
    return found


def page(run: Run) -> tuple[str, list[Figure]]:
    """Return the page and its pictures."""
    comparison = compare(run)
    pictures = figures(run, comparison)
    rows = standings(run, comparison)
    evaluation = run.evaluation or {"notes": [], "rows": [], "noise_floor_points": {}}
    done = not run.experiments.empty
    text = render(
        "template.html",
        title=answer.title(run, comparison),
        lead=answer.lead(run, comparison, rows),
        warnings=answer.warnings(run),
        facts=answer.facts(run, comparison, sum(hours(run).values()) if done else 0.0),
        figures=pictures,
        standings=rows,
        failures=failures(run),
        cards=with_rivals(run, cards(run)),
        replicated=done and bool((run.experiments.replicates > 1).any()),
        judged_by=judged_by(run),
        experiments=records(run.experiments.assign(spread=spread(run))),
        validation=run.validation,
        findings=findings(run),
        notes=evaluation["notes"],
        evaluated=evaluation["rows"],
        methods=METHODS,
        floors=evaluation["noise_floor_points"],
        provenance=provenance(run),
    )
    return text, pictures


def with_rivals(run: Run, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cards, each with how many configurations may be as good as its best, where known."""
    rivals = [
        answer.as_good(run, card["task"], card["best"]["configuration"]) if "best" in card else None
        for card in found
    ]
    return [card | {"rivals": count} for card, count in zip(found, rivals, strict=True)]


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
    text, pictures = page(run)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_text(Path(folder) / f"{picture.name}.svg", picture.svg)
    write_text(report, text)


def write_partial_report(run: Run, results: Path) -> Path:
    """Write `report.partial.html`, unless all is done and reported; return where the report is."""
    whole, partial = results / "report.html", results / "report.partial.html"
    if run.count("done") == len(run.states) and whole.is_file():
        partial.unlink(missing_ok=True)
        return whole
    write_text(partial, page(run)[0])
    return partial
