"""The merged configuration of a run: validated, completed with defaults, told apart by file."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metaprobe.config.backbones import Backbone
from metaprobe.config.complaints import (
    COMMAND_LINE,
    SELECTIONS,
    Keys,
    dangling,
    explain,
    line,
    shown,
)
from metaprobe.config.configurations import OF_RUN, Configuration, Grid
from metaprobe.config.datasets import Derived, Entry
from metaprobe.config.model import Model
from metaprobe.config.reading import read_strictly
from metaprobe.config.settings import SECTIONS, Files, Settings
from metaprobe.config.sources import Source
from metaprobe.core.errors import UserError

Declare = Callable[[str, Collection[str]], tuple[str, Entry]]


@dataclass(frozen=True)
class Run:
    """What is to be run: the selected entries, complete with defaults, in table order.

    `new` is the data set that a configuration is to be recommended for, and `parents` are those that
    selected ones are derived from and that are not selected themselves; both are in no table. `notes`
    is what the user may not have meant.
    """

    settings: Settings
    datasets: dict[str, Entry]
    parents: dict[str, Entry]
    new: dict[str, Entry]
    sources: dict[str, Source]
    backbones: dict[str, Backbone]
    configurations: dict[str, Configuration]
    grid: Grid | None
    notes: tuple[str, ...] = ()


def load_run(config: dict[str, Any], files: Iterable[str], declare: Declare | None = None) -> Run:
    """Validate Snakemake's merged `config` and set its absent keys to their defaults, in place.

    Args:
        files: the configuration files it was merged from, later ones overriding earlier ones.
        declare: makes the id and the entry of the setting `new_dataset`, given the ids in use.

    Raises:
        UserError: one line per mistake: file, path inside it, value, what is allowed.
    """
    contents = {file: read_strictly(file) for file in files}
    _order_as_declared(config, contents)

    def file_of(keys: Keys) -> str:
        return _file_of(keys, config, contents)

    new: dict[str, Entry] = {}
    try:
        whole = Files.model_validate(config)
    except ValidationError as error:
        found = [explain(one, file_of) for one in error.errors()]
        complaints = sorted(found, key=lambda one: [*map(str, one[0])])
    else:
        complaints = [*dangling(whole)]
        if not complaints and declare and whole.new_dataset is not None:
            try:
                new = dict([declare(whole.new_dataset, whole.datasets)])
            except UserError as error:
                complaints = [(["new_dataset"], str(error))]
    if complaints:
        lines = (line(file_of(keys), keys, text) for keys, text in complaints)
        raise UserError("\n".join(dict.fromkeys(lines)))
    notes = tuple(_hidden(whole, file_of, contents))
    whole = _complete(whole)
    config.clear()
    config.update(whole.model_copy(update={"datasets": whole.datasets | new}).parameters())
    return _select(whole, new, notes)


def check_before_snakemake(files: Iterable[str | Path]) -> None:
    """See that Snakemake's own reader, and what it does with `pathvars`, will not stumble over files.

    Raises:
        UserError: one line per mistake, as `load_run` has them.
    """
    for file in files:
        check_pathvars(str(file), read_strictly(file))


def check_pathvars(file: str, content: dict[str, Any]) -> None:
    """See that `pathvars` is what Snakemake takes.

    Raises:
        UserError: one line per mistake.
    """
    try:
        Settings.model_validate({"pathvars": content.get("pathvars") or {}})
    except ValidationError as error:
        found = [explain(one, lambda keys: file) for one in error.errors()]
        raise UserError("\n".join(line(file, *one) for one in found)) from None


def _order_as_declared(config: dict[str, Any], contents: dict[str, Any]) -> None:
    """Entries in the order of the files; Snakemake puts those of the command line first."""
    for section in SECTIONS:
        if isinstance(entries := config.get(section), dict):
            declared = [name for content in contents.values() for name in _of(section, content)]
            names = dict.fromkeys([*declared, *entries])
            config[section] = {name: entries[name] for name in names if name in entries}


def _of(section: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a file's entries of a section; none where something else stands."""
    entries = content.get(section)
    return entries if isinstance(entries, dict) else {}


def _file_of(keys: Keys, config: dict[str, Any], contents: dict[str, Any]) -> str:
    """The last file that gives the value at `keys`, or, if it is missing, the entry it belongs to."""
    missing = object()
    while keys and _at(keys, config, missing) is missing:
        keys = keys[:-1]
    value = _at(keys, config, missing)
    for file, content in reversed(contents.items()):
        found = _at(keys, content, missing)
        if isinstance(found, dict) and isinstance(value, dict):
            return file
        if found is not missing and shown(found) == shown(value):
            return file
    return COMMAND_LINE


def _at(keys: Keys, content: Any, default: Any) -> Any:
    for key in keys:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return default
    return content


def _hidden(
    whole: Files, file_of: Callable[[Keys], str], contents: dict[str, Any]
) -> Iterator[str]:
    """Yield which entries a file adds in vain, as a file before it selects others."""
    for key, section in SELECTIONS.items():
        selected, chooser = getattr(whole, key), file_of([key])
        if selected is None or chooser == COMMAND_LINE:
            continue
        files = list(contents)
        later = files.index(chooser) + 1
        known = {name for file in files[:later] for name in _of(section, contents[file])}
        for file in files[later:]:
            names = [name for name in _of(section, contents[file]) if name not in known]
            if left_out := [name for name in names if name not in selected]:
                yield (
                    f"{file}: {', '.join(left_out)} will not run, as {key} in {chooser} does not"
                    f" name it: write {key} in {file} too"
                )


def _complete(whole: Files) -> Files:
    """Hand the run's settings down to where a configuration or the grid has none of its own."""
    of_run = {name: getattr(whole, name) for name in OF_RUN}

    def handed_down(part: Model, values: dict[str, Any]) -> Any:
        absent = values.keys() - part.model_fields_set
        return part.model_copy(update={name: values[name] for name in absent})

    configurations = {k: handed_down(one, of_run) for k, one in whole.configurations.items()}
    grid = whole.grid and handed_down(whole.grid, {k: [value] for k, value in of_run.items()})
    return whole.model_copy(update={"configurations": configurations, "grid": grid})


def _select(whole: Files, new: dict[str, Entry], notes: tuple[str, ...]) -> Run:
    chosen = [*(whole.only_datasets or whole.datasets)]
    datasets = {name: _whole(whole.datasets[name], whole) for name in chosen}
    origins = [entry.of for entry in datasets.values() if isinstance(entry, Derived)]
    parents = {name: whole.datasets[name] for name in origins if name not in datasets}
    names = whole.only_configurations or whole.configurations
    used = {entry.source for entry in (*datasets.values(), *parents.values())}
    return Run(
        Settings(**{name: getattr(whole, name) for name in Settings.model_fields}),
        datasets,
        parents,
        new,
        {name: source for name, source in whole.sources.items() if name in used},
        whole.backbones,
        {name: whole.configurations[name] for name in names},
        whole.grid,
        notes,
    )


def _whole(entry: Entry, of: Files) -> Entry:
    """Return the entry of a data set with what its parent says, if it has one."""
    return entry.completed(of.datasets[entry.of]) if isinstance(entry, Derived) else entry
