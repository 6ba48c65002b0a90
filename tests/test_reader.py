"""`metaprobe.load`: the tables of a run, whole or not, out of a folder, a .zip and a URL."""

import http.server
import inspect
import math
import shutil
import threading
import zipfile
from functools import partial
from pathlib import Path

import metaprobe
import numpy as np
import pandas as pd
import planted_results
import pytest
from metaprobe.config.configurations import EPOCHS, HYPERPARAMETERS, Configuration
from metaprobe.config.configurations import Grid as SweepGrid
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_json, write_checked_json
from metaprobe.reader.dictionary import columns_of, defaults, dictionary, left_out
from metaprobe.reader.lookup import Grid as Lookup
from metaprobe.reader.results import Results
from metaprobe.reader.space import space
from metaprobe.training.fragment import Fragment
from metaprobe.training.sweep import expand
from metaprobe.training.sweep_table import SCHEMA
from planted_results import EXPERIMENTS, FAMILIES, GRID, NAMES, write_results

TABLES = (
    "tasks",
    "configurations",
    "experiments",
    "curves",
    "predictions",
    "meta_features",
    "sweep",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A finished run's results; not to be changed."""
    return write_results(tmp_path_factory.mktemp("planted") / "results")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The same, to change."""
    return Path(shutil.copytree(folder, tmp_path / "results"))


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory) -> Path:
    """A .zip of the results in a folder of its own, as releases have it."""
    path = tmp_path_factory.mktemp("zip") / "release.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                made.write(file, f"metaprobe-1.0/{file.relative_to(folder).as_posix()}")
    return path


def refused(call, *arguments, **named) -> str:
    """The one line that a mistake is answered with."""
    with pytest.raises(UserError) as error:
        call(*arguments, **named)
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


def test_experiments_are_the_csv(folder: Path) -> None:
    """A rounded or shifted number; a whole number that became a fraction."""
    found = metaprobe.load(folder).experiments
    digests = {name: str for name in found if name.endswith("sha256")}
    table = pd.read_csv(folder / "experiments.csv", dtype=digests)
    pd.testing.assert_frame_equal(found, table, check_dtype=False, check_exact=True)
    assert found.batch_size.dtype == found.class_count.dtype == np.int64
    assert found.partial.dtype == bool


def test_tables_have_a_row_for_each(folder: Path) -> None:
    """A table of the wrong rows, or a column that help does not know."""
    results = metaprobe.load(folder)
    assert list(results.tasks.task_id) == list(FAMILIES)
    assert list(results.tasks) == list(columns_of("tasks"))
    assert list(results.configurations.configuration) == list(NAMES)
    assert list(results.configurations)[1:] == list(defaults())
    assert len(results.curves) == 3 * len(EXPERIMENTS)
    assert len(results.predictions) == planted_results.IMAGES * len(EXPERIMENTS)
    assert list(results.meta_features.task_id) == list(FAMILIES)
    assert len(results.sweep) == 2 * 2 * 8
    assert results.sweep.best_epoch.dtype == "Int64"
    assert results.sweep is results.sweep


def test_family_is_known_of_all(folder: Path) -> None:
    """A derived task apart from its parent; NaN where one's own name is meant."""
    tasks = metaprobe.load(folder).tasks.set_index("task_id")
    assert tasks.family["Birds-half"] == tasks.family["Birds"] == "Birds"
    assert tasks.derived_from["Birds-half"] == "Birds" and pd.isna(tasks.derived_from["MNIST"])
    assert tasks.family["Digits"] == "Digits" and tasks.family["USPS"] == "digits"


def test_unfinished_run_is_read_as_far_as_it_is(folder: Path, copy: Path) -> None:
    """Other numbers or columns than the finished run has; a default that is not filled in."""
    for path in copy.glob("*.parquet"):
        path.unlink()
    (copy / "metrics/Digits/mobilenetv2-plain.json").unlink()
    whole, part = metaprobe.load(folder), metaprobe.load(copy)
    ids = ["task_id", "configuration"]
    for name in ("experiments", "curves", "predictions", "meta_features", "sweep"):
        found, expected = getattr(part, name), getattr(whole, name)
        keys = [key for key in (*ids, "replicate", "epoch", "image") if key in found]
        if name == "sweep":
            keys = ["task_id", *(key for key in GRID if key in found)]
        found, expected = (one.sort_values(keys, ignore_index=True) for one in (found, expected))
        if name in ("experiments", "curves"):
            gone = (expected.task_id == "Digits") & (expected.configuration == "mobilenetv2-plain")
            expected = expected[~gone].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    last = metaprobe.load(folder).query("Digits", "resnet18-plain")
    assert part.query("Digits", "resnet18-plain") == last
    text = refused(part.query, "Digits", "mobilenetv2-plain")
    assert text == "Digits, mobilenetv2-plain is not finished: `snakemake --cores 4` goes on"


def test_tasks_are_known_before_any_experiment(tmp_path: Path) -> None:
    """A run of hours of which nothing can be asked until its first head."""
    write_subset(tmp_path, "Owls")
    (row,) = metaprobe.load(tmp_path).tasks.to_dict("records")
    assert (row["task_id"], row["train_images"]) == ("Owls", 9) and pd.isna(row["family"])
    subset = read_json(tmp_path / "subsets/Owls.json")
    assert row["subset_sha256"] == subset["sha256"]


def write_subset(folder: Path, name: str, read_as: str = "folder") -> None:
    """A subset as a run draws it, before anything is trained on it."""
    subset = {"task_id": name, "seed": 0, "sampling": "random", "read_as": read_as}
    subset |= {"partial": False, "pretext": None, "class_count": 2, "split": {"rule": "official"}}
    subset |= {"train": {"images": 9}, "test": {"images": 6}}
    write_checked_json(folder / f"subsets/{name}.json", subset)


def test_tasks_of_an_unfinished_run_are_all_tasks(folder: Path, copy: Path) -> None:
    """Tasks that are gone as soon as another has its first head, or a family that is forgotten."""
    for path in copy.glob("*.parquet"):
        path.unlink()
    for name in FAMILIES:
        write_subset(copy, name, "derived from Birds" if FAMILIES[name] == "Birds" else "folder")
    for name in ("USPS", "Birds-half"):
        shutil.rmtree(copy / "metrics" / name)
    found = metaprobe.load(copy).tasks.set_index("task_id")
    expected = metaprobe.load(folder).tasks.set_index("task_id").loc[found.index]
    assert sorted(found.index) == sorted(FAMILIES)
    assert list(found) == list(expected)
    there = found.index.drop(["USPS", "Birds-half"])
    pd.testing.assert_frame_equal(found.loc[there], expected.loc[there])
    assert found.family["Birds-half"] == "Birds" and pd.isna(found.family["USPS"])
    assert found.train_images["USPS"] == 9 and found.derived_from["Birds-half"] == "Birds"


def test_folds_wait_for_families(copy: Path) -> None:
    """MNIST held out while its sibling, whose family nobody knows yet, is learnt from."""
    for path in copy.glob("*.parquet"):
        path.unlink()
    for name in FAMILIES:
        write_subset(copy, name)
    assert len(metaprobe.load(copy).folds(2)) == 2
    shutil.rmtree(copy / "metrics/USPS")
    text = refused(metaprobe.load(copy).folds, 2)
    assert text.startswith("folds(): the family of USPS is not known before an experiment of it")


@pytest.mark.parametrize("name", TABLES)
def test_missing_table_is_one_line_that_says_what_makes_it(tmp_path: Path, name: str) -> None:
    """A traceback, or a file that nobody knows how to make."""
    (tmp_path / "features").mkdir()
    text = refused(lambda: getattr(metaprobe.load(tmp_path), name))
    command = "snakemake sweep --cores 4" if name == "sweep" else "snakemake --cores 4"
    assert (
        text.startswith(f"{tmp_path} has no ") and f"`{command}` in the checkout makes it" in text
    )


def test_zip_and_url_read_as_the_folder_does(folder: Path, archive: Path) -> None:
    """A release that must be unpacked by hand; a derived task whose parent stays in the .zip."""
    serve = partial(Quiet, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        places = [metaprobe.load(archive), metaprobe.load(f"{url}/release.zip")]
        text = refused(metaprobe.load, f"{url}/none.zip")
        server.shutdown()
    assert text.startswith(f"{url}/none.zip cannot be fetched (HTTP Error 404")
    expected = metaprobe.load(folder)
    for results in places:
        for name in TABLES:
            pd.testing.assert_frame_equal(getattr(results, name), getattr(expected, name))
        half, whole = results.features("Birds-half"), expected.features("Birds", "ResNet18")
        np.testing.assert_array_equal(half["train_features"], whole["train_features"][::2])
        assert results.query("MNIST", NAMES[0]) == expected.query("MNIST", NAMES[0])
        unpacked = results.place.root
        assert not (unpacked / "metrics").exists()  # nothing that was not asked for
    del results, places
    assert not unpacked.exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *arguments) -> None:
        """Say nothing."""


@pytest.mark.parametrize("name", ["sweep", "features", "metrics", "subsets", "descriptions"])
@pytest.mark.parametrize("only", ["", "metrics"])
def test_zip_of_a_folder_that_is_called_as_a_part_of_results(
    folder: Path, tmp_path: Path, name: str, only: str
) -> None:
    """Results that cannot be found in their .zip as their folder is called `sweep`."""
    with zipfile.ZipFile(tmp_path / "results.zip", "w") as made:
        for file in sorted((folder / only).rglob("*")):
            if file.is_file():
                made.write(file, f"{name}/{file.relative_to(folder).as_posix()}")
    results = metaprobe.load(tmp_path / "results.zip")
    assert len(results.experiments) == len(EXPERIMENTS)
    assert only or len(results.sweep) == 32


def test_zip_with_a_data_set_that_is_called_as_a_part_of_results(tmp_path: Path) -> None:
    """Predictions of a data set `metrics` taken for the results."""
    with zipfile.ZipFile(tmp_path / "results.zip", "w") as made:
        made.writestr("metrics/sweep/plain.json", "{}")
        made.writestr("sweep/metrics/ResNet18.parquet", "")
    place = metaprobe.load(tmp_path / "results.zip").place
    assert place.names("metrics/*/*.json") == ["metrics/sweep/plain.json"]


def test_wrong_places_are_one_line(folder: Path, archive: Path, tmp_path: Path) -> None:
    """A traceback for a mistyped folder, or one from within a .zip."""
    assert "does not exist" in refused(metaprobe.load, tmp_path / "none")
    assert refused(metaprobe.load, folder.parent).endswith(f"{folder} is one")
    assert "is no folder of results" in refused(metaprobe.load, tmp_path)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-100])
    assert "is no whole .zip" in refused(metaprobe.load, cut)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("notes.txt", "nothing")
    assert "has no results in it" in refused(metaprobe.load, tmp_path / "other.zip")


