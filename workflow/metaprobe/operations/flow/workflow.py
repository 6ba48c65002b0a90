"""A run as the rules, the questions and the handlers see it: its files, and what they must say."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.config.datasets import Derived, Entry, HuggingFace
from metaprobe.config.load import Run, load_run
from metaprobe.config.model import plain
from metaprobe.config.parts import VALIDATION, Parts, cached_parts, cut_of, parts_of
from metaprobe.core.errors import UserError
from metaprobe.data.new_dataset import declare
from metaprobe.data.trees import tree_of
from metaprobe.features.batchnorm import has_expectation

FOR_PEOPLE = ("licence", "note")
NOT_READ = ("family", "images", "licence", "note", "sampling", "source", "transform")
Experiment = tuple[str, str]


def _any_of(names: Iterable[str]) -> str:
    """Return a pattern of these names, of nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


@dataclass(frozen=True)
class Workflow:
    """A validated run and its folders.

    Names of files are patterns of `config/layout.py` with `<results>` and `<logs>` in them, which
    Snakemake replaces; `path` does so elsewhere.
    """

    run: Run
    results: Path
    logs: Path

    @property
    def data(self) -> Path:
        """The folder of the data sets."""
        return Path(self.run.settings.data).expanduser()

    @cached_property
    def used(self) -> dict[str, Entry]:
        """The entries of the data sets of the tables, and of those that they are derived from."""
        return self.run.datasets | self.run.parents

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The entries of all data sets, the new one among them; derived ones after the others."""
        everything = self.used | self.run.new
        return dict(sorted(everything.items(), key=lambda item: isinstance(item[1], Derived)))

    @property
    def new(self) -> str | None:
        """The data set that a configuration is to be recommended for."""
        return next(iter(self.run.new), None)

    @cached_property
    def experiments(self) -> list[Experiment]:
        """All pairs of a data set and a configuration, in the order of the table."""
        return [
            (task_id, name) for task_id in self.run.datasets for name in self.run.configurations
        ]

    @cached_property
    def hyperparameters(self) -> dict[str, dict[str, Any]]:
        """The hyperparameters of each configuration."""
        return plain(self.run.configurations)

    @cached_property
    def architectures(self) -> list[str]:
        """The backbones that the configurations use, as they are declared."""
        used = {configuration.architecture for configuration in self.run.configurations.values()}
        return [name for name in self.run.backbones if name in used]

    @cached_property
    def described_by(self) -> list[str]:
        """The backbones whose features describe a data set."""
        return self.run.settings.described_by

    @cached_property
    def extracted(self) -> list[str]:
        """The backbones that the run computes features of."""
        swept = self.run.grid.values()["architecture"] if self.run.grid else []
        used = {*self.architectures, *self.described_by, *swept}
        return [name for name in self.run.backbones if name in used]

    @cached_property
    def expecting(self) -> list[str]:
        """Those of them that describe, of which it is known what their features were in training."""
        return [name for name in self.described_by if has_expectation(self.run.backbones[name])]

    @property
    def sizes(self) -> dict[str, int]:
        """Images of a subset, at most, of each part."""
        return {"train": self.run.settings.train_images, "test": self.run.settings.test_images}

    def path(self, pattern: str) -> Path:
        """Return where a file lies."""
        for name, folder in {"<results>": self.results, "<logs>": self.logs}.items():
            pattern = pattern.replace(name, str(folder))
        return Path(pattern)

    def of_experiments(self, pattern: str) -> list[str]:
        """Return the file of each experiment."""
        return [pattern.format(dataset=task, configuration=name) for task, name in self.experiments]

    def of_datasets(self, pattern: str) -> list[str]:
        """Return the file of each data set of the tables."""
        return [pattern.format(dataset=task_id) for task_id in self.run.datasets]

    def of_backbones(self, pattern: str) -> list[str]:
        """Return the file of each data set of the tables and each backbone of the configurations."""
        return [
            pattern.format(dataset=task_id, architecture=name)
            for task_id in self.run.datasets
            for name in self.architectures
        ]

    def describing(self, task_id: str) -> list[str]:
        """Return the features that a data set is described by."""
        names = self.described_by
        return [layout.FEATURES.format(dataset=task_id, architecture=name) for name in names]

    def features_of(self, dataset: str, configuration: str) -> str:
        """Return the features that an experiment trains on."""
        architecture = self.run.configurations[configuration].architecture
        return layout.FEATURES.format(dataset=dataset, architecture=architecture)

    def trained_on(self, dataset: str, configuration: str) -> list[str]:
        """Return all features that the head of an experiment is trained and measured on."""
        parts = self.parts_of(dataset, configuration)
        return [self.features_of(dataset, configuration), *parts.validation, *parts.views]

    def swept_on(self, dataset: str, architecture: str) -> list[str]:
        """Return the same of a sweep."""
        features = layout.FEATURES.format(dataset=dataset, architecture=architecture)
        return [features, *self.validation_of_grid(dataset, architecture)]

    def described_from(self, dataset: str) -> list[str]:
        """Return what a data set is described from, beside its subset."""
        return [layout.PICTURES.format(dataset=dataset), *self.describing(dataset)]

    def parts_of(self, dataset: str, configuration: str) -> Parts:
        """Return the features of validation images and of augmented views that an experiment has."""
        one = self.run.configurations[configuration]
        names = parts_of(one)

        def files(chosen: Iterable[str]) -> list[str]:
            return [
                layout.PART.format(dataset=dataset, architecture=one.architecture, part=part)
                for part in chosen
            ]

        return Parts(files(names.validation), files(names.views))

    def parts_named(self, configuration: str) -> list[tuple[str, str]]:
        """Return architecture and name of each of these parts."""
        one = self.run.configurations[configuration]
        names = parts_of(one)
        return [(one.architecture, part) for part in (*names.validation, *names.views)]

    @cached_property
    def parts(self) -> list[tuple[str, str]]:
        """Architecture and name of each part that an experiment, or the grid, needs, each once."""
        named = [part for name in self.run.configurations for part in self.parts_named(name)]
        if self.run.grid and self.run.grid.validation_images:
            part = f"{VALIDATION}-{self.run.grid.validation_images}"
            named += [(name, part) for name in self.run.grid.values()["architecture"]]
        return list(dict.fromkeys(named))

    def validation_of(self, dataset: str, configuration: str) -> list[str]:
        """Return the draw of an experiment's validation images; none if it has none."""
        names = parts_of(self.run.configurations[configuration]).validation
        return [file for part in names for file in self.drawn_for(dataset, part)]

    def architecture_of(self, dataset: str, configuration: str) -> str:
        """Return the backbone of an experiment."""
        return self.run.configurations[configuration].architecture

    def origin_of(self, dataset: str) -> str:
        """Return the data set that one is derived from; itself, if it is not derived."""
        entry = self.entries[dataset]
        return entry.of if isinstance(entry, Derived) else dataset

    @property
    def derived_pattern(self) -> str:
        """A pattern of the data sets that are derived from others."""
        return _any_of(k for k, one in self.entries.items() if isinstance(one, Derived))

    @property
    def opened_pattern(self) -> str:
        """A pattern of those whose pictures are read."""
        return _any_of(k for k, one in self.entries.items() if not isinstance(one, Derived))

    @property
    def tuned_pattern(self) -> str:
        """A pattern of the configurations that train more than the head."""
        return _any_of(k for k, one in self.run.configurations.items() if one.trainable != "head")

    @property
    def untuned_pattern(self) -> str:
        """A pattern of the others."""
        return _any_of(k for k, one in self.run.configurations.items() if one.trainable == "head")

    def activations_of(self, dataset: str, configuration: str) -> list[str]:
        """Return the cached activations that an experiment trains on: of training and test images, and
        of its validation images and views."""
        one = self.run.configurations[configuration]
        cut = cut_of(one.trainable, one.cache_precision)
        return [
            layout.ACTIVATIONS.format(
                dataset=dataset, architecture=one.architecture, cut=cut, part=part
            )
            for part in cached_parts(one)
        ]

    def tuning_gb(self, dataset: str, configuration: str) -> int:
        """Return the memory that a tuning asks for: activations of all trained layers are kept for the
        gradient, of as many images as a batch has."""
        one = self.run.configurations[configuration]
        per_64 = {"last_block": 4, "last_2_blocks": 6}.get(one.trainable, 12)
        return max(4, -(-per_64 * one.batch_size // 64))

    def validation_of_grid(self, dataset: str, architecture: str) -> list[str]:
        """Return the features of the grid's validation images; none if it has none."""
        images = self.run.grid.validation_images if self.run.grid else 0
        part = f"{VALIDATION}-{images}"
        names = {"dataset": dataset, "architecture": architecture, "part": part}
        return [layout.PART.format(**names)] if images else []

    def drawn_for(self, dataset: str, part: str) -> list[str]:
        """Return the draw that a part's images are of; none for views of the training images."""
        kind, _, images = part.rpartition("-")
        if kind != VALIDATION:
            return []
        return [layout.VALIDATION.format(dataset=dataset, images=images)]

    def source_of(self, task_id: str) -> str | None:
        """Return what must be fetched for a data set; None for data the user has put there."""
        entry = self.entries[task_id]
        if isinstance(entry, Derived):
            return None
        brought = entry.partial or tree_of(task_id, entry, self.data)
        if isinstance(entry, HuggingFace):
            return None if brought or entry.local_folder else f"{layout.HUB}{task_id}"
        return None if brought else entry.source

    @property
    def sources(self) -> list[str]:
        """All that can be fetched: the declared sources, and each data set of the Hugging Face Hub."""
        hub = [
            f"{layout.HUB}{name}" for name, one in self.entries.items() if one.kind == "huggingface"
        ]
        return [*self.run.sources, *hub]

    def provides(self, source: str) -> dict[str, Any]:
        """Return what a source brings: its files, or a data set of the Hub, as its entry names it."""
        if source.startswith(layout.HUB):
            return self.reading(source.removeprefix(layout.HUB))
        return dict(self.run.sources[source].provides)

    def manifest(self, task_id: str) -> list[str]:
        """Return the manifest of the source of a data set; none for data the user has put there."""
        source = self.source_of(task_id)
        return [layout.SOURCE.format(source=source)] if source else []

    def receipt(self, architecture: str) -> list[str]:
        """Return the receipt of an architecture's weights; none for random ones."""
        fetched = self.run.settings.weights == "imagenet"
        return [layout.WEIGHTS.format(architecture=architecture)] if fetched else []

    def backbone(self, name: str) -> dict[str, Any]:
        """Return what of a backbone's entry decides its features, where it is not the default.

        Of a file of the user's its digest counts, not its place, as the same file may lie elsewhere on
        another machine.
        """
        one = self.run.backbones[name]
        told = one.parameters(defaults=False)
        if one.own_file is not None:
            told["file"] = one.own_file.name
        return {key: value for key, value in told.items() if key not in FOR_PEOPLE}

    def sampling_of(self, task_id: str) -> str:
        """Return how the subset of a data set is drawn."""
        return self.entries[task_id].sampling or self.run.settings.sampling

    def reading(self, task_id: str) -> dict[str, Any]:
        """Return what of a data set's entry decides which labels and pixels are read, where it is
        not the default: a key that is new reads no data set again.

        Of a path outside the data folder only the last part counts, as the same folder may lie
        elsewhere on another machine; but all of a new data set's, as two may have one name.
        """
        entry = self.entries[task_id].parameters(defaults=False)
        read = {key: value for key, value in entry.items() if key not in NOT_READ}
        outside = Path(read.get("path", "")).expanduser().is_absolute()
        if outside and task_id != self.new:
            read["path"] = Path(read["path"]).name
        return dict(sorted(read.items()))

    def alone(self) -> "Workflow":
        """Return the run of the new data set alone, as if it were the only one of the tables."""
        return replace(self, run=replace(self.run, datasets=self.run.new, new={}))

    @property
    def licences(self) -> dict[str, str]:
        """Data set -> licence, of those that name one."""
        entries = self.run.datasets.items()
        return {task_id: entry.licence for task_id, entry in entries if entry.licence is not None}


def read_workflow(
    config: dict[str, Any], files: Iterable[str], results: str | Path, logs: str | Path
) -> Workflow:
    """Return the run that the merged `config` of these files describes, and complete `config`.

    Raises:
        UserError: one line per mistake in the configuration.
    """
    run = load_run(config, files, declare)
    for name, entry in run.new.items():
        if entry.classes > run.settings.train_images:
            raise UserError(
                f"new_dataset: {name} has {entry.classes} classes, but train_images: "
                f"{run.settings.train_images} pictures are drawn to train on: set train_images to "
                "several for each class, or leave classes out"
            )
    return Workflow(run, Path(results), Path(logs))
