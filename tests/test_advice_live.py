"""The search for an advice on planted pictures: failures, errors of what is seen, prices, tables, kills."""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from checkouts import ROOT, write_pictures
from entries import BACKBONES, typed
from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.files import read_checked_json, write_checked_json
from metaprobe.core.parquet import write_parquet
from metaprobe.features import sizes as sizes_of
from metaprobe.features.sizes import Size, Sizes
from metaprobe.recommend.advice import guesses
from metaprobe.recommend.advice.bench import Trained
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import learn, no_table
from metaprobe.recommend.advice.live import Advisor
from metaprobe.recommend.advice.policy import Policy, State, Step
from metaprobe.recommend.advice.progress import Failed, Progress
from metaprobe.recommend.advice.setting_up import set_up
from metaprobe.recommend.advice.table import taught
from metaprobe.recommend.advice.told import to_text

HEAD = {"learning_rate": 0.1, "epochs": 3, "batch_size": 64}
CANDIDATES = Candidates(
    {
        "a-plain": HEAD | {"architecture": "a"},
        "a-long": HEAD | {"architecture": "a", "epochs": 20},
        "b-plain": HEAD | {"architecture": "b"},
        "b-tuned": HEAD | {"architecture": "b", "trainable": "last_block"},
    },
    {"a": 1e6, "b": 1e8},
)


@dataclass
class Planted:
    """Pictures of which every configuration is right as often as it says; `diverging` ones fail."""

    task_id: str = "birds"
    weights: str = "random"
    class_count: int = 3
    train_images: int = 200
    validation_images: int = 50
    images: int = 250
    diverging: tuple[str, ...] = ()
    seconds_per_image: dict[str, float] = field(default_factory=lambda: {"a": 1e-5, "b": 2e-5})
    seconds_to_start: dict[str, float] = field(default_factory=lambda: {"a": 1e-3, "b": 1e-3})
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)

    def width_of(self, backbone: str) -> int:
        return 16

    def there(self, backbone: str) -> int:
        return 0

    def probe(self, backbone: str, images: int, deadline: float) -> float:
        time.sleep(self.pause)
        self.asked.append(backbone)
        return {"a": 0.6, "b": 0.7}[backbone]

    def train(
        self, backbone: str, hyperparameters: dict[str, Any], deadline: float
    ) -> tuple[float, float]:
        time.sleep(self.pause)
        number = [*CANDIDATES.hyperparameters.values()].index(hyperparameters)
        name = CANDIDATES.configurations[number]
        self.asked.append(name)
        if name in self.diverging:
            raise Failed("diverged at epoch 1: the training loss is inf")
        return {"a-plain": 0.7, "a-long": 0.72, "b-plain": 0.8}[name], 0.01


def elsewhere(configuration: str, deadline: float) -> Trained:
    return Trained(0.9, 0.01, 5, 195)


def failing(configuration: str, deadline: float) -> Trained:
    raise Failed("no memory")


def advisor(folder: Path, bench: Planted | None = None, **changes: Any) -> Advisor:
    lines: list[str] = []
    made = Advisor(
        lessons=learn(CANDIDATES, no_table(CANDIDATES)),
        workbench=bench or Planted(),
        train_seconds=dict.fromkeys(CANDIDATES.configurations, 0.001),
        elsewhere=changes.pop("elsewhere", elsewhere),
        progress=Progress(folder / "progress.json"),
        say=lines.append,
        write=lambda answer: write_checked_json(folder / "answer.json", answer),
    )
    made.progress.read()
    return replace(made, **changes)


def run(search: Advisor, budget: float = 30.0) -> list[str]:
    """Let it end; return what was said."""
    search.run(budget, time.monotonic())
    return search.say.__self__  # type: ignore[attr-defined]  # the list whose append it is