def test_damage_is_one_line(copy: Path, archive: Path, tmp_path: Path) -> None:
    """Numbers out of a file that was changed since it was written."""
    path = copy / "curves.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert "does not match its digest" in refused(lambda: metaprobe.load(copy).curves)
    (copy / "experiments.parquet").unlink()
    fragment = copy / "metrics/Birds/resnet18-plain.json"
    fragment.write_text(fragment.read_text().replace('"batch_size": 64', '"batch_size": 65'))
    assert "does not match its digest" in refused(lambda: metaprobe.load(copy).experiments)
    bent = bytearray(archive.read_bytes())
    start = bent.index(b"metaprobe-1.0/curves.parquet") + 60
    bent[start : start + 9] = bytes(9)
    (tmp_path / "bent.zip").write_bytes(bent)
    text = refused(lambda: metaprobe.load(tmp_path / "bent.zip").curves)
    assert "curves.parquet" in text


def test_zip_writes_nothing_beside_its_own_folder(tmp_path: Path) -> None:
    """A .zip from elsewhere that writes into one's home."""
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as evil:
        evil.writestr("metrics/../../x/y.json", "{}")
        evil.writestr("metrics/a/b.json", "{}")
    place = metaprobe.load(tmp_path / "evil.zip").place
    assert place.names("metrics/*/*.json") == ["metrics/a/b.json"]
    assert place.path("metrics/../../x/y.json") is None


