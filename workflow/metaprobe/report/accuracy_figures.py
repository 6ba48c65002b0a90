"""The report's pictures of accuracy: what is done, heat map, ranks, learning curves."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np

from metaprobe.report.data import Comparison, Run
from metaprobe.report.style import STYLE, Figure, in_turn, labels, shortened, subplots, to_svg
from metaprobe.tables.families import fewest_families

SIGNS = {"done": "", "failed": "x", "missing": "·"}
SHADES = {"missing": 0.0, "failed": 0.5, "done": 1.0}
NUMBERED = 16  # configurations whose cells still hold a number
DASHES = ("-", "--", ":", "-.")
DISTINCT = 12  # curves in one panel that can be told apart


def _grid(axes: Any, run: Run, rows: Iterable[int], columns: Iterable[int]) -> None:
    tasks = [shortened(run.tasks[row]) for row in rows]
    names = [shortened(run.configurations[column]) for column in columns]
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _size(run: Run, panels: int = 1) -> tuple[float, float]:
    count = len(run.configurations)
    width = max(2.5, (0.5 if count <= NUMBERED else 0.2) * count)
    return 2.4 + panels * width, 2.2 + 0.24 * len(run.tasks)


def completeness(run: Run) -> Figure:
    """Draw which experiments are done, failed or missing."""
    figure, axes = subplots(*_size(run))
    names = np.array([[run.states[t, c].name for c in run.configurations] for t in run.tasks])
    shades = [[SHADES[name] for name in row] for row in names]
    axes.imshow(shades, cmap="cividis", vmin=-0.4, vmax=1.3, aspect="auto")
    for (i, j), name in np.ndenumerate(names):
        axes.text(j, i, SIGNS[name], ha="center", va="center", color="white")
    _grid(axes, run, range(len(run.tasks)), range(len(run.configurations)))
    done, failed, missing = (run.count(name) for name in SIGNS)
    sentence = f"All {done} experiments are done."
    if done < len(run.states):
        sentence = (
            f"{done} of {len(run.states)} experiments are done (light), {failed} failed (x), "
            f"{missing} are missing (·); the reasons are below."
        )
    return Figure("completeness", "What is there", sentence, to_svg(figure))


def heat_map(run: Run) -> Figure:
    """Draw test accuracy and regret, tasks and configurations sorted by their means."""
    figure, (left, right) = subplots(*_size(run, panels=2), ncols=2, sharey=True)
    accuracy, regret = run.accuracy, run.regret
    whole = run.whole_tasks if run.whole_tasks.any() else np.ones(len(run.tasks), dtype=bool)
    rows = np.argsort(-_mean(accuracy, 1), kind="stable")  # what is NaN comes last
    columns = np.argsort(_mean(regret[whole], 0), kind="stable")
    largest = np.nanmax(regret, initial=0.01, where=~np.isnan(regret))
    for axes, values, cmap, top in (
        (left, accuracy, "viridis", 1.0),
        (right, regret, "cividis_r", largest),
    ):
        values = values[np.ix_(rows, columns)]
        image = axes.imshow(values, cmap=cmap, vmin=0, vmax=top, aspect="auto")
        figure.colorbar(image, ax=axes, shrink=0.6)
        _grid(axes, run, rows, columns)
        if len(columns) <= NUMBERED:
            _numbers(axes, values, image)
    left.set_title("test accuracy")
    right.set_title("regret: behind the row's best")
    known = [row for row in rows if not np.isnan(accuracy[row]).all()]
    hardest, easiest = run.tasks[known[-1]], run.tasks[known[0]]
    sentence = (
        "Rows are tasks, the easiest on top; columns are configurations, the one with the smallest "
        f"mean regret first: {run.configurations[columns[0]]}. The easiest task is {easiest}, the "
        f"hardest {hardest}."
    )
    return Figure("accuracy", "Accuracy and regret", sentence, to_svg(figure))


def _mean(values: Any, axis: int) -> Any:
    """Return the mean of what is there; NaN where nothing is."""
    return np.ma.masked_invalid(values).mean(axis=axis).filled(np.nan)


def _numbers(axes: Any, values: Any, image: Any) -> None:
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
            text = f"{value:.2f}".removeprefix("0")
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=7)


def ranks(run: Run, comparison: Comparison) -> Figure:
    """Draw mean ranks; with enough tasks, a critical-difference diagram."""
    names = labels(comparison.mean_ranks)
    means = dict(zip(names, comparison.mean_ranks.values(), strict=True))
    figure, axes = subplots(8, 1.2 + 0.22 * len(means))
    first = next(iter(comparison.mean_ranks), "")
    sentence = (
        f"The best mean rank over {comparison.tasks} tasks is that of {first} "
        f"({means[names[0]]:.2f}; 1 would be first everywhere). "
    )
    if comparison.p is None:
        y = range(len(means))
        axes.barh(y, list(means.values()), color="#0072B2")
        axes.set_yticks(y, names)
        axes.invert_yaxis()
        axes.set_xlabel("mean rank")
        needed = fewest_families(len(means) * (len(means) - 1) // 2)
        if len(means) > 1:
            sentence += (
                f"A test counts whole families of related tasks, here {comparison.families}; at "
                f"least {needed} are needed to tell {len(means)} configurations apart."
            )
    else:
        import pandas as pd
        from scikit_posthocs import critical_difference_diagram

        matrix = pd.DataFrame(comparison.p, index=names, columns=names)
        with matplotlib.rc_context(STYLE):
            critical_difference_diagram(means, matrix, ax=axes)
        together = int((comparison.p[0] >= 0.05).sum()) - 1
        if comparison.friedman_p is not None:
            sentence += f"Friedman's test that all are alike: p = {comparison.friedman_p:.2g}. "
        sentence += (
            "Configurations joined by a bar are not told apart (signed ranks, the signs of a whole "
            "family of tasks flipped together, Holm's correction, 5 %): "
        )
        if (comparison.p >= 0.05).all():
            sentence += "there is no difference that this table can show."
        else:
            sentence += f"{together} of the others cannot be told from the first."
    return Figure("ranks", "Ranks of the configurations", sentence, to_svg(figure))


def learning_curves(run: Run) -> Figure:
    """Draw test accuracy by epoch, a panel per task."""
    tasks = [task for task in run.tasks if task in set(run.experiments.task_id)]
    across = min(5, len(tasks))
    down = -(-len(tasks) // across)
    figure, grid = subplots(
        2.1 * across + 0.3, 1.7 * down + 1.0, nrows=down, ncols=across, sharey=True
    )
    panels = np.atleast_1d(grid).ravel()
    of = dict(zip(run.experiments.configuration, run.experiments.architecture, strict=True))
    ids = ["task_id", "configuration", "epoch"]
    means = run.tables.curves.groupby(ids).test_accuracy.mean()
    names = [name for name in run.configurations if name in of]
    colour = in_turn(of[name] for name in names)
    told = len(names) <= DISTINCT
    dashes: dict[str, Any] = {of[name]: cycle(DASHES if told else "-") for name in names}
    dash = {name: next(dashes[of[name]]) for name in names}
    rising = []
    for axes, task in zip(panels, tasks, strict=False):
        for name in names:
            if run.states[task, name].name != "done":
                continue
            curve = means.loc[task, name]
            x, y = curve.index, curve.to_numpy()
            rising.append(y[-1] >= max(y))
            axes.plot(
                x,
                y,
                dash[name],
                marker="." if len(x) < 4 else None,
                color=colour[of[name]],
                linewidth=1,
                alpha=1 if told else 0.5,
                label=shortened(name if told else of[name]),
            )
        axes.set_title(shortened(task, 22), fontsize=8)
        axes.set_ylim(0, 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    labelled: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    place = {"loc": "outside lower center", "ncols": min(3, across + 1)}
    figure.legend(labelled.values(), labelled.keys(), fontsize=7, **place)
    figure.supylabel("test accuracy by epoch", fontsize=8)
    sentence = (
        f"In {sum(rising)} of {len(rising)} experiments the accuracy is highest at the last epoch, so "
        "that more epochs may help."
    )
    return Figure("curves", "Learning curves", sentence, to_svg(figure))