def test_configuration_that_fails_is_left_out_for_good(tmp_path: Path) -> None:
    """One diverging recipe that ends every search; or that is trained again at each start."""
    bench = Planted(diverging=("b-plain",))
    said = run(advisor(tmp_path, bench, elsewhere=failing))
    assert "b-plain is left out: diverged at epoch 1: the training loss is inf" in said
    assert "b-tuned is left out: no memory" in said
    again = Planted(diverging=("b-plain",))
    search = advisor(tmp_path, again, elsewhere=failing)
    assert "b-tuned is left out: no memory" not in run(search, 60)
    assert "b-plain" not in again.asked
    answer = search.answer(60)
    assert {one["configuration"] for one in answer["ranked"][-2:]} == {"b-plain", "b-tuned"}
    assert "left out: configurations/b-plain: diverged" in to_text(answer)


def test_failure_that_may_pass_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    """Another run at work for a minute, for which a configuration is out for ever."""

    def busy(configuration: str, deadline: float) -> Trained:
        raise PassingError("another run is at work")

    assert any("b-tuned is left out" in line for line in run(advisor(tmp_path, elsewhere=busy)))
    assert not advisor(tmp_path).progress.untrainable


def test_broken_picture_is_no_fault_of_a_configuration(tmp_path: Path) -> None:
    """A picture that does not decode, for which all configurations are left out, one by one."""
    search = advisor(tmp_path)

    def broken(*_: Any) -> float:
        raise UserError("birds: c0/3.png does not decode")

    search.workbench.probe = broken  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"3\.png"):
        run(search)


def test_nothing_left_is_said(tmp_path: Path) -> None:
    """A traceback of an empty array where all that there is has failed."""
    heads = ("a-plain", "a-long", "b-plain")
    search = advisor(tmp_path, Planted(diverging=heads), elsewhere=failing)
    with pytest.raises(UserError, match="no configuration can be trained; the last"):
        run(search)


def test_each_training_counts_as_its_own_validation_images(tmp_path: Path) -> None:
    """An accuracy of five pictures that is believed, and told, as if it were of five hundred."""
    policy = Policy(learn(CANDIDATES, no_table(CANDIDATES)), [64], 500)
    step = Step(1, configuration=3)
    weights = policy.lessons.own_weights(3)
    few, many = (
        policy.belief(State().with_training(step, 0, 0.9, images)).deviation(weights)
        for images in (5, 500)
    )
    assert few > 2 * many
    assert policy.belief(State().with_training(step, 0, 0.9)).deviation(weights) == many
    search = advisor(tmp_path)
    for number, judged_on in ((2, 50), (3, 5)):
        name = CANDIDATES.configurations[number]
        told = Trained(0.9, 0.01, judged_on, 195)._asdict()
        search.progress.add(
            told | {"backbone": "b", "rung": None, "configuration": name}, seconds=1.0
        )
    found = {one["configuration"]: one for one in search.answer(30)["ranked"]}
    assert found["b-tuned"]["validation_images"] == 5
    assert found["b-plain"]["validation_images"] == 50
    assert "0.900 of 5" in to_text(search.answer(30))


def test_first_pictures_are_not_begun_when_they_are_too_dear(tmp_path: Path) -> None:
    """A first step that is taken whatever it costs, a minute before the end of ten seconds."""
    dear = Planted(seconds_per_image={"a": 1.0, "b": 2.0})
    said = run(advisor(tmp_path, dear), 10)
    assert not dear.asked
    assert "no backbone can be tried" in said[0]
    assert min(guesses.seconds_per_image({"a": 2.0, "b": 0.5}, {}).values()) > 0
    assert guesses.seconds_per_image({"a": 2.0, "b": 0.5}, {"a": 0.1})["b"] == pytest.approx(0.025)


def test_heads_are_priced_by_what_they_do() -> None:
    """A logistic regression of a hundred classes, or fifty epochs, that are expected to take a second."""

    def seconds(**recipe: Any) -> float:
        return guesses.seconds_of_head(HEAD | recipe, 5000, 2048, 100)

    assert seconds(epochs=30) > 5 * seconds(epochs=3)
    assert seconds(head="logistic") > seconds()
    assert seconds(head="ridge") > 1
    assert guesses.seconds_of_head(HEAD, 40, 512, 3) < 0.2


