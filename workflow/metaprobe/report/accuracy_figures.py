"""The report's pictures of accuracy: what is done, accuracy and regret by task, learning curves."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from metaprobe.report.data import Floats, Run, mean_of
from metaprobe.report.style import (
    COLOURS,
    GREY,
    WIDTH,
    Figure,
    in_turn,
    legible,
    shortened,
    subplots,
    to_svg,
)

SIGNS = {"done": "", "failed": "×", "missing": "·"}
SHADES = ListedColormap(["#cfe3d8", "#d55e00", "#c3c8ce"])
NUMBERED = 16  # configurations whose cells still hold a number
DASHES = ("-", "--", ":", "-.")
DISTINCT = 12  # curves in one panel that can be told apart
ACROSS = 4
MOST = 60  # data sets that have a row, or a panel, of their own; of more, their families have


def rows_of(run: Run) -> dict[str, list[int]]:
    """Return name -> which tasks, of each row of a picture: a task, or a family with how many it has."""
    if len(run.tasks) <= MOST:
        return {task: [number] for number, task in enumerate(run.tasks)}
    families: dict[str, list[int]] = {}
    for number, family in enumerate(run.families):
        families.setdefault(family, []).append(number)
    return {
        name if len(members) == 1 else f"{shortened(name, 20)} ({len(members)})": members
        for name, members in families.items()
    }


def _together(values: Floats, groups: Iterable[list[int]]) -> Floats:
    """Return the mean over the tasks of each group, (groups, ...), of what is there of (tasks, ...)."""
    return np.stack([mean_of(values[members], 0) for members in groups])


def _subplots(run: Run) -> tuple[Any, Any]:
    """Return a picture with room for a cell of each experiment, or family, and for the names."""
    tasks, count = len(rows_of(run)), len(run.configurations)
    few = count <= NUMBERED
    width = max(WIDTH, 2.2 + (0.5 if few else 0.17) * count)
    return subplots(width, 2.3 + (0.24 if few else 0.165) * tasks)


def _grid(axes: Any, run: Run, rows: Iterable[int], columns: Iterable[int]) -> None:
    all_rows = list(rows_of(run))
    tasks = [shortened(all_rows[row]) for row in rows]
    names = [shortened(run.configurations[column]) for column in columns]
    size = 9 if len(names) <= NUMBERED else 7.5
    axes.set_yticks(range(len(tasks)), tasks, fontsize=size)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def completeness(run: Run) -> Figure:
    """Draw which experiments are done, failed or missing; what is at work is missing yet.

    A family is done where all of its data sets are, and failed where one is.
    """
    figure, axes = _subplots(run)
    kinds = list(SIGNS)
    found = [
        [_state(run, [run.tasks[one] for one in members], name) for name in run.configurations]
        for members in rows_of(run).values()
    ]
    axes.imshow(found, cmap=SHADES, vmin=0, vmax=2, aspect="auto", interpolation="none")
    for (i, j), kind in np.ndenumerate(np.array(found)):
        colour = legible(*SHADES(int(kind))[:3])
        if kind:
            axes.text(j, i, SIGNS[kinds[kind]], ha="center", va="center", color=colour)
    _grid(axes, run, range(len(found)), range(len(run.configurations)))
    done, failed = run.count("done"), run.count("failed")
    sentence = (
        f"{done} of {len(run.states)} experiments are done (light), {failed} failed (×), "
        f"{len(run.states) - done - failed} are missing (·); the reasons are below."
    )
    return Figure("completeness", "What is there", sentence, to_svg(figure))


def _state(run: Run, tasks: Iterable[str], name: str) -> int:
    """Return the place among SIGNS of the state of a configuration on these tasks."""
    states = {run.states[task, name].name for task in tasks}
    if states == {"done"}:
        return 0
    return 1 if "failed" in states else 2


def grids(run: Run) -> list[Figure]:
    """Draw test accuracy, and regret, tasks (or families, in their mean) and configurations sorted alike."""
    whole = run.whole_tasks if run.whole_tasks.any() else np.ones(len(run.tasks), dtype=bool)
    groups = rows_of(run)
    names, above = list(groups), _together(run.above_chance[:, None], groups.values())[:, 0]
    rows = np.argsort(-above, kind="stable")  # what is NaN comes last
    columns = np.argsort(mean_of(run.regret[whole], 0), kind="stable")
    known = [row for row in rows if not np.isnan(above[row])]
    are = "data sets" if len(groups) == len(run.tasks) else "families of data sets, in their mean"
    accuracy = (
        f"Rows are {are}, the easiest on top: the one that comes nearest to perfect from always "
        "guessing its most frequent class, whatever the number of classes."
    )
    if known:
        accuracy += f" The easiest is {names[known[0]]}, the hardest {names[known[-1]]}."
    regret = (
        "The regret of a configuration is how far it is behind the best one on the same data set. "
        "Columns are configurations, the one with the smallest mean regret first: "
        f"{run.configurations[columns[0]]}."
    )
    largest = np.nanmax(run.regret, initial=0.01, where=~np.isnan(run.regret))
    return [
        _heat_map(run, run.accuracy, rows, columns, ("accuracy", "Accuracy", accuracy), 1.0),
        _heat_map(run, run.regret, rows, columns, ("regret", "Regret", regret), largest),
    ]


def _heat_map(
    run: Run, values: Floats, rows: Any, columns: Any, told: tuple[str, str, str], top: float
) -> Figure:
    figure, axes = _subplots(run)
    values = _together(values, rows_of(run).values())[np.ix_(rows, columns)]
    cmap = {"accuracy": "viridis", "regret": "cividis_r"}[told[0]]
    shown = {"cmap": cmap, "vmin": 0, "vmax": top, "aspect": "auto", "interpolation": "none"}
    image = axes.imshow(values, **shown)
    label = {"accuracy": "test accuracy", "regret": "accuracy behind the row's best"}[told[0]]
    room = 0.7 / figure.get_figheight()  # inches, whatever the number of rows
    place = {"location": "top", "fraction": room, "aspect": 40, "shrink": 0.5, "anchor": (0, 0)}
    figure.colorbar(image, ax=axes, label=label, **place)
    _grid(axes, run, rows, columns)
    if len(columns) <= NUMBERED:
        _numbers(axes, values, image)
    return Figure(*told, to_svg(figure))


def _numbers(axes: Any, values: Floats, image: Any) -> None:
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = legible(*image.cmap(image.norm(value))[:3])
            text = f"{value:.2f}".removeprefix("0")
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)


def learning_curves(run: Run) -> Figure:
    """Draw test accuracy by epoch, a panel per task (or family, in its mean), coloured by architecture
    while colours last.
    """
    ids = ["task_id", "configuration", "epoch"]
    means = run.tables.curves.groupby(ids).test_accuracy.mean().unstack("epoch")
    curves = dict(zip(means.index, means.to_numpy(), strict=True))
    of = dict(zip(run.experiments.configuration, run.experiments.architecture, strict=True))
    there = set(run.experiments.task_id)
    panels_of = {
        name: [run.tasks[one] for one in members if run.tasks[one] in there]
        for name, members in rows_of(run).items()
    }
    panels_of = {name: members for name, members in panels_of.items() if members}
    lines = looks([name for name in run.configurations if name in of], of)
    across = min(ACROSS, len(panels_of))
    down = -(-len(panels_of) // across)
    shape = {"nrows": down, "ncols": across, "sharex": True, "sharey": True}
    figure, grid = subplots(WIDTH, 1.1 * down + 0.9, **shape)
    panels = np.atleast_1d(grid).ravel()
    epochs = means.columns.to_numpy(dtype=float)
    for axes, (title, tasks) in zip(panels, panels_of.items(), strict=False):
        of_each = {name: [curves[t, name] for t in tasks if (t, name) in curves] for name in lines}
        own = [(mean_of(np.stack(one), 0), lines[name]) for name, one in of_each.items() if one]
        _curves(axes, epochs, own)
        axes.set_title(shortened(title, 20), fontsize=8)
    for axes in panels[len(panels_of) :]:
        axes.set_visible(False)
    panels[0].set(xlim=(epochs[0] - 0.3, epochs[-1] + 0.3), ylim=(0, 1))
    panels[0].xaxis.get_major_locator().set_params(integer=True)
    labelled = {look["label"]: Line2D([], [], **look) for look in lines.values()}
    if len(labelled) <= DISTINCT:
        figure.legend(handles=list(labelled.values()), loc="outside lower center", ncols=2)
    figure.supylabel("test accuracy by epoch", fontsize=9)
    rising = [
        known[-1] >= known.max() for known in (one[~np.isnan(one)] for one in curves.values())
    ]
    sentence = (
        f"In {sum(rising)} of {len(rising)} experiments the accuracy is highest at the last epoch, so "
        "that more epochs may help."
    )
    return Figure("curves", "Learning curves", sentence, to_svg(figure))


def _curves(axes: Any, epochs: Floats, curves: list[tuple[Floats, dict[str, Any]]]) -> None:
    """Draw curves (epochs,) into a panel; one of a single epoch is a dash."""
    segments = []
    for curve, _ in curves:
        there = ~np.isnan(curve)
        x, y = epochs[there], curve[there]
        if len(x) == 1:
            x, y = x[0] + np.array([-0.2, 0.2]), np.repeat(y, 2)
        segments.append(np.column_stack([x, y]))
    own = [look for _, look in curves]
    told: dict[str, Any] = {
        f"{name}s": [look[name] for look in own] for name in ("color", "linestyle", "linewidth")
    }
    axes.add_collection(LineCollection(segments, alpha=own[0]["alpha"], **told))


def looks(names: list[str], of: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the looks of each configuration's line: no two alike while there are few; then a colour
    per architecture, and beyond the colours one grey for all.
    """
    colour = in_turn([of[name] for name in names])
    per = {one: [name for name in names if of[name] == one] for one in colour}
    told = len(colour) <= len(COLOURS) and max(map(len, per.values()), default=0) <= len(DASHES)
    told = told and len(names) <= DISTINCT
    dashes: dict[str, Any] = {one: cycle(DASHES if told else "-") for one in per}
    one_grey = GREY in colour.values()
    return {
        name: {
            "color": colour[of[name]],
            "linestyle": next(dashes[of[name]]),
            "linewidth": 1,
            "alpha": 1 if told else 0.5,
            "label": shortened(name if told else "a configuration" if one_grey else of[name]),
        }
        for name in names
    }
