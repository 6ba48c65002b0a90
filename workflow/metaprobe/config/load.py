"""The merged configuration of a run: validated, completed with defaults, told apart by file."""

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from metaprobe.config.configurations import OF_RUN, Configuration, Grid
from metaprobe.config.datasets import KINDS, AnyEntry, Entry, Source
from metaprobe.config.model import Model
from metaprobe.config.settings import Settings
from metaprobe.core.errors import UserError

SECTIONS = ("datasets", "sources", "configurations")  # id → entry
ID = r"^(?!(?i:na|nan|none|null)$)[A-Za-z0-9][A-Za-z0-9_-]*$"
Id = Annotated[str, Field(pattern=ID)]
Keys = Sequence[str | int]
Declare = Callable[[str, Collection[str]], tuple[str, Entry]]
ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "finite numbers",
    "float_type": "number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_type": "integer",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "not_allowed": "{allowed}",
    "string_pattern_mismatch": "text like {pattern}",
    "string_type": "a text",
    "union_tag_invalid": "{expected_tags}",
}


class Files(Settings):
    """All that the configuration files say, merged into one mapping by Snakemake."""

    datasets: Annotated[dict[Id, AnyEntry], Field(min_length=1)]
    sources: dict[Id, Source] = Field(default={})
    configurations: Annotated[dict[Id, Configuration], Field(min_length=1)]
    grid: Grid | None = None


@dataclass(frozen=True)
class Run:
    """What is to be run: the selected entries, complete with defaults, in table order.

    `new` is the data set that a configuration is to be recommended for; it is in no table.
    """

    settings: Settings
    datasets: dict[str, Entry]
    new: dict[str, Entry]
    sources: dict[str, Source]
    configurations: dict[str, Configuration]
    grid: Grid | None


def load_run(config: dict[str, Any], files: Iterable[str], declare: Declare | None = None) -> Run:
    """Validate Snakemake's merged `config` and set its absent keys to their defaults, in place.

    Args:
        files: the configuration files it was merged from, later ones overriding earlier ones.
        declare: makes the id and the entry of the setting `new_dataset`, given the ids in use.

    Raises:
        UserError: one line per mistake: file, path inside it, value, what is allowed.
    """
    contents = {file: read_strictly(file) or {} for file in files}
    _order_as_declared(config, contents)
    new: dict[str, Entry] = {}
    try:
        whole = Files.model_validate(config)
    except ValidationError as error:
        complaints = sorted(map(_explain, error.errors()), key=lambda one: [*map(str, one[0])])
    else:
        complaints = [*_dangling(whole)]
        if not complaints and declare and whole.new_dataset is not None:
            try:
                new = dict([declare(whole.new_dataset, whole.datasets)])
            except UserError as error:
                complaints = [(["new_dataset"], str(error))]
    if complaints:
        raise UserError(
            "\n".join(
                f"{_file_of(keys, config, contents)}: {'/'.join(map(str, keys))}: {text}"
                for keys, text in complaints
            )
        )
    whole = _complete(whole)
    config.clear()
    config.update(whole.model_copy(update={"datasets": whole.datasets | new}).parameters())
    return _select(whole, new)


def read_strictly(file: str | Path) -> Any:
    """Read YAML; unlike PyYAML alone, refuse a key that stands twice.

    Raises:
        UserError: not YAML, or a key is repeated.
    """
    try:
        return yaml.load(Path(file).read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {' '.join(str(error).split())}") from None


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key!r} is listed twice; keep one of them")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _order_as_declared(config: dict[str, Any], contents: dict[str, Any]) -> None:
    """Entries in the order of the files; Snakemake puts those of the command line first."""
    for section in SECTIONS:
        if isinstance(entries := config.get(section), dict):
            declared = [
                name for content in contents.values() for name in content.get(section) or ()
            ]
            names = dict.fromkeys([*declared, *entries])
            config[section] = {name: entries[name] for name in names if name in entries}