def test_answer_is_of_the_last_step(tmp_path: Path) -> None:
    """An answer from before any picture was seen, of a search that was killed after an hour."""
    search = advisor(tmp_path)
    search.run(30, time.monotonic(), most=1)
    told = read_checked_json(tmp_path / "answer.json")
    assert len(told["steps"]) == 1
    assert told["seconds"] == read_checked_json(tmp_path / "progress.json")["seconds"]


KILLED = """
import sys, time
from pathlib import Path
from metaprobe.core.signals import stop_as_on_ctrl_c
from test_advice_live import Planted, advisor
stop_as_on_ctrl_c()
search = advisor(Path(sys.argv[1]), Planted(pause=0.15), say=lambda text: print(text, flush=True))
print("ready", flush=True)
search.run(60, time.monotonic())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_kills_lose_no_step(tmp_path: Path, number: signal.Signals) -> None:
    """A kill that loses what was seen, or the seconds of it, or leaves files that end the next start."""
    rng = random.Random(int(number))
    environment = {"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests'}", "PATH": ""}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        shown = [running.stdout.readline() for _ in range(2)]
        time.sleep(rng.uniform(0, 0.3))
        running.send_signal(number)
        shown += running.stdout
    after = advisor(tmp_path)
    assert len(after.progress.steps) >= len([line for line in shown if " s  " in line])
    assert after.progress.seconds >= sum(one["seconds"] for one in after.progress.steps)
    answer = read_checked_json(tmp_path / "answer.json")
    assert 0 <= len(after.progress.steps) - len(answer["steps"]) <= 1
    run(after, 60)
    assert len(after.progress.steps) > len(answer["steps"]) - 1


def rows(**changes: Any) -> pd.DataFrame:
    """Two tasks and the heads of the planted candidates, as `experiments.parquet` has them."""
    heads = {k: v for k, v in CANDIDATES.hyperparameters.items() if k != "b-tuned"}
    table = [
        {"task_id": task, "configuration": name, "family": None, "weights_id": "random (seed 0)"}
        | {"subset_sha256": "s"}
        | RECIPE_DEFAULTS
        | dict(own)
        | {"test_accuracy": 0.5, "train_images": 300, "seconds_head_cpu": 3.0}
        for task in ("one", "two")
        for name, own in heads.items()
    ]
    return pd.DataFrame(table).assign(**changes)


def probes(**changes: Any) -> pd.DataFrame:
    """A probe of each backbone."""
    own = {"task_id": "one", "images": 64, "leave_one_out_accuracy": 0.4, "subset_sha256": "s"}
    table = [own | {"architecture": name, "weights_id": "random (seed 0)"} for name in "ab"]
    return pd.DataFrame(table).assign(**changes)


def learned(folder: Path, train_images: int = 300) -> tuple[Any, dict[str, float], list[str]]:
    said: list[str] = []
    ids = dict.fromkeys("ab", "random (seed 0)")
    table, seconds = taught(folder, CANDIDATES, ids, train_images, said.append)
    return table, seconds, said


def test_rows_of_the_same_recipe_teach(tmp_path: Path) -> None:
    """Defaults that the table spells out and a configuration does not, taken for another recipe."""
    write_parquet(tmp_path / "experiments.parquet", rows())
    write_parquet(tmp_path / "probes.parquet", probes())
    table, seconds, said = learned(tmp_path)
    assert not said
    assert np.isfinite(table.accuracy).sum() == 6
    assert np.isfinite(table.probes).sum() == 2
    assert seconds == dict.fromkeys(("a-plain", "a-long", "b-plain"), pytest.approx(0.01))


@pytest.mark.parametrize(
    ("changes", "images", "kept", "said"),
    [
        ({"epochs": 3}, 300, 4, "2 of what was another recipe then (a-long)"),
        ({"dropout_rate": 0.5}, 300, 0, "6 of what was another recipe then (a-plain, a-long"),
        ({}, 200, 0, "6 of more than 200 training images"),
        ({"weights_id": "ResNet18.DEFAULT"}, 300, 0, "6 of other weights"),
    ],
)
def test_rows_of_another_recipe_do_not_teach(
    tmp_path: Path, changes: dict[str, Any], images: int, kept: int, said: str
) -> None:
    """An edited recipe that is believed by what the old one of its name has reached."""
    write_parquet(tmp_path / "experiments.parquet", rows(**changes))
    table, _, lines = learned(tmp_path, images)
    assert np.isfinite(table.accuracy).sum() == kept
    assert len(lines) == 1
    assert said in lines[0]


def test_seconds_that_no_row_tells_are_no_price(tmp_path: Path) -> None:
    """A configuration that is never tried, as its seconds are NaN while another's are known."""
    seconds = [np.nan, 3.0, 3.0] * 2
    write_parquet(tmp_path / "experiments.parquet", rows(seconds_head_cpu=seconds))
    assert set(learned(tmp_path)[1]) == {"a-long", "b-plain"}


