"""The report: true numbers, everything escaped, nothing asked of anybody, readable on a phone."""

import base64
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import fragments
import matplotlib
import numpy as np
import pandas as pd
import pytest
from metaprobe.core.files import with_checksum, write_checked_json
from metaprobe.core.parquet import write_parquet
from metaprobe.operations.status import State, read_experiments
from metaprobe.recommend.portfolio import portfolio_rows, to_json
from metaprobe.report import FOLDER, answer, style
from metaprobe.report.accuracy_figures import completeness, grids, looks
from metaprobe.report.comparison import compare, standings
from metaprobe.report.cost_figures import pareto_front, pushed_apart
from metaprobe.report.data import Run, hours
from metaprobe.report.page import figures, page, write_partial_report, write_report
from metaprobe.report.rank_figure import groups, ranks
from metaprobe.report.reading import partial_run, read_run
from metaprobe.report.style import whiskers
from metaprobe.tables.collect import collect
from planted_runs import ARCHITECTURES, fragment, lifelike, made
from planted_tables import planted

ATTACK = "<script>alert(1)</script>\"'&--><img src=x onerror=alert(1)>$\\frac{1}{0}$"


class Page(HTMLParser):
    """The cells of the table of experiments, all tags with their attributes, all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def whole(run: Run) -> str:
    return page(run)[0]


def test_numbers_are_those_of_the_fragments() -> None:
    """An accuracy in another row, or one that is not the fragment's."""
    run = made(3, 4)
    table = whole(run).partition('<section id="experiments">')[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr>")[2:]]
    columns = ["task_id", "configuration", "test_accuracy"]
    expected = list(run.experiments[columns].itertuples(index=False, name=None))
    assert [(row[0], row[1], float(row[3])) for row in rows] == expected


def test_what_was_left_out_and_how_it_was_read_is_told() -> None:
    """A task on fewer pictures than the data set has, or on another copy, that looks like the others."""
    one = fragment("Birds", "plain0", 0.5, broken_images=3, read_as="folder, deepfunneled")
    states = {("Birds", "plain0"): State("done")}
    parts = {"licences": {}, "validation": None, "evaluation": None, "machine": {}}
    text = whole(Run(states=states, tables=fragments.tables([one]), **parts))
    assert "3 images left out that do not decode" in text
    assert "read as folder, deepfunneled" in text


def test_names_are_text_wherever_they_stand() -> None:
    """A folder's name that runs in the reader's browser, or a dollar sign that breaks a picture."""
    one = fragment(ATTACK, ATTACK, 0.5, device=ATTACK, family=ATTACK)
    finding = {"task_id": ATTACK, "configuration": ATTACK, "line": 2, "message": ATTACK}
    check = {"name": "x", "severity": "error", "findings": [finding], "checked": True}
    validation = {"checks": [check], "table": ATTACK, "rows": 1, "experiments": 1}
    evaluated = {"protocol": "task", "method": ATTACK, "regret_points": 1.0, "holm_p": 1.0}
    evaluated |= {"regret_points_low": 0.0, "regret_points_high": 2.0, "conclusion": ATTACK}
    evaluated |= {"p": 0.5, "regret_above_floor_points": 0.5}
    evaluated |= {"regret_above_floor_points_low": None, "regret_above_floor_points_high": None}
    run = Run(
        states={(ATTACK, ATTACK): State("done"), (ATTACK, "b"): State("failed", ATTACK, ATTACK)},
        tables=fragments.tables([one]),
        licences={ATTACK: ATTACK},
        validation=validation,
        evaluation={"rows": [evaluated], "notes": [ATTACK], "noise_floor_points": {ATTACK: 0.5}},
        machine={ATTACK: ATTACK},
    )
    text = whole(run)
    found = Page(text)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert found.text.count(ATTACK) > 8
    assert html.escape("<script>alert") in text
    for picture in figures(run):
        assert "<script" not in picture.svg
        assert "onerror=alert(1)>" not in re.sub(r"<!--.*?-->", "", picture.svg, flags=re.DOTALL)


def test_nothing_is_asked_of_the_network() -> None:
    """A font, a script or a picture from elsewhere; a policy that would allow one."""
    found = Page(whole(made(7, 3)))
    (policy,) = (a["content"] for _, a in found.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag, attributes in found.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "audio", "video")
        for name in ("src", "srcset", "data", "action", "background", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        if tag != "a":
            assert "href" not in attributes
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", whole(made(1, 1)))


@pytest.mark.parametrize(
    "run",
    [
        made(1, 1),
        made(1, 3),
        made(2, 1),
        made(1, 1, missing=[(0, 0)]),
        made(7, 4, missing=[(2, 1)]),
        made(6, 2),
        made(3, 14),
    ],
    ids=["one", "one task", "one configuration", "nothing", "a gap", "two configurations", "many"],
)
def test_small_and_broken_runs_have_a_report(run: Run) -> None:
    """A report that fails for want of tasks, or that keeps quiet about what is missing."""
    text = whole(run)
    assert f"<dd>{run.count('done')} of {len(run.states)}</dd>" in text
    assert ("diverged at epoch 1, step 3" in text) == bool(run.count("failed"))


def test_equal_accuracies_have_no_winner() -> None:
    """A test of differences that are all zero, or a p below 0.05 from them."""
    run = made(8, 3, accuracy=lambda task, name: 0.5)
    found = compare(run)
    assert found.p is not None
    assert (found.p == 1).all()
    assert set(found.mean_ranks.values()) == {2.0}
    assert whole(run)


def test_a_better_configuration_is_told_apart() -> None:
    """Ranks upside down; p values of other pairs."""
    run = made(10, 3, accuracy=lambda task, name: (0.1, 0.9, 0.5)[name] + (3 * task + name) / 1000)
    found = compare(run)
    assert list(found.mean_ranks) == ["plain1", "plain2", "plain0"]
    assert found.mean_ranks["plain1"] == 1.0
    assert found.p is not None
    off = ~np.eye(3, dtype=bool)
    assert found.p[off] == pytest.approx(3 * 2 / 2**10)  # all ten signs the same; Holm: times three
    assert found.friedman_p is not None
    assert found.friedman_p == 1e-4  # the observed order alone, of 10,000


def test_relatives_count_as_one_family() -> None:
    """Ten tasks on the same pictures told apart as if ten had been found to agree."""
    run = made(
        10, 3, accuracy=lambda task, name: (0.1, 0.9, 0.5)[name] + task / 100, family="alike"
    )
    found = compare(run)
    assert (found.tasks, found.families, found.p, found.friedman_p) == (10, 1, None, None)
    assert "here 1; at least 7 are needed to tell 3 configurations apart" in whole(run)


def test_no_difference_is_said() -> None:
    """A diagram full of bars that leaves it to the reader to see that nothing was found."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(0.5, 0.1, (8, 3)).round(3)
    run = made(8, 3, accuracy=lambda task, name: float(drawn[task, name]))
    assert "there is no difference that this table can show" in whole(run)


def test_portfolio_is_drawn_and_told() -> None:
    """Advice without meta-learning that is left to a CSV; one family of tasks, without intervals."""
    table = planted(0, tasks=8).table
    floors = dict.fromkeys(table.tasks, 0.5)
    for alike in (False, True):
        if alike:
            table = replace(table, families=("alike",) * 8)
        details = to_json(table, floors, portfolio_rows(table, floors, seed=0))
        run = replace(made(8, 3), portfolio=details)
        (figure,) = (one for one in figures(run) if one.name == "portfolio")
        assert figure.sentence == details["sentence"]
        assert figure.sentence in Page(whole(run)).text
        assert ("held out" in figure.svg) != alike


def test_missing_interval_is_not_one_of_no_width() -> None:
    """A mean that looks as if it were known exactly, as nothing is known of its interval."""
    rows = [{"x": 1.0, "x_low": None, "x_high": None}, {"x": 1.0, "x_low": 0.5, "x_high": 3.0}]
    low, high = np.array(whiskers(rows, "x"))
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (0.5, 2.0)


def test_long_names_that_begin_alike_stay_apart() -> None:
    """Configurations merged by their first letters; a report that fails because of a name."""

    def long(number: int) -> str:
        return f"a-very-long-name-of-a-configuration-{number}"

    assert whole(made(7, 3, name=long))
    assert len(set(style.labels(map(long, range(3))))) == 3


def test_what_was_never_run_is_neither_best_nor_hardest() -> None:
    """A configuration without a single experiment praised as the one with the least regret."""
    run = made(2, 3, missing=[(0, 0), (1, 0), (1, 1), (1, 2)])
    sentences = {figure.name: figure.sentence for figure in figures(run)}
    assert "plain0" not in sentences["regret"]
    assert "Task1" not in sentences["accuracy"]


def test_features_are_counted_once() -> None:
    """The hours of a backbone multiplied by the heads that share its features."""
    found = hours(made(2, 6))
    assert found["features, ResNet18"] == pytest.approx(2.0)
    assert found["heads"] == pytest.approx(12 * 36 / 3600)


def test_same_run_same_bytes(tmp_path: Path) -> None:
    """A date or a random id in a picture: reports that cannot be compared."""
    for name in ("one", "two"):
        write_report(made(7, 4), tmp_path / f"{name}.html", tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    pictures = sorted((tmp_path / "one").glob("*.svg"))
    assert len(pictures) == 6
    for picture in pictures:
        encoded = base64.b64encode(picture.read_bytes()).decode()
        assert encoded in (tmp_path / "one.html").read_text()


def started(results: Path, stages) -> Run:
    """What there is of a run, as `metaprobe partial` reports it."""
    states, found = read_experiments(stages, {})
    return partial_run(results, states, list(found.values()), {})


def test_empty_results_folder_is_no_error(tmp_path: Path) -> None:
    """A traceback where nothing has been done yet."""
    stages = {("Task", "plain"): [(str(tmp_path / "log"), str(tmp_path / "fragment.json"))]}
    text = whole(started(tmp_path, stages))
    assert "<dd>0 of 1</dd>" in text
    assert "it was not checked" in text


def test_partial_report_gives_way_to_the_whole_one(tmp_path: Path) -> None:
    """An old partial report beside the whole one."""
    gap = made(2, 2, missing=[(0, 1)])
    assert write_partial_report(gap, tmp_path) == tmp_path / "report.partial.html"
    assert "<dd>3 of 4</dd>" in (tmp_path / "report.partial.html").read_text()
    write_report(made(2, 2), tmp_path / "report.html", tmp_path / "figures")
    assert write_partial_report(made(2, 2), tmp_path) == tmp_path / "report.html"
    assert not (tmp_path / "report.partial.html").exists()


def test_whole_and_partial_report_are_of_one_making(tmp_path: Path) -> None:
    """Two ways to read a run that drift apart; findings of an earlier table in a partial report."""
    built = [fragment(f"Task{i}", f"plain{j}", (i + j) / 8) for i in range(3) for j in range(2)]
    for one in built:
        one |= {"seconds": one["seconds"] | {"train_features": 9 * one["seconds"]["head"]}}
        one |= {"training_time_sec": 10 * one["seconds"]["head"]}
    built = [with_checksum(one) for one in built]
    ids = fragments.write_all(tmp_path / "metrics", built)
    tables = collect(tmp_path / "metrics", ids)
    for name in ("experiments", "replicates", "curves"):
        write_parquet(tmp_path / f"{name}.parquet", getattr(tables, name))
    for name in ("validation", "recommendation_evaluation", "portfolio"):
        write_checked_json(
            tmp_path / f"{name}.json",
            {"checks": [], "rows": [], "notes": ["old news"], "noise_floor_points": {}},
        )
    stages = {
        (task, name): [("log", str(tmp_path / f"metrics/{task}/{name}.json"))] for task, name in ids
    }
    partial = started(tmp_path, stages)
    assert "old news" not in whole(partial)
    complete = read_run(tmp_path, {})
    assert complete.evaluation is not None
    alone = replace(complete, validation=None, evaluation=None, portfolio=None)
    assert whole(alone) == whole(partial)


def headline(run: Run) -> str:
    """What stands above the sections, without drawing them."""
    comparison = compare(run)
    rows = standings(run, comparison)
    said = [answer.title(run, comparison), *answer.lead(run, comparison, rows)]
    return "\n".join([*said, *answer.warnings(run)])


def test_first_screen_answers() -> None:
    """A first screen of provenance, or one that leaves out how much is done."""
    run = made(3, 2, missing=[(0, 0)])
    top = html.unescape(whole(run).partition("<header>")[2].partition("</header>")[0])
    assert all(sentence in top for sentence in headline(run).splitlines())
    assert "<dd>3 × 2</dd>" in top
    assert "<dd>5 of 6</dd>" in top
    assert "python" not in top


def test_winner_has_an_interval_and_is_told_apart() -> None:
    """A winner without its interval, or without a word on the others."""
    run = lifelike(30, 6)
    first = standings(run, compare(run))[0]
    said = headline(run)
    assert said.startswith(f"{first['configuration']} comes first on 30 data sets\n")
    assert f"{first['rank']:.2f} (95 % interval {first['rank_low']:.2f}" in said
    assert "told apart from" in said
    assert first["rank_low"] <= first["rank"] <= first["rank_high"]


def test_ranks_stay_between_the_first_and_the_last() -> None:
    """An interval of a mean rank that begins before the first place."""
    found = compare(lifelike(30, 6))
    assert found.intervals is not None
    assert found.intervals.min() >= 1
    assert found.intervals.max() <= 6


def test_the_best_of_each_data_set_is_told_at_once() -> None:
    """An answer for all data sets together alone, with that for each far below."""
    few = made(3, 2, accuracy=lambda task, name: 0.5 + 0.1 * (name == (task == 2)))
    assert "It is the best on 2 of 3; plain1 on Task2. Its mean" in headline(few)
    best = made(14, 6, accuracy=lambda task, name: 0.5 + 0.1 * (name == max(0, task - 8)))
    said = "It is the best on 9 of 14; plain1 on 1, plain2 on 1, plain3 on 1, 2 others on 2. Its"
    assert said in headline(best)
    always = made(3, 2, accuracy=lambda task, name: 0.5 + 0.1 * name)
    assert "It is the best on 3 of 3. Its mean" in headline(always)


def test_lines_are_told_of_where_there_are_any() -> None:
    """Words about lines in a picture that has none."""
    apart = made(12, 3, accuracy=lambda task, name: 0.2 + 0.3 * name + task / 100)
    assert "Lines at the right" not in ranks(compare(apart)).sentence
    pair = made(
        12, 3, accuracy=lambda task, name: (0.1, 0.8, 0.8 + 0.01 * (-1) ** task)[name] + task / 100
    )
    assert "Lines at the right" in ranks(compare(pair)).sentence


def test_features_of_a_derived_data_set_are_nobodys_hours() -> None:
    """Hours of passes that were never made: a derived data set has the features of its parent."""
    alone = hours(made(1, 2))
    read_as = {"read_as": "folder, derived from Task0"}
    several = hours(made(4, 2, own=lambda task, name: read_as if task else {}))
    assert several["features, ResNet18"] == alone["features, ResNet18"]
    assert several["heads"] == pytest.approx(4 * alone["heads"])


def test_luck_is_no_winner() -> None:
    """A headline that names the best of a draw."""
    run = made(12, 3, accuracy=lambda task, name: 0.5 + (7 * task + 5 * name) % 3 / 10)
    assert compare(run).all_alike
    said = headline(run)
    assert said.startswith("No configuration is clearly the best on 12 data sets")
    assert "there is no difference that this table can show" in said
    assert "too few to be sure" in headline(made(3, 4))


def test_random_weights_are_told_first() -> None:
    """Numbers of untrained networks that look like a result; true weights called random."""
    assert "The weights are random (seed 0), not trained" in headline(made(2, 2))
    assert "not trained" not in headline(lifelike(2, 2))


def test_failures_are_told_first() -> None:
    """Seven failed experiments that a reader of the first screen does not hear of."""
    failed = [(1, 1), (2, 3), (4, 0), (4, 1), (9, 5), (20, 2), (29, 5)]
    said = headline(lifelike(30, 6, missing=failed))
    assert "173 of 180 experiments are done, 7 failed" in said
    assert "comes first on 24 data sets so far" in said


def test_one_task_is_decided_by_its_images() -> None:
    """A run of one data set without any word on whether its best is better than the others."""
    run = made(1, 3, accuracy=lambda task, name: (0.5, 0.9, 0.88)[name])
    pairs = [("plain0", "plain1", 0.001), ("plain0", "plain2", 0.01), ("plain1", "plain2", 0.3)]
    columns = ["configuration_a", "configuration_b", "holm_p"]
    comparisons = pd.DataFrame(pairs, columns=columns).assign(task_id="Task0")
    said = headline(replace(run, comparisons=comparisons))
    assert "plain1 comes first on 1 data set" in said
    assert "tell it apart from 1 of the other 2" in said


def test_what_is_at_work_is_not_done() -> None:
    """A report of a run that is going on which fails for a running job, or calls it failed."""
    run = made(2, 2)
    states = dict(run.states) | {("Task1", "plain1"): State("running", "train_head", "0:10")}
    done = run.tables.experiments.iloc[:3]
    run = replace(run, states=states, tables=replace(run.tables, experiments=done))
    sentence = completeness(run).sentence
    assert "3 of 4 experiments are done (light), 0 failed (×), 1 are missing" in sentence


def test_hard_is_measured_above_chance() -> None:
    """Ten classes at 0.6 called harder than two classes at 0.65, of which 0.5 is guessing."""
    rates = (0.5, 0.1)
    run = made(
        2,
        2,
        accuracy=lambda task, name: (0.65, 0.6)[task],
        own=lambda task, name: {"test_majority_rate": rates[task]},
    )
    assert run.above_chance == pytest.approx([0.3, 0.5 / 0.9])
    assert "easiest is Task1, the hardest Task0" in grids(run)[0].sentence


def test_pareto_front_is_what_nothing_beats() -> None:
    """A front through points that another is cheaper and better than; equal points twice."""
    costs, values = np.array([3.0, 1, 2, 2, 4, 1]), np.array([0.7, 0.5, 0.6, 0.4, 0.7, 0.5])
    assert pareto_front(costs, values) == [1, 2, 0]


def test_names_are_pushed_apart() -> None:
    """Names over each other, or out of the picture."""
    found = pushed_apart([0.99, 0.5, 0.98, 1.0], 0.1)
    assert min(np.diff(sorted(found))) >= 0.1 - 1e-9
    assert found[1] == 0.5
    assert max(found) == pytest.approx(1.0)
    assert pushed_apart([], 0.1) == []


def test_lines_join_only_what_is_not_told_apart() -> None:
    """A line over two configurations that a test tells apart."""
    p = np.ones((4, 4))
    p[0, 2] = p[2, 0] = p[0, 3] = p[3, 0] = 0.01
    assert groups(p) == [(0, 1), (1, 3)]
    assert groups(np.where(np.eye(3) == 1, 1, 0.01)) == []


def test_colours_never_recycle() -> None:
    """Two architectures in one colour, or two configurations in the same line."""
    for count in (3, 7, 9, 24):
        names = [f"c{i}" for i in range(2 * count)]
        found = looks(names, {name: f"a{i // 2}" for i, name in enumerate(names)})
        colours = {name: look["color"] for name, look in found.items()}
        assert len(set(colours.values())) == (count if count <= len(style.COLOURS) else 1)
    names = [f"c{i}" for i in range(12)]
    found = looks(names, dict(zip(names, 4 * ARCHITECTURES, strict=True)))
    assert len({(look["color"], look["linestyle"]) for look in found.values()}) == 12


def contrast(one: str, other: str) -> float:
    dark, light = sorted(style.luminance(*matplotlib.colors.to_rgb(c)) for c in (one, other))
    return (light + 0.05) / (dark + 0.05)


def test_words_in_pictures_can_be_read_on_both_papers() -> None:
    """Words that stay black on dark paper, as of a legend that the style does not reach."""
    for colour in (style.INK, style.MUTED):
        assert contrast(colour, style.PAPER) >= 4.5
        assert contrast(style.DARK[colour], style.DARK_PAPER) >= 4.5
    for name in ("viridis", "cividis"):
        for shade in matplotlib.colormaps[name].colors:
            assert contrast(style.legible(*shade), matplotlib.colors.to_hex(shade)) >= 4.5
    on_cells = {"", "#ffffff"}  # black and white
    for figure in figures(lifelike(7, 3, missing=[(0, 0)])):
        looks = re.findall(r"<text[^>]*style=\"([^\"]*)\"", figure.svg)
        colours = {"".join(re.findall(r"fill: (#\w+)", look)) for look in looks}
        grids = figure.name in ("accuracy", "regret", "completeness")
        assert colours <= {style.INK, style.MUTED} | (on_cells if grids else set()), figure.name
        assert all("system-ui" in look for look in looks)


def test_pictures_and_page_are_on_the_same_paper() -> None:
    """A picture that stands out as a box, as one of the two files was changed."""
    css = (FOLDER / "style.css").read_text()
    light, dark = css.partition("prefers-color-scheme: dark")[::2]
    inks = {"paper": style.PAPER, "ink": style.INK, "muted": style.MUTED, "line": style.LINE}
    for name, colour in inks.items():
        assert f"--{name}: {colour};" in light
        assert f"--{name}: {style.DARK.get(colour, style.DARK_PAPER)};" in dark


def test_all_rows_are_there_without_scripts() -> None:
    """Rows that only a script shows; buttons that do nothing where there is none."""
    found = Page(whole(made(2, 3)))
    assert not any("hidden" in attributes for _, attributes in found.tags)
    assert not any(tag in ("button", "input") for tag, _ in found.tags)