def _explain(error: ErrorDetails) -> tuple[Keys, str]:
    """Return where a mistake is and what it is, in words."""
    where, kind, value = error["loc"], error["type"], error["input"]
    if where[-1] == "[key]":
        quotes = "" if isinstance(value, str) else " (in quotes, as YAML reads it as another type)"
        allowed = f"letters, digits, - and _{quotes}; not NA, nan, None or null"
        return where[:-1], f"not an id; allowed: {allowed}"
    keys = [*where[:2], *where[3:]] if where[0] == "datasets" else [*where]  # without the kind
    limits = {name: _plain(limit) for name, limit in error.get("ctx", {}).items()}
    if kind.startswith("union_tag"):
        keys.append("kind")
        value = value.get("kind")
    if kind in ("missing", "union_tag_not_found"):
        return keys, "is missing"
    if kind == "contradiction":
        return keys, f"{value!r} {error['msg']}" if len(keys) > 2 or keys[0] == "grid" else error[
            "msg"
        ]
    if kind == "extra_forbidden":
        return keys, _unknown_key(where)
    if kind == "too_short":
        allowed = f"at least 1 {'entry' if isinstance(value, dict) else 'item'}"
    else:
        allowed = ALLOWED.get(kind, error["msg"]).format(**limits)
    if kind == "float_type" and _is_exponent(value):
        allowed += " (write 0.01, not 1e-2)"
    return keys, f"{value!r} is not allowed; allowed: {allowed}"


def _plain(limit: Any) -> Any:
    """Return 1 for 1.0, and `a or b or c` for pydantic's `'a', 'b' or 'c'`."""
    if isinstance(limit, float) and limit.is_integer():
        return int(limit)
    return limit.replace("', '", "' or '").replace("'", "") if isinstance(limit, str) else limit


def _unknown_key(where: Keys) -> str:
    """Return what is wrong with the key at the end of a path, and which ones are known there."""
    *path, key = [where[0], *where[2:]] if where[0] in SECTIONS else where
    fields = Files.fields()
    for step in path:
        if step in fields:
            fields = {
                k: f
                for model in _models_in(fields[step].annotation)
                for k, f in model.fields().items()
            }
        elif step in KINDS:
            fields = KINDS[str(step)].fields()
    if (
        where[0] == "datasets"
        and len(path) == 2
        and any(key in kind.fields() for kind in KINDS.values())
    ):
        own = ", ".join(sorted(fields.keys() - Entry.fields().keys())) or "none"
        return f"means nothing to kind {path[1]}; its own keys: {own}"
    near = difflib.get_close_matches(str(key), fields, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {hint}allowed: {', '.join(sorted(fields))}"


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    """Yield the models that a type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _is_exponent(value: Any) -> bool:
    """YAML 1.1 reads 1e-2 as a text."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _dangling(whole: Files) -> Iterator[tuple[Keys, str]]:
    """Yield the names of entries that do not exist."""
    for key, section in (("only_datasets", "datasets"), ("only_configurations", "configurations")):
        declared = getattr(whole, section)
        for name in getattr(whole, key) or ():
            if name not in declared:
                near = difflib.get_close_matches(name, declared, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield [key], f"{name!r} is not declared in {section}{hint}"
    for task_id, entry in whole.datasets.items():
        if entry.source is not None and entry.source not in whole.sources:
            yield ["datasets", task_id, "source"], f"{entry.source!r} is not declared in sources"


def _file_of(keys: Keys, config: dict[str, Any], contents: dict[str, Any]) -> str:
    """The last file that gives the value at `keys`, or, if it is missing, the entry it belongs to."""
    missing = object()
    value = _at(keys, config, missing)
    while keys and _at(keys, config, missing) is missing:
        keys = keys[:-1]
    for file, content in reversed(contents.items()):
        found = _at(keys, content, missing)
        if found is not missing and (isinstance(found, dict) or repr(found) == repr(value)):
            return file
    return "--config"


def _at(keys: Keys, content: Any, default: Any) -> Any:
    for key in keys:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return default
    return content


def _complete(whole: Files) -> Files:
    """Hand the run's settings down to where a configuration or the grid has none of its own."""
    of_run = {name: getattr(whole, name) for name in OF_RUN}

    def handed_down(part: Model, values: dict[str, Any]) -> Any:
        absent = values.keys() - part.model_fields_set
        return part.model_copy(update={name: values[name] for name in absent})

    configurations = {k: handed_down(one, of_run) for k, one in whole.configurations.items()}
    grid = whole.grid and handed_down(whole.grid, {k: [value] for k, value in of_run.items()})
    return whole.model_copy(update={"configurations": configurations, "grid": grid})


def _select(whole: Files, new: dict[str, Entry]) -> Run:
    datasets = {name: whole.datasets[name] for name in whole.only_datasets or whole.datasets}
    names = whole.only_configurations or whole.configurations
    used = {entry.source for entry in datasets.values()}
    return Run(
        Settings(**{name: getattr(whole, name) for name in Settings.model_fields}),
        datasets,
        new,
        {name: source for name, source in whole.sources.items() if name in used},
        {name: whole.configurations[name] for name in names},
        whole.grid,
    )