def test_query_of_an_experiment_is_the_table(folder: Path) -> None:
    """The curve of another experiment, or an epoch counted from 0."""
    results = metaprobe.load(folder)
    table = pd.read_csv(folder / "experiments.csv").set_index(["task_id", "configuration"])
    curves = results.curves.set_index(["task_id", "configuration", "epoch"])
    for ids in EXPERIMENTS:
        row = table.loc[ids]
        expected = (row.validation_accuracy, row.test_accuracy, row.training_time_sec)
        assert results.query(*ids) == results.query(*ids, epoch=3) == expected
        for epoch in (1, 2):
            point, found = curves.loc[(*ids, epoch)], results.query(*ids, epoch)
            assert found[:2] == (point.validation_accuracy, point.test_accuracy)
            left = row.seconds_head * (3 - epoch) / 3
            assert found.seconds == pytest.approx(row.training_time_sec - left)


def test_query_of_the_sweep_is_the_row(folder: Path) -> None:
    """Another row's numbers; momentum that Adam does not know, in its way."""
    results = metaprobe.load(folder)
    names = list(GRID)
    for row in results.sweep.to_dict("records"):
        asked = {name: row[name] for name in names}
        own = asked if row["optimizer"] == "SGD" else {**asked, "momentum": None}
        for one in (asked, own):
            found = results.query(row["task_id"], one)
            expected = (row["validation_accuracy"], row["test_accuracy"], row["seconds"])
            assert found == results.query(row["task_id"], one, 3) == expected
            at_one = results.query(row["task_id"], one, 1)
            assert at_one.test == row["epoch_test_accuracy"][0]
            assert at_one.validation == row["epoch_validation_accuracy"][0]
            assert at_one.seconds == pytest.approx(row["seconds"] / 3)


