"""Mistakes in the configuration, in words: where each stands, what it is, what is allowed."""

import difflib
import math
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import yaml
from pydantic_core import ErrorDetails

from metaprobe.config.backbones import LIBRARIES, Backbone
from metaprobe.config.datasets import KINDS, LEAST_IMAGES, Derived, Entry
from metaprobe.config.model import Model
from metaprobe.config.recipe import epochs_in_vain
from metaprobe.config.settings import LONGEST_ID, SECTIONS, Files

Keys = Sequence[str | int]
Complaint = tuple[Keys, str]
COMMAND_LINE = "--config"
SELECTIONS = {"only_datasets": "datasets", "only_configurations": "configurations"}
# Section -> the key that tells which keys its entries have, the models by its values, and their base.
TOLD_APART: dict[str, tuple[str, Mapping[str, type[Model]], type[Model]]] = {
    "datasets": ("kind", KINDS, Entry),
    "backbones": ("library", LIBRARIES, Backbone),
}
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


def line(file: str, keys: Keys, text: str) -> str:
    """Return a complaint as one line, whatever stands in the keys."""
    place = "/".join(repr(short(str(key)))[1:-1] for key in keys)
    return f"{file}: {place}: {text}"


def short(text: str) -> str:
    """Return a text, its middle left out where it is longer than any id."""
    return text if len(text) <= LONGEST_ID + 20 else f"{text[:40]}...{text[-20:]}"


