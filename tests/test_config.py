"""The configuration: the shipped one is the protocol's, and each mistake is one line."""

import copy
from pathlib import Path
from typing import Any

import pytest
from metaprobe.config.datasets import Split
from metaprobe.config.load import Run, load_run
from metaprobe.config.reading import read_strictly
from metaprobe.config.settings import Settings
from metaprobe.core.errors import UserError
from metaprobe.data.new_dataset import declare
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

CONFIG = Path(__file__).parent.parent / "config"
SHIPPED = [
    str(CONFIG / f"{name}.yaml")
    for name in ("config", "datasets", "backbones", "configurations", "grid")
]
DEMO = str(CONFIG / "demo.yaml")
BACKBONES = load_configfile(CONFIG / "backbones.yaml")
GREY = (
    "MNIST FashionMNIST KMNIST EMNIST EMNIST_Balanced EMNIST_Digits EMNIST_MNIST EMNIST_ByClass "
    "EMNIST_ByMerge USPS QMNIST Omniglot RenderedSST2 FER2013"
)
COLOUR = (
    "CIFAR10 CIFAR100 SVHN STL10 STL10_Unlabeled Flowers102 OxfordIIITPet DTD GTSRB EuroSAT PCAM "
    "StanfordCars FGVCAircraft Country211 Caltech101 LFWPeople"
)

DATASETS = """
datasets:
  Birds: {kind: folder, classes: 2}
  Trees: {kind: folder, classes: 3, source: woods}
sources:
  woods: {download_mb: 1, extracted_mb: 2}
"""
CONFIGURATIONS = """
configurations:
  plain: {architecture: ResNet18, learning_rate: 0.01}
"""
GOOD = DATASETS + CONFIGURATIONS


def load(
    files: list[str],
    overriding: list[str] | None = None,
    command_line: dict[str, Any] | None = None,
) -> Run:
    """Merge and load as Snakemake does: `configfile:` files, then --configfile, then --config."""
    overwrite: dict[str, Any] = {}
    for file in overriding or []:
        update_config(overwrite, load_configfile(file))
    update_config(overwrite, command_line or {})
    merged = copy.deepcopy(overwrite)
    for file in files:
        update_config(merged, load_configfile(file))
        update_config(merged, overwrite)
    return load_run(merged, [*files, *(overriding or [])], declare)


def load_texts(folder: Path, *texts: str, **command_line: Any) -> Run:
    """Load texts as files first.yaml and second.yaml, the second by --configfile; and the shipped
    backbones.
    """
    files = [folder / name for name in ("first.yaml", "second.yaml")[: len(texts)]]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    first, *others = map(str, files)
    return load([str(CONFIG / "backbones.yaml"), first], others, command_line)