def test_query_by_hyperparameters_without_a_sweep(copy: Path) -> None:
    """A configuration that cannot be found by what it says of itself."""
    shutil.rmtree(copy / "sweep")
    (copy / "sweep.parquet").unlink()
    results = metaprobe.load(copy)
    for name in NAMES:
        assert results.query("USPS", planted_results.SIX[name]) == results.query("USPS", name)


def test_replicates_are_averaged_and_diverged_ones_are_nan(copy: Path, monkeypatch) -> None:
    """The first seed for all; a diverged training that looks like a bad one."""
    results = metaprobe.load(copy)
    sweep = results.sweep
    second = sweep.assign(seed=1, test_accuracy=sweep.test_accuracy / 2)
    second.loc[0, "test_accuracy"] = math.nan
    both = pd.concat([sweep, second], ignore_index=True).sort_values("task_id", kind="stable")
    monkeypatch.setitem(results.__dict__, "sweep", both.reset_index(drop=True))
    row = sweep.iloc[1]
    asked = {name: row[name] for name in GRID}
    assert results.query(row.task_id, asked).test == pytest.approx(row.test_accuracy * 0.75)
    first = {name: sweep.iloc[0][name] for name in GRID}
    assert math.isnan(results.query(sweep.task_id[0], first).test)


def test_queries_that_have_no_answer_are_one_line(folder: Path) -> None:
    """A KeyError, or the answer of something else."""
    results = metaprobe.load(folder)
    asked = {"architecture": "ResNet18", "learning_rate": 0.1, "optimizer": "Adam", "momentum": 0.5}
    assert "did you mean MNIST?" in refused(results.query, "MNST", NAMES[0])
    assert "did you mean resnet18-plain" in refused(results.query, "MNIST", "resnet-plain")
    text = refused(results.query, "MNIST", NAMES[0], 4)
    assert text == "epoch 4 is out of range: this training has 1 to 3"
    assert "out of range" in refused(results.query, "MNIST", NAMES[0], 0)
    assert "out of range" in refused(results.query, "Task0", asked, 9)
    text = refused(results.query, "Task0", asked | {"learning_rate": 0.3})
    assert text == "learning_rate: 0.3 is not in these results; there are 0.01, 0.1"
    assert "did you mean" in refused(results.query, "Task0", asked | {"learn_rate": 0.3})
    assert "batch_size: 9 is not" in refused(results.query, "Task0", asked | {"batch_size": 9})
    assert "optimizer: Adm is not" in refused(results.query, "Task0", asked | {"optimizer": "Adm"})
    assert "Task7 is no task" in refused(results.query, "Task7", asked)


def test_features_are_the_files(folder: Path) -> None:
    """Features of another backbone, or a silent choice of one."""
    results = metaprobe.load(folder)
    arrays = results.features("Birds", "ResNet18")
    assert arrays["train_features"].shape == (10, 4)
    assert arrays["train_features"].dtype == np.float32
    assert "name the backbone, MobileNetV2 or ResNet18" in refused(results.features, "Birds")
    assert "did you mean ResNet18?" in refused(results.features, "Birds", "ResNet-18")
    assert "did you mean Birds" in refused(results.features, "Bird")
    assert "has no features/" in refused(no_features(folder).features, "MNIST")


def no_features(folder: Path) -> Results:
    results = metaprobe.load(folder)
    results.place.names = lambda pattern: []
    return results


def test_folds_keep_families_whole(folder: Path) -> None:
    """A sibling, or a derived task, among those that are learnt from: a leak."""
    results = metaprobe.load(folder)
    family = results.tasks.set_index("task_id").family
    for k in (2, 3, 4):
        folds = results.folds(k)
        assert sorted(task for _, held in folds for task in held) == sorted(FAMILIES)
        for learn, held in folds:
            assert sorted([*learn, *held]) == sorted(FAMILIES) and held
            assert not {family[task] for task in learn} & {family[task] for task in held}
        assert folds == metaprobe.load(folder).folds(k)
    sizes = sorted(len(held) for _, held in results.folds(3))
    assert sizes == [2, 2, 3]
    assert "k is from 2 to the number of families, 4" in refused(results.folds, 5)