class _Short(reprlib.Repr):
    """The repr of a value, of what is large only some."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxdict, self.maxtuple = 4, 10, 10, 10
        self.maxstring = self.maxother = 120

    def repr_int(self, value: int, level: int) -> str:
        if abs(value) < 10**40:
            return repr(value)
        return f"a number of some {int(value.bit_length() * math.log10(2)) + 1:,} digits"

    def repr_dict(self, value: Mapping[Any, Any], level: int) -> str:
        if level <= 0 or len(value) > self.maxdict:
            return f"a mapping of {len(value):,} keys"
        items = (
            f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in value.items()
        )
        return f"{{{', '.join(items)}}}"


shown: Callable[[Any], str] = _Short().repr


def explain(error: ErrorDetails, file_of: Callable[[Keys], str]) -> Complaint:
    """Return where a mistake is and what it is, in words.

    Args:
        file_of: tells the file that gives the value at these keys, or COMMAND_LINE.
    """
    where, kind, value = error["loc"], error["type"], error["input"]
    if where[-1] == "[key]" and kind == "not_allowed":
        where = where[:-1]
    if where[-1] == "[key]":
        quotes = "" if isinstance(value, str) else " (in quotes, as YAML reads it as another type)"
        allowed = (
            f"letters, digits, - and _{quotes}, at most {LONGEST_ID}; not NA, nan, None or null"
        )
        return where[:-1], f"not an id; allowed: {allowed}"
    told_apart = where[0] in TOLD_APART
    keys = [*where[:2], *where[3:]] if told_apart else [*where]  # without the kind
    limits = {name: _plain(limit) for name, limit in error.get("ctx", {}).items()}
    if kind.startswith("union_tag"):
        key, _, _ = TOLD_APART[str(where[0])]
        keys.append(key)
        value = value.get(key)
    if kind in ("missing", "union_tag_not_found"):
        return keys, "is missing"
    if kind == "contradiction":
        told = error["msg"]
        return keys, f"{shown(value)} {told}" if len(keys) > 2 or (
            keys[0] == "grid" and keys[1:]
        ) else told
    if kind in ("extra_forbidden", "invalid_key"):
        return keys, _unknown_key(where)
    if meant := _meant_by(value, kind):
        return keys, f"{shown(value)} is a text; {_advice(meant, keys, file_of(keys))}"
    if kind == "too_short":
        allowed = f"at least 1 {'entry' if isinstance(value, dict) else 'item'}"
    elif kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
        allowed = ALLOWED["finite_number"]
    else:
        allowed = ALLOWED.get(kind, error["msg"]).format(**limits)
    return keys, f"{shown(value)} is not allowed; allowed: {allowed}"


def _meant_by(value: Any, kind: str) -> str | None:
    """Return what a text would be as the value of that type, as YAML has it; None if it is none.

    YAML 1.1 reads 1e-2 as a text.
    """
    if not isinstance(value, str):
        return None
    if kind == "bool_type":
        spelled = value.strip().lower()
        return spelled if spelled in ("true", "false") else None
    try:
        number = float(value) if kind in ("int_type", "float_type") else math.nan
    except ValueError:
        return None
    if not math.isfinite(number) or (kind == "int_type" and not number.is_integer()):
        return None
    written: str = yaml.safe_dump(int(number) if kind == "int_type" else number)
    return written.split()[0]


def _advice(meant: str, keys: Keys, file: str) -> str:
    """Return how to write what was meant; the command line knows numbers only outside of brackets."""
    if file != COMMAND_LINE:
        return f"write {meant}"
    if len(keys) == 1:
        return f"write {keys[0]}={meant.capitalize()}"
    return f"inside of brackets {COMMAND_LINE} has texts only: write {meant} in a file for --configfile"


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
        elif where[0] in TOLD_APART and step in (models := TOLD_APART[str(where[0])][1]):
            fields = models[str(step)].fields()
    if where[0] in TOLD_APART and len(path) == 2:
        name, models, base = TOLD_APART[str(where[0])]
        if any(key in one.fields() for one in models.values()):
            own = ", ".join(sorted(fields.keys() - base.fields().keys())) or "none"
            return f"means nothing to {name} {path[1]}; its own keys: {own}"
    near = difflib.get_close_matches(str(key), fields, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {hint}allowed: {', '.join(sorted(fields))}"


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    """Yield the models that a type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def dangling(whole: Files) -> Iterator[Complaint]:
    """Yield the names of entries that do not exist, and the ids that a disk may take for one."""
    for key, section in SELECTIONS.items():
        declared = getattr(whole, section)
        for name in getattr(whole, key) or ():
            if name not in declared:
                near = difflib.get_close_matches(name, declared, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield [key], f"{shown(name)} is not declared in {section}{hint}"
    for task_id, entry in whole.datasets.items():
        if entry.source is not None and entry.source not in whole.sources:
            yield (
                ["datasets", task_id, "source"],
                f"{shown(entry.source)} is not declared in sources",
            )
    yield from _underivable(whole)
    for keys, names in _named_backbones(whole):
        for name in names:
            if name not in whole.backbones:
                near = difflib.get_close_matches(name, whole.backbones, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield keys, f"{shown(name)} is not declared in backbones{hint}"
    for name, one in whole.configurations.items():
        epochs = one.epochs if "epochs" in one.model_fields_set else whole.epochs
        if told := epochs_in_vain(one, epochs):
            yield ["configurations", name], told
    if whole.grid is not None:
        values = whole.grid.values()
        fewest = min(
            values["epochs"] if "epochs" in whole.grid.model_fields_set else [whole.epochs]
        )
        if (most := max(values["warmup_epochs"])) >= fewest:
            yield ["grid", "warmup_epochs"], f"{most} leaves nothing of {fewest} epochs"
    for section in SECTIONS:
        first: dict[str, str] = {}
        for name in getattr(whole, section):
            if (other := first.setdefault(name.lower(), name)) != name:
                yield (
                    [section, name],
                    f"differs from {other} in capitals only, which some disks do not tell apart:"
                    " rename one",
                )


def _underivable(whole: Files) -> Iterator[Complaint]:
    """Yield what of a derived data set is at odds with its parent, or with how the run trains."""
    derived = {k: one for k, one in whole.datasets.items() if isinstance(one, Derived)}
    for task_id, entry in derived.items():
        place, parent = ["datasets", task_id], whole.datasets.get(entry.of)
        if parent is None:
            near = difflib.get_close_matches(entry.of, whole.datasets, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield [*place, "from"], f"{shown(entry.of)} is not declared in datasets{hint}"
        elif isinstance(parent, Derived):
            yield [*place, "from"], f"{entry.of} is derived itself, from {parent.of}"
        else:
            kept = len(entry.classes) if isinstance(entry.classes, list) else entry.classes
            if (classes := kept or parent.classes) > parent.classes:
                told = f"{classes} are more than the {parent.classes} of {entry.of}"
                yield [*place, "classes"], told
            if (entry.train_images or 10**12) < LEAST_IMAGES * classes:
                told = f"{entry.train_images} are too few for {LEAST_IMAGES} of each of {classes}"
                yield [*place, "train_images"], f"{told} classes"
    chosen = [name for name in whole.only_datasets or whole.datasets if name in derived]
    for name in (whole.only_configurations or whole.configurations) if chosen else ():
        one = whole.configurations.get(name)
        if one and one.trainable != "head":
            yield (
                ["configurations", name, "trainable"],
                f"{one.trainable} needs pictures, and derived data sets such as {chosen[0]} have cached"
                " features only: leave out the one or the others (only_configurations, only_datasets)",
            )


def _named_backbones(whole: Files) -> Iterator[tuple[Keys, Sequence[str]]]:
    """Yield where backbones are named, and which."""
    yield ["described_by"], whole.described_by
    for name, one in whole.configurations.items():
        yield ["configurations", name, "architecture"], [one.architecture]
    if whole.grid is not None:
        yield ["grid", "architecture"], whole.grid.values()["architecture"]
