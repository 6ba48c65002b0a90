"""The typed objects of the configuration: what follows from their fields, and whatever is written."""

import copy
import json
from typing import Any, get_args

import pytest
from checkouts import ROOT
from hypothesis import given
from hypothesis import strategies as st
from metaprobe.config import configurations
from metaprobe.config.configurations import Configuration, Grid
from metaprobe.config.datasets import Entry, parse_entry
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly
from metaprobe.config.settings import Settings
from metaprobe.config.sources import Source
from metaprobe.core.errors import UserError
from pydantic import ValidationError

from tools.pages import description

SHIPPED = [
    read_strictly(ROOT / f"config/{name}.yaml") for name in ("datasets", "datasets-extended")
]
ENTRIES = {name: entry for content in SHIPPED for name, entry in content["datasets"].items()}
SOURCES = {name: source for content in SHIPPED for name, source in content["sources"].items()}
WHOLE: dict[str, Any] = {
    "seed": 1,
    "data": "data",
    "pathvars": {"results": "results"},
    "only_datasets": ["Birds"],
    "datasets": {
        "Birds": {"kind": "folder", "classes": 2, "split": {"rule": "random"}, "source": "woods"},
        "Digits": {"kind": "torchvision", "class": "MNIST", "classes": 2, "pool": {"train": True}},
    },
    "sources": {
        "woods": {
            "download_mb": 1,
            "extracted_mb": 2.5,
            "files": [{"name": "a", "urls": ["https://b"], "bytes": 3}],
            "nested": [{"archive": "*", "extract_to": "c"}],
            "provides": {"*.png": 2},
        }
    },
    "backbones": {
        "ResNet18": {"library": "torchvision", "model": "resnet18", "preprocessing": "protocol"},
        "ViT": {"library": "timm", "model": "vit_tiny_patch16_224", "pooling": "both"},
        "Own": {"library": "file", "of": "timm", "model": "a", "file": "b", "rename": {"c": "d"}},
    },
    "described_by": ["ResNet18"],
    "configurations": {"plain": {"architecture": "ResNet18", "learning_rate": 0.1}},
    "grid": {"architecture": ["ResNet18"], "learning_rate": [0.1], "momentum": [0]},
}
rates = st.floats(0, 1, exclude_max=True)
VALUES = st.fixed_dictionaries(
    {
        "architecture": st.sampled_from(["ResNet18", "MobileNetV2"]),
        "learning_rate": st.floats(1e-9, 10),
    },
    optional={
        "optimizer": st.sampled_from(["SGD", "RMSprop"]),
        "batch_size": st.integers(1, 10**6) | st.integers(1, 10**6).map(float),
        "weight_decay": st.floats(0, 10) | st.integers(0, 3),
        "dropout_rate": rates,
        "label_smoothing": rates,
        "grad_clip": st.floats(0, 10),
        "epochs": st.integers(1, 100),
        "alpha": st.sampled_from([1, 1.0]),
    },
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


def test_columns_are_those_of_the_table() -> None:
    """A field at another place, which moves the columns of a published table."""
    expected = "task_id architecture learning_rate optimizer batch_size weight_decay momentum"
    expected += " dropout_rate alpha label_smoothing grad_clip test_accuracy train_accuracy"
    expected += " test_loss training_time_sec epochs"
    assert list(configurations.TARGET_COLUMNS) == expected.split()
    blank = ("learning_rate", "weight_decay", "momentum", "dropout_rate", "label_smoothing")
    assert (*blank, "grad_clip") == configurations.BLANK_WHEN_ZERO
    steps = ["schedule", "warmup_epochs", "patience", "min_delta", "monitor"]
    table = [n for n in expected.split()[1:11] if n != "alpha"]
    assert [*configurations.IN_GRID] == [*table, "epochs", *steps]


def test_every_key_is_explained() -> None:
    """A key with an empty cell in the manual."""
    kinds = [type(parse_entry(entry)) for entry in ENTRIES.values()]
    for model in (Settings, Configuration, Grid, Entry, Source, *kinds):
        for name in model.fields():
            assert description(model, name) or name == "kind", (model, name)


@given(VALUES)
def test_parameters_are_the_whole_configuration(values: dict[str, Any]) -> None:
    """A hyperparameter lost, or changed, on the way from a rule to its script."""
    one = Configuration.model_validate(values)
    parameters = one.parameters()
    table = [n for n in configurations.HYPERPARAMETERS if n not in configurations.RECIPE_DEFAULTS]
    assert list(parameters) == sorted(table)
    assert values.items() <= parameters.items()
    assert Configuration.model_validate(json.loads(json.dumps(parameters))) == one
    for name in table:
        assert type(parameters[name]) is configurations.TYPES[name]


@pytest.mark.parametrize("task", ENTRIES)
def test_entries_come_back_from_their_parameters(task: str) -> None:
    """An entry that a script reads otherwise than the run."""
    entry = parse_entry(ENTRIES[task])
    assert parse_entry(json.loads(json.dumps(entry.parameters()))) == entry
    assert ENTRIES[task].keys() <= entry.parameters().keys()


@pytest.mark.parametrize("name", SOURCES)
def test_sources_come_back_from_their_parameters(name: str) -> None:
    """A source that the download reads otherwise than the run."""
    source = Source.model_validate(SOURCES[name])
    assert Source.model_validate(json.loads(json.dumps(source.parameters()))) == source


@given(st.sampled_from(["SGD", "RMSprop", "Adam", "AdamW", "Adagrad"]), st.sampled_from([0, 0.9]))
def test_momentum_is_only_for_those_that_have_it(optimizer: str, momentum: float) -> None:
    """A momentum that a table shows and no head had."""
    values = {"architecture": "ResNet18", "learning_rate": 0.1, "momentum": momentum}
    if momentum and optimizer.startswith("Ada"):
        with pytest.raises(ValidationError, match="only with SGD or RMSprop"):
            Configuration.model_validate(values | {"optimizer": optimizer})
    else:
        assert Configuration.model_validate(values | {"optimizer": optimizer})


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value, at any depth."""
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


@given(st.sampled_from(places(WHOLE)[1:]), ANYTHING, st.text(max_size=5))
def test_whatever_is_written_is_accepted_or_explained(
    place: tuple[Any, ...], value: Any, key: str
) -> None:
    """A traceback for a value, or a new key, that nobody thought of."""
    config = copy.deepcopy(WHOLE)
    parent = config
    for step in place[:-1]:
        parent = parent[step]
    if key and isinstance(parent, dict):
        parent[key] = value
    else:
        parent[place[-1]] = value
    try:
        run = load_run(config, [])
    except UserError as error:
        assert str(error)
    else:
        again = copy.deepcopy(config)
        assert load_run(config, []) == run
        assert config == again


def test_run_is_typed_throughout() -> None:
    """A mapping that a typed reader cannot be given."""
    run = load_run(copy.deepcopy(WHOLE), [])
    assert (run.settings.seed, run.datasets["Birds"].kind) == (1, "folder")
    assert run.configurations["plain"].learning_rate == 0.1
    assert run.grid is not None and run.grid.values()["epochs"] == [run.settings.epochs]
    assert set(get_args(Settings.model_fields["weights"].annotation)) == {"imagenet", "random"}