@pytest.mark.parametrize(
    ("table", "cut", "said"),
    [
        (probes(), True, "is broken"),
        (probes().drop(columns="weights_id"), False, "no column weights_id"),
        (probes(weights_id="ResNet18.DEFAULT"), False, ""),
        (probes(subset_sha256="other"), False, ""),
    ],
)
def test_probes_that_do_not_fit_are_ignored(
    tmp_path: Path, table: pd.DataFrame, cut: bool, said: str
) -> None:
    """A damaged file that ends the search, or probes of other weights that teach."""
    write_parquet(tmp_path / "experiments.parquet", rows())
    path = tmp_path / "probes.parquet"
    write_parquet(path, table)
    if cut:
        path.write_bytes(path.read_bytes()[:-40])
    found, _, lines = learned(tmp_path)
    assert not np.isfinite(found.probes).any()
    assert np.isfinite(found.accuracy).any()
    assert said in "".join(lines)
    assert bool(lines) == bool(said)


def test_sizes_are_known_without_building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute in which 27 networks are built before the first answer; or again at each start."""
    names = {
        "kept": BACKBONES["ResNet18"],
        "told": BACKBONES["ResNet18"],
        "odd": BACKBONES["ResNet18"],
    }
    monkeypatch.setattr(sizes_of, "published", lambda one: None)
    found = Sizes(tmp_path / "networks.json", names, {name: name for name in names})
    write_checked_json(found.path, {"kept": [3e6, 0.3], "told": [5e6, 0.5]})
    found.look_up()
    assert found.lacking == ["odd"]
    assert found.guessed()["odd"] == Size(4e6, pytest.approx(0.4))
    found.path.write_text("{")
    again = Sizes(found.path, names, found.keys)
    again.look_up()
    assert again.lacking == [*names]


def test_pictures_that_changed_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features and steps of other pictures, or of other weights, that had the same names."""
    write_pictures(tmp_path / "birds")
    stand_in = SimpleNamespace(Workbench=lambda *told: told[5])
    monkeypatch.setitem(sys.modules, "metaprobe.recommend.advice.workbench", stand_in)
    entry = typed({"kind": "folder", "path": str(tmp_path / "birds"), "classes": 3})
    weights = tmp_path / "mine.pth"
    weights.write_bytes(b"first")
    backbone = SimpleNamespace(own_file=weights, parameters=lambda: {"file": str(weights)})

    def place() -> Any:
        return set_up(
            "birds",
            entry,
            data=tmp_path,
            backbones={"mine": backbone},  # type: ignore[dict-item]
            settings=SimpleNamespace(  # type: ignore[arg-type]
                seed=0, weights="imagenet", engine="torch", precision="float32"
            ),
            folder=tmp_path / "advice",
            sampling="random",
            sizes={"train": 20, "test": 5},
            validation_images=5,
            gflop={},
            say=lambda text: None,
        )

    first = place()
    assert place() == first
    for picture in (tmp_path / "birds").glob("*/*.png"):
        picture.write_bytes(picture.read_bytes() + b"\0")
    second = place()
    weights.write_bytes(b"other")
    assert len({first, second, place()}) == 3