def complaints(folder: Path, *texts: str, **command_line: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_texts(folder, *texts, **command_line)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def hyperparameters(folder: Path, text: str) -> dict[str, Any]:
    """The one configuration whose keys are given as flow YAML."""
    run = load_texts(folder, f"{DATASETS}\nconfigurations:\n  one: {{{text}}}\n")
    return run.configurations["one"].parameters()


def test_shipped_files_are_the_protocol() -> None:
    """A task misspelt, forgotten or out of order; a hyperparameter that is not the table's."""
    run = load(SHIPPED)
    assert list(run.datasets) == f"{GREY} {COLOUR}".split()
    assert [
        name for name, entry in run.datasets.items() if entry.transform == "grey"
    ] == GREY.split()
    expected = {
        "resnet18-plain": ("ResNet18", 0.01, 0.0, 0.0, 0.0),
        "resnet18-regularized": ("ResNet18", 0.001, 0.1, 0.1, 1.0),
        "efficientnetb0-plain": ("EfficientNetB0", 0.01, 0.2, 0.0, 0.0),
        "efficientnetb0-regularized": ("EfficientNetB0", 0.001, 0.2, 0.1, 1.0),
        "mobilenetv2-plain": ("MobileNetV2", 0.01, 0.0, 0.0, 0.0),
        "mobilenetv2-regularized": ("MobileNetV2", 0.001, 0.1, 0.1, 1.0),
    }
    assert list(run.configurations) == list(expected)
    names = ("architecture", "learning_rate", "dropout_rate", "label_smoothing", "grad_clip")
    common = {"alpha": 1.0, "batch_size": 64, "epochs": 3, "momentum": 0.0, "optimizer": "Adam"}
    for name, values in expected.items():
        complete = common | {"weight_decay": 0.0001} | dict(zip(names, values, strict=True))
        assert run.configurations[name].parameters() == complete
    assert (run.settings.train_images, run.settings.test_images) == (5000, 1000)
    assert run.settings.sampling == "random"
    assert run.settings.weights == "imagenet"


def test_demo_overrides_what_is_shipped() -> None:
    """A later file that replaces the earlier ones instead of updating them."""
    run = load(SHIPPED, [DEMO])
    assert list(run.datasets) == ["Digits", "GeneratedShapes", "GeneratedGratings"]
    assert run.sources == {}
    assert len(run.configurations) == 6
    assert {entry.epochs for entry in run.configurations.values()} == {20}
    assert run.settings.weights == "random"
    assert run.settings.seed == 0


def test_defaults_are_filled(tmp_path: Path) -> None:
    """A step that meets an absent key."""
    run = load_texts(tmp_path, GOOD)
    assert run.settings == Settings(seed=0, epochs=3, data="data", device="auto")
    assert run.datasets["Birds"].transform == "colour"
    assert run.datasets["Birds"].partial is False
    assert run.configurations["plain"].optimizer == "Adam"
    assert run.configurations["plain"].batch_size == 64
    assert run.configurations["plain"].epochs == 3
    run = load_texts(tmp_path, GOOD, "datasets: {Birds: {split: {rule: random}}}\n")
    assert run.datasets["Birds"].split == Split(rule="random", test_fraction=0.2)


def test_defaults_are_seen_by_the_scripts(tmp_path: Path) -> None:
    """Defaults filled in a copy, while scripts read `snakemake.config`."""
    file = tmp_path / "config.yaml"
    file.write_text(GOOD)
    config = load_configfile(file) | BACKBONES
    load_run(config, [str(file)])
    assert config["data"] == "data"
    assert config["datasets"]["Trees"]["transform"] == "colour"


def test_only_selects_in_its_order(tmp_path: Path) -> None:
    """A selection that is ignored, or that keeps sources nobody needs."""
    other = "\n  other: {architecture: MobileNetV2, learning_rate: 1, epochs: 7}\n"
    only = "only_datasets: [Trees, Birds]\nonly_configurations: [other, plain]\n"
    run = load_texts(tmp_path, GOOD + other + only)
    assert list(run.datasets) == ["Trees", "Birds"]
    assert list(run.configurations) == ["other", "plain"]
    assert [entry.epochs for entry in run.configurations.values()] == [7, 3]
    assert list(run.sources) == ["woods"]
    assert load_texts(tmp_path, GOOD + "only_datasets: [Birds]\n").sources == {}


def test_order_is_that_of_the_declarations(tmp_path: Path) -> None:
    """An override of one value by --configfile or --config that moves rows to the top."""
    extra = "  second: {architecture: ResNet18, learning_rate: 0.1}\n"
    override = "datasets: {Trees: {note: tall}, New: {kind: folder, classes: 2}}\n"
    run = load_texts(
        tmp_path, GOOD + extra, override, configurations={"second": {"learning_rate": 0.5}}
    )
    assert list(run.datasets) == ["Birds", "Trees", "New"]
    assert list(run.configurations) == ["plain", "second"]
    assert run.configurations["second"].learning_rate == 0.5


def test_replaced_files_do_not_count(tmp_path: Path) -> None:
    """A traceback under --replace-workflow-config, where the first files are named but not used."""
    for name in ("Old", "New"):
        text = GOOD.replace("Birds", name).replace("plain", name)
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in ("Old", "New")]
    run = load_run(load_configfile(files[1]) | BACKBONES, files)
    assert set(run.datasets) == {"New", "Trees"}
    assert list(run.configurations) == ["New"]


@pytest.mark.parametrize(
    "other",
    [
        "learning_rate: 0.01, architecture: ResNet18",
        "architecture: ResNet18, learning_rate: 0.010, batch_size: 64.0, epochs: 3.0",
        "architecture: ResNet18, learning_rate: 0.01, momentum: 0, dropout_rate: 0.0, grad_clip: 0",
        "alpha: 1, optimizer: Adam, weight_decay: 0, architecture: ResNet18, learning_rate: 0.01",
    ],
    ids=["key order", "64 or 64.0", "absent or 0", "defaults written out"],
)
def test_spellings_of_one_configuration_are_equal(tmp_path: Path, other: str) -> None:
    """Two spellings whose `params` differ, so that Snakemake reruns for nothing."""
    first = hyperparameters(tmp_path, "architecture: ResNet18, learning_rate: 0.01")
    second = hyperparameters(tmp_path, other)
    assert first == second
    assert repr(first) == repr(second)


def test_integers_are_integers_however_written(tmp_path: Path) -> None:
    """`train_images: 5.0e+3` passing the schema and failing, or drawing otherwise, in a job."""
    written = "seed: 0.0\ntrain_images: 5.0e+3\n"
    assert repr(load_texts(tmp_path, GOOD + written).settings) == repr(
        load_texts(tmp_path, GOOD + "seed: 0\ntrain_images: 5000\n").settings
    )
    run = load_texts(tmp_path, GOOD.replace("classes: 2", "classes: 2.0"))
    assert repr(run.datasets["Birds"].classes) == "2"


CONFIGURATION_MISTAKES = {
    "learning_rate: 1e-2": ("learning_rate", "'1e-2'", "is a text; write 0.01"),
    "learning_rate: 0": ("learning_rate", "0", "more than 0"),
    "learning_rate: .inf": ("learning_rate", "inf", "finite"),
    "learning_rate: .nan": ("learning_rate", "nan", "finite"),
    "architecture: ResNet50": (
        "architecture",
        "'ResNet50'",
        "is not declared in backbones; did you mean ResNet18?",
    ),
    "alpha: 0.5": ("alpha", "0.5", "1.0, as no pretrained weights"),
    "batch_size: 0": ("batch_size", "0", "1 or more"),
    "batch_size: 6.5": ("batch_size", "6.5", "integer"),
    "dropout_rate: 1.5": ("dropout_rate", "1.5", "less than 1"),
    "label_smoothing: 1": ("label_smoothing", "1", "less than 1"),
    "grad_clip: -1": ("grad_clip", "-1", "0 or more"),
    "optimizer: adam": ("optimizer", "'adam'", "Adam or AdamW or SGD or RMSprop or Adagrad"),
    "momentum: 0.9": ("momentum", "0.9", "only with SGD or RMSprop"),
    "epochs: true": ("epochs", "True", "integer"),
}


@pytest.mark.parametrize("mistake", CONFIGURATION_MISTAKES)
def test_impossible_hyperparameter_is_one_line(tmp_path: Path, mistake: str) -> None:
    """A line without the file, the path, the value or what is allowed; or a second line."""
    key, value, allowed = CONFIGURATION_MISTAKES[mistake]
    entry = {"architecture": "architecture: ResNet18", "learning_rate": "learning_rate: 0.01"}
    entry[key] = mistake
    text = f"{DATASETS}\nconfigurations:\n  one: {{{', '.join(entry.values())}}}\n"
    (line,) = complaints(tmp_path, text)
    assert line.startswith(f"first.yaml: configurations/one/{key}: {value} ")
    assert allowed in line


SETTING_MISTAKES = {
    "only_datasets: [Birds, Birds]": ("only_datasets: ['Birds', 'Birds'] ", "each item once"),
    "only_datasets: [Birds, Bird]": ("only_datasets: 'Bird' ", "did you mean Birds?"),
    "only_datasets: []": ("only_datasets: [] ", "at least 1 item"),
    "only_configurations: [plane]": ("only_configurations: 'plane' ", "did you mean plain?"),
    "epoch: 3": ("epoch: unknown key", "did you mean epochs? allowed: backbones, "),
    "sampling: stratify": ("sampling: 'stratify' ", "random or stratified"),
    "seed: -1": ("seed: -1 ", "0 or more"),
    "replicates: 0": ("replicates: 0 ", "1 or more"),
    "train_images: many": ("train_images: 'many' ", "integer"),
    "data: 7": ("data: 7 ", "a text"),
}


@pytest.mark.parametrize("mistake", SETTING_MISTAKES)
def test_impossible_setting_is_one_line(tmp_path: Path, mistake: str) -> None:
    """A mistake in config.yaml that is accepted, or told without its place."""
    start, end = SETTING_MISTAKES[mistake]
    (line,) = complaints(tmp_path, f"{GOOD}\n{mistake}\n")
    assert line.startswith(f"first.yaml: {start}")
    assert end in line


DATASET_MISTAKES = {
    "kind: folder, classes: 2, source: wood": ("/source", "'wood' is not declared in sources"),
    "kind: folders, classes: 2": ("/kind", "'folders' is not allowed"),
    "kind: folder, classes: 1": ("/classes", "1 is not allowed; allowed: 2 or more"),
    "kind: folder": ("/classes", "is missing"),
    "kind: folder, classes: 2, transfrom: grey": ("/transfrom", "did you mean transform"),
    "kind: embedded, classes: 2": ("/class", "is missing"),
    "kind: torchvision, class: MNIST, classes: 2": ("", "train and test, or pool"),
    "kind: torchvision, class: MNIST, classes: 2, train: {}": ("", "both train and test"),
    "kind: folder, classes: 2, split: {rule: random, test_fraction: 1}": (
        "/split/test_fraction",
        "1 is not allowed; allowed: less than 1",
    ),
    "kind: folder, classes: 2, split: {rule: random, test_fraction: .nan}": (
        "/split/test_fraction",
        "nan is not allowed",
    ),
}


@pytest.mark.parametrize("entry", DATASET_MISTAKES)
def test_impossible_data_set_is_one_line(tmp_path: Path, entry: str) -> None:
    """A data set that fails only in its job."""
    where, text = DATASET_MISTAKES[entry]
    (line,) = complaints(tmp_path, f"datasets:\n  Birds: {{{entry}}}\n{CONFIGURATIONS}")
    assert line.startswith(f"first.yaml: datasets/Birds{where}: ")
    assert text in line


@pytest.mark.parametrize("name", ["res/net", "-dash", "a.b", "1", "on", '""'])
@pytest.mark.parametrize("section", ["datasets", "configurations"])
def test_impossible_id_is_one_line(tmp_path: Path, section: str, name: str) -> None:
    """An id that breaks a path or a wildcard; 1 and on are no texts in YAML."""
    new = {
        "datasets": "{kind: folder, classes: 2}",
        "configurations": "{architecture: ResNet18, learning_rate: 1}",
    }
    head = f"{section}:\n"
    (line,) = complaints(tmp_path, GOOD.replace(head, f"{head}  {name}: {new[section]}\n"))
    assert line.startswith(f"first.yaml: {section}/")
    assert "not an id" in line


def test_empty_sections_are_told(tmp_path: Path) -> None:
    """A run of nothing that ends well."""
    (line,) = complaints(tmp_path, f"{DATASETS}\nconfigurations: {{}}\n")
    assert line == "first.yaml: configurations: {} is not allowed; allowed: at least 1 entry"
    (line,) = complaints(tmp_path, f"{DATASETS}\nconfigurations:\n")
    assert line.startswith("first.yaml: configurations: None is not allowed; allowed: ")
    (line,) = complaints(tmp_path, DATASETS)
    assert line.endswith("configurations: is missing")


def test_every_mistake_has_its_own_line(tmp_path: Path) -> None:
    """Only the first of several mistakes told, so that a user mends them one run at a time."""
    text = DATASETS + "configurations: {one: {}, two: {learningrate: 1, droput_rate: 2}}\n"
    lines = complaints(tmp_path, text)
    assert {line.split(": ")[1] for line in lines} == {
        "configurations/one/architecture",
        "configurations/one/learning_rate",
        "configurations/two/architecture",
        "configurations/two/learning_rate",
        "configurations/two/learningrate",
        "configurations/two/droput_rate",
    }
    assert len(lines) == 6


def test_key_listed_twice_is_told_with_its_line(tmp_path: Path) -> None:
    """A data set pasted twice, of which YAML silently keeps the second."""
    text = GOOD.replace("  Trees:", "  Birds: {kind: folder, classes: 9}\n  Trees:")
    (line,) = complaints(tmp_path, text)
    assert line.startswith("first.yaml: ")
    assert "line 4" in line
    assert "'Birds' is listed twice" in line
    (line,) = complaints(tmp_path, GOOD, "seed: 1\nseed: 2\n")
    assert line.startswith("second.yaml: line 2: 'seed' is listed twice")


def test_broken_yaml_is_one_line(tmp_path: Path) -> None:
    """A traceback of the YAML parser."""
    file = tmp_path / "broken.yaml"
    file.write_text("a: [1, 2\nb: 3\n")
    with pytest.raises(UserError, match=r"broken\.yaml: [^\n]+line 2[^\n]*$"):
        read_strictly(file)


def test_the_file_that_has_the_last_word_is_blamed(tmp_path: Path) -> None:
    """A user sent to the shipped file for a value of their own."""
    bad = "configurations: {plain: {dropout_rate: 1.5}}\n"
    (line,) = complaints(tmp_path, GOOD + "epochs: 5\n", bad)
    assert line.startswith("second.yaml: configurations/plain/dropout_rate: 1.5 ")
    good = "configurations: {plain: {dropout_rate: 0.5}}\nepochs: 5\n"
    (line,) = complaints(tmp_path, GOOD + "seed: -1\n", good)
    assert line.startswith("first.yaml: seed: -1 ")
    (line,) = complaints(tmp_path, GOOD + "epochs: 0\n", "epochs: -1\n")
    assert line.startswith("second.yaml: epochs: -1 ")
    (line,) = complaints(tmp_path, GOOD + "epochs: 0\n", "epochs: 0\n")
    assert line.startswith("second.yaml: epochs: 0 ")


def test_the_command_line_is_blamed_for_its_values(tmp_path: Path) -> None:
    """A file blamed for what --config said."""
    (line,) = complaints(tmp_path, GOOD + "epochs: 3\n", epochs=0)
    assert line.startswith("--config: epochs: 0 ")
    (line,) = complaints(tmp_path, GOOD, epoch=3)
    assert line.startswith("--config: epoch: unknown key; did you mean epochs")
    (line,) = complaints(tmp_path, GOOD, configurations={"plain": {"learning_rate": "fast"}})
    assert line.startswith("--config: configurations/plain/learning_rate: 'fast' ")
    (line,) = complaints(tmp_path, GOOD, configurations={"new": {"learning_rate": 0.1}})
    assert line.startswith("--config: configurations/new/architecture: is missing")


@pytest.mark.parametrize(
    ("entry", "end"),
    [
        ("kind: folder, classes: 2, labels: targets", "means nothing to kind folder"),
        ("kind: folder, classes: 2, pretext: rotation", "means nothing to kind folder"),
        ("kind: folder, classes: 2, train: {a: 1}", "allowed: a text"),
        ("kind: torchvision, class: MNIST, classes: 2, train: a, test: {}", "arguments of the"),
        ("kind: embedded, classes: 2, class: foo", "handwritten_digits"),
    ],
)
def test_key_of_another_kind_is_one_line(tmp_path: Path, entry: str, end: str) -> None:
    """A key that is silently ignored, or a traceback inside a job hours later."""
    (line,) = complaints(tmp_path, f"datasets:\n  Birds: {{{entry}}}\n{CONFIGURATIONS}")
    assert line.startswith("first.yaml: datasets/Birds/")
    assert end in line


def class_folder(folder: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number}.png").touch()
    return folder


def test_new_data_set_is_found_by_scripts_but_is_in_no_table(tmp_path: Path) -> None:
    """A recommendation that adds a row to the table it is made from."""
    root = class_folder(tmp_path / "My fishes", pike=12, carp=12)
    config = {"new_dataset": str(root), "only_datasets": ["Birds"]}
    run = load_texts(tmp_path, GOOD, **config)
    assert list(run.datasets) == ["Birds"]
    assert list(run.new) == ["My_fishes"]
    assert run.new["My_fishes"].transform == "colour"
    assert run.new["My_fishes"].classes == 2
    assert load_texts(tmp_path, GOOD).new == {}
    merged = load_configfile(str(tmp_path / "first.yaml")) | {"new_dataset": str(root)}
    merged |= BACKBONES
    load_run(merged, [str(tmp_path / "first.yaml")], declare)
    assert merged["datasets"]["My_fishes"]["path"] == str(root)


def test_new_data_set_of_a_taken_name_is_one_line(tmp_path: Path) -> None:
    """Results of a task overwritten by another data set of that name."""
    root = class_folder(tmp_path / "Trees", oak=12, elm=12)
    assert complaints(tmp_path, GOOD, new_dataset=str(root)) == [
        "--config: new_dataset: Trees is the id of a declared data set, Trees: rename the folder"
    ]


def test_unknown_path_variable_is_refused(tmp_path: Path) -> None:
    """Results written to the default place because of a slip in `pathvars`."""
    (line,) = complaints(tmp_path, f"{GOOD}\npathvars: {{resluts: out}}\n")
    assert "pathvars/resluts: unknown key; did you mean results?" in line


GRID = "grid: {architecture: [ResNet18], learning_rate: [0.01]}\n"


def test_shipped_grid_is_complete(tmp_path) -> None:
    """A grid whose numbers change type with the way they are written, or that lacks a default."""
    run = load(SHIPPED, command_line={"grid": {"weight_decay": [0, 1], "batch_size": [8.0]}})
    assert run.grid.architecture == ["ResNet18", "EfficientNetB0", "MobileNetV2"]
    assert [repr(value) for value in run.grid.weight_decay] == ["0.0", "1.0"]
    assert [repr(value) for value in run.grid.batch_size] == ["8"]
    assert run.grid.dropout_rate == run.grid.label_smoothing == run.grid.grad_clip == [0.0]
    assert (run.grid.epochs, run.grid.replicates, run.grid.validation_folds) == ([3], 1, 0)
    short = load_texts(tmp_path, GOOD, GRID, epochs=7).grid
    assert (short.optimizer, short.batch_size, short.epochs) == (["Adam"], [64], [7])


def test_a_run_without_a_grid_has_none(tmp_path) -> None:
    """A section that everybody must write."""
    assert load_texts(tmp_path, GOOD).grid is None


@pytest.mark.parametrize(
    ("grid", "complaint"),
    [
        ("{learning_rate: [0.1]}", "grid/architecture: is missing"),
        (
            "{learning_rates: [0.1]}",
            "grid/learning_rates: unknown key; did you mean learning_rate?",
        ),
        ("{learning_rate: 0.1}", "grid/learning_rate: 0.1 is not allowed; allowed: a list"),
        ("{learning_rate: []}", "grid/learning_rate: [] is not allowed; allowed: at least 1 item"),
        (
            "{learning_rate: [0.1, 0]}",
            "grid/learning_rate/1: 0 is not allowed; allowed: more than 0",
        ),
        ("{learning_rate: [1e-2]}", "grid/learning_rate/0: '1e-2' is a text; write 0.01"),
        ("{learning_rate: [.inf]}", "grid/learning_rate/0: inf is not allowed; allowed: finite"),
        ("{momentum: [0, 0.0]}", "grid/momentum: [0, 0.0] is not allowed; allowed: each item once"),
        ("{optimizer: [AdaGrad]}", "grid/optimizer/0: 'AdaGrad' is not allowed; allowed: Adam or"),
        ("{batch_size: [16.5]}", "grid/batch_size/0: 16.5 is not allowed; allowed: integer"),
        ("{validation_folds: 3}", "grid/validation_folds: 3 is not allowed; allowed: 0 or 5"),
        ("{replicates: 0}", "grid/replicates: 0 is not allowed; allowed: 1 or more"),
        (
            "{architecture: [ResNet18], learning_rate: [0.1], optimizer: [Adam, Adagrad], momentum: [0.0, 0.9]}",
            "grid/momentum: [0.0, 0.9] means nothing to Adam and Adagrad; allowed: only with SGD or",
        ),
    ],
)
def test_each_mistake_in_a_grid_names_file_key_and_value(tmp_path, grid, complaint) -> None:
    """A mistake that is found after the backbones have run, or said of another file."""
    with pytest.raises(UserError) as raised:
        load_texts(tmp_path, GOOD, f"grid: {grid}\n")
    lines = str(raised.value).splitlines()
    assert any(line.startswith(f"{tmp_path / 'second.yaml'}: {complaint}") for line in lines), lines