def test_space_knows_what_means_something_beside_what(folder: Path) -> None:
    """A momentum for Adam; a sample that cannot be queried."""
    pytest.importorskip("ConfigSpace")
    results = metaprobe.load(folder)
    found = results.space(seed=0)
    assert set(found) == set(defaults()) & set(results.sweep)
    assert list(found["learning_rate"].sequence) == [0.01, 0.1]
    seen = set()
    for one in found.sample_configuration(40):
        asked = dict(one)
        seen.add(asked["optimizer"])
        assert ("momentum" in asked) == (asked["optimizer"] == "SGD")
        assert results.query("Task1", asked).test >= 0
    assert seen == {"SGD", "Adam"}


GRIDS = [
    {"patience": [0, 2], "min_delta": [0.001, 0.01]},
    {"patience": [0, 2], "monitor": ["loss", "accuracy"], "min_delta": [0.001]},
    {"patience": [0], "min_delta": [0.001, 0.01]},
    {"optimizer": ["SGD", "Adam", "RMSprop"], "momentum": [0.5, 0.9], "patience": [1, 2]},
    {"optimizer": ["SGD", "AdamW"], "momentum": [0.9], "patience": [0, 1], "min_delta": [0.1]},
    {"schedule": ["constant", "one_cycle"], "weight_decay": [0.0, 0.1]},
    {"schedule": ["constant", "cosine"], "warmup_epochs": [0, 1]},
]


@pytest.mark.parametrize("varied", GRIDS, ids=lambda grid: " ".join(grid))
def test_every_point_of_a_sweeps_space_can_be_asked(varied) -> None:
    """Half of the samples of a grid refused, as what means nothing there is not in the grid."""
    pytest.importorskip("ConfigSpace")
    grid = SweepGrid.model_validate(
        {"architecture": ["ResNet18"], "learning_rate": [0.1, 0.01]} | varied
    )
    rows = pd.DataFrame(expand(grid)).assign(task_id="Owls", seed=0)
    made = space({name: rows[name].tolist() for name in defaults() if name in rows}, seed=0)
    found = Lookup(rows)
    for one in made.sample_configuration(200):
        (row,) = found.find("Owls", asked := dict(one))
        told = {name: value for name, value in asked.items() if name not in found.effectless}
        assert all(rows[name][row] == value for name, value in told.items())
    whole = rows.drop(columns=["task_id", "seed"]).to_dict("records")
    assert all(len(found.find("Owls", one)) == 1 for one in whole)


def test_space_without_configspace_says_what_to_install(folder: Path, monkeypatch) -> None:
    """A traceback that names an import."""
    monkeypatch.setitem(__import__("sys").modules, "ConfigSpace", None)
    text = refused(metaprobe.load(folder).space)
    assert text == "space() needs the package ConfigSpace: pip install ConfigSpace"


def test_dictionary_is_of_what_is_written(folder: Path) -> None:
    """A column that nobody explains; a default that is not the configuration's."""
    results = metaprobe.load(folder)
    assert set(defaults()) == set(HYPERPARAMETERS)
    for name, field in Configuration.model_fields.items():
        if not field.is_required() and name != "epochs":
            assert defaults()[name] == field.default, name
    assert defaults()["epochs"] == EPOCHS
    for name, field in Fragment.model_fields.items():
        if not field.is_required() and field.default not in (None, []):
            assert left_out()[name] == field.default, name
    known = set(dictionary()["sweep"]) | set(defaults()) | {"task_id"}
    assert set(SCHEMA.names) <= known
    assert "fraction): test images classified correctly" in results.help("test_accuracy")
    assert "experiments.versions_<library>" in results.help("versions_torch")
    assert "\nsweep.diverged (text): " in results.help()
    assert "did you mean test_loss" in refused(results.help, "tset_loss")


def test_import_is_cheap() -> None:
    """Every job of the workflow, and `metaprobe --help`, imports pandas and Arrow."""
    code = "import sys, metaprobe; print([m for m in sys.modules if m in ('numpy', 'pandas', 'pyarrow')])"
    assert "[]" in run_python(code)
    heavy = "('torch', 'snakemake', 'pydantic', 'sklearn', 'scipy', 'matplotlib', 'psutil', 'yaml')"
    modules = ["places", "results", "tables", "lookup", "folds", "space", "dictionary"]
    names = ", ".join(f"metaprobe.reader.{name}" for name in modules)
    code = f"import sys, {names}; print([m for m in sys.modules if m in {heavy}])"
    assert "[]" in run_python(code)


def run_python(code: str) -> str:
    """What a new Python prints."""
    import subprocess
    import sys

    folder = Path(inspect.getfile(metaprobe)).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout
