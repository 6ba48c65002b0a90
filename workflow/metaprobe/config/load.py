"""The merged configuration of a run: validated, completed with defaults, told apart by file."""

import copy
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from metaprobe.core.errors import UserError
from metaprobe.data import new_dataset
from metaprobe.training.optimizers import MOMENTUM_OPTIMIZERS

SCHEMAS = Path(__file__).parents[2] / "schemas"
SECTIONS = ("config", "datasets", "configurations", "grid")
ENTRIES = ("datasets", "sources", "configurations", "grid")
GENERATORS = ("handwritten_digits", "generated_shapes", "generated_gratings")
KEYS_OF_ALL = {"kind", "classes", "images", "partial", "transform", "sampling", "source"}
KEYS_OF_ALL |= {"family", "licence", "note"}
KEYS_OF_KIND = {
    "torchvision": {"class", "train", "test", "pool", "labels", "first_label", "split"},
    "folder": {"path", "train", "test", "split", "omit_classes", "minimum_class_images"},
    "huggingface": {"path", "revision", "config_name", "image_column", "label_column"}
    | {"train", "test", "pool", "split"},
    "medmnist": {"path"},
    "embedded": {"class", "split"},
    "stl10": {"pretext", "split"},
    "fer2013": {"split"},
    "omniglot": set[str](),
    "pcam": set[str](),
}
TYPES = {"object": "a mapping", "array": "a list", "string": "a text", "boolean": "true or false"}
NUMBERS = {"integer": int, "number": float}
MOMENTUM = " or ".join(MOMENTUM_OPTIMIZERS)
Keys = Sequence[str | int]


@dataclass(frozen=True)
class Run:
    """What is to be run: the selected entries, complete with defaults, in table order.

    `new` is the data set that a configuration is to be recommended for; it is in no table. `grid`
    is empty if no file has one.
    """

    settings: dict[str, Any]
    datasets: dict[str, dict[str, Any]]
    new: dict[str, dict[str, Any]]
    sources: dict[str, dict[str, Any]]
    configurations: dict[str, dict[str, Any]]
    grid: dict[str, Any]


def load_run(config: dict[str, Any], files: Iterable[str]) -> Run:
    """Validate Snakemake's merged `config` and set its absent keys to their defaults, in place.

    Args:
        files: the configuration files it was merged from, later ones overriding earlier ones.

    Raises:
        UserError: one line per mistake: file, path inside it, value, what is allowed.
    """
    contents = {file: read_strictly(file) or {} for file in files}
    schema = _merged_schema()
    errors = Draft202012Validator(schema).iter_errors(config)
    complaints = [*_infinities(config)]
    complaints += [one for error in sorted(errors, key=_place) for one in _explain(error)]
    declared = [] if complaints else list(config["datasets"])
    if not complaints:
        complaints = list(_declare_new_dataset(config))
    if not complaints:
        _complete(config, schema, schema)
        _order_as_declared(config, contents)
        complaints = list(_inconsistencies(config))
    if complaints:
        raise UserError(
            "\n".join(
                f"{_file_of(keys, config, contents)}: {'/'.join(map(str, keys))}: {text}"
                for keys, text in complaints
            )
        )
    return _select(config, declared)


def read_strictly(file: str | Path) -> Any:
    """Read YAML; unlike PyYAML alone, refuse a key that stands twice.

    Raises:
        UserError: not YAML, or a key is repeated.
    """
    try:
        return yaml.load(Path(file).read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {' '.join(str(error).split())}") from None


class _StrictLoader(yaml.SafeLoader):
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


def _merged_schema() -> dict[str, Any]:
    """One schema of the files' keys, as Snakemake merges the files into one mapping."""
    merged: dict[str, Any] = {"type": "object", "additionalProperties": False}
    merged |= {"properties": {}, "$defs": {}, "required": ["datasets", "configurations"]}
    for section in SECTIONS:
        schema = read_strictly(SCHEMAS / f"{section}.schema.yaml")
        merged["properties"] |= schema["properties"]
        merged["$defs"] |= schema.get("$defs", {})
    return merged


def _complete(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """At every depth, set absent keys to their `default` and give numbers their schema's type."""
    schema = _resolve(schema, root)
    if isinstance(value, list):
        parts = {i: schema.get("items", {}) for i in range(len(value))}
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        for key, subschema in properties.items():
            if "default" in subschema:
                value.setdefault(key, copy.deepcopy(subschema["default"]))
        parts = {key: properties.get(key, others) for key in value}
    else:
        return
    for key, subschema in parts.items():
        if isinstance(subschema, dict):
            kind = _resolve(subschema, root).get("type")
            if kind in NUMBERS:
                value[key] = NUMBERS[kind](value[key])
            _complete(value[key], subschema, root)


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` of the form `#/$defs/...` points at; a schema without one is itself."""
    if "$ref" not in schema:
        return schema
    for key in schema["$ref"].split("/")[1:]:
        root = root[key]
    return root


def _order_as_declared(config: dict[str, Any], contents: dict[str, Any]) -> None:
    """Entries in the order of the files; Snakemake puts those of the command line first."""
    for section in ("datasets", "configurations"):
        declared = [name for content in contents.values() for name in content.get(section) or ()]
        names = dict.fromkeys([*declared, *config[section]])
        entries = config[section]
        config[section] = {name: entries[name] for name in names if name in entries}


def _declare_new_dataset(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Add the entry of `new_dataset` to the data sets, where the scripts find it."""
    if "new_dataset" in config:
        try:
            name, entry = new_dataset.declare(config["new_dataset"], config["datasets"])
        except UserError as error:
            yield ["new_dataset"], str(error)
        else:
            config["datasets"][name] = entry


def _place(error: ValidationError) -> list[str]:
    return [str(key) for key in error.absolute_path]


def _explain(error: ValidationError) -> Iterator[tuple[Keys, str]]:
    """Where a schema error is and what it says, in words: one place and text per mistake."""
    keys: list[str | int] = list(error.absolute_path)
    limit: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        for unknown in (key for key in value if key not in known):
            near = difflib.get_close_matches(str(unknown), known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            yield [*keys, unknown], f"unknown key; {hint}allowed: {', '.join(known)}"
        return
    if error.validator == "required":
        yield [*keys, error.message.split("'")[1]], "is missing"
        return
    if "propertyNames" in error.absolute_schema_path:
        quotes = "" if isinstance(value, str) else " (in quotes, as YAML reads it as another type)"
        yield (
            [*keys, value],
            f"not an id; allowed: letters, digits, - and _{quotes}; not NA, nan, None or null",
        )
        return
    words: dict[str, Callable[[], str]] = {
        "enum": lambda: " or ".join(str(item) for item in limit),
        "type": lambda: (
            TYPES.get(limit, str(limit))
            + (" (write 0.01, not 1e-2)" if _is_exponent(value) else "")
        ),
        "minimum": lambda: f"{limit} or more",
        "maximum": lambda: f"{limit} or less",
        "exclusiveMinimum": lambda: f"more than {limit}",
        "exclusiveMaximum": lambda: f"less than {limit}",
        "minItems": lambda: f"at least {limit} item",
        "minProperties": lambda: f"at least {limit} entry",
        "uniqueItems": lambda: "each item once",
        "pattern": lambda: f"text like {limit}",
    }
    description: str = schema.get("description", error.message)
    allowed = words.get(str(error.validator), lambda: description)()
    if error.validator == "enum" and "alpha" in keys:
        allowed += ", as no pretrained weights exist for any other width multiplier"
    yield keys, f"{value!r} is not allowed; allowed: {allowed}"


def _infinities(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Numbers that no schema bounds: infinite, or not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        yield keys, f"{value!r} is not allowed; allowed: finite numbers"
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _infinities(item, [*keys, key])


def _is_exponent(value: Any) -> bool:
    """YAML 1.1 reads 1e-2 as a text."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _inconsistencies(config: dict[str, Any]) -> Iterable[tuple[Keys, str]]:
    """What no schema can say: references, and hyperparameters that exclude each other."""
    for key, section in (("only_datasets", "datasets"), ("only_configurations", "configurations")):
        for name in config.get(key, ()):
            if name not in config[section]:
                near = difflib.get_close_matches(name, config[section], n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield [key], f"{name!r} is not declared in {section}{hint}"
    for task_id, entry in config["datasets"].items():
        keys: Keys = ["datasets", task_id]
        source = entry.get("source")
        if source is not None and source not in config.get("sources", {}):
            yield [*keys, "source"], f"{source!r} is not declared in sources"
        yield from _misfits(keys, entry)
        if entry["kind"] == "torchvision" and ("pool" in entry) == ("train" in entry):
            yield keys, "needs either train and test, or pool"
        if entry["kind"] == "torchvision" and ("train" in entry) != ("test" in entry):
            yield keys, "needs both train and test"
    for name, entry in config["configurations"].items():
        if entry["momentum"] and entry["optimizer"] not in MOMENTUM_OPTIMIZERS:
            yield (
                ["configurations", name, "momentum"],
                f"{entry['momentum']!r} means nothing to {entry['optimizer']}; allowed: only with {MOMENTUM}",
            )
    grid = config.get("grid")
    if grid and any(grid["momentum"]) and not set(grid["optimizer"]) & set(MOMENTUM_OPTIMIZERS):
        optimizers = " and ".join(grid["optimizer"])
        yield (
            ["grid", "momentum"],
            f"{grid['momentum']!r} means nothing to {optimizers}; allowed: only with {MOMENTUM}",
        )


def _misfits(keys: Keys, entry: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Keys of a data set that mean nothing to its kind, or whose values are of another kind's."""
    kind = entry["kind"]
    parts = {"torchvision": (dict, list), "folder": (str,), "huggingface": (str,)}.get(kind, ())
    for key in entry:
        if key not in KEYS_OF_ALL and key not in KEYS_OF_KIND[kind]:
            allowed = ", ".join(sorted(KEYS_OF_KIND[kind])) or "none"
            yield [*keys, key], f"means nothing to kind {kind}; its own keys: {allowed}"
        elif key in ("train", "test", "pool") and not isinstance(entry[key], parts):
            wanted = "arguments of the class" if kind == "torchvision" else "a name"
            yield [*keys, key], f"{entry[key]!r} is not allowed; allowed: {wanted}"
    if kind in ("torchvision", "embedded") and "class" not in entry:
        yield [*keys, "class"], f"is missing, as kind is {kind}"
    if kind == "embedded" and entry.get("class", GENERATORS[0]) not in GENERATORS:
        allowed = " or ".join(GENERATORS)
        yield [*keys, "class"], f"{entry['class']!r} is not allowed; allowed: {allowed}"


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


def _select(config: dict[str, Any], declared: Sequence[str]) -> Run:
    datasets = {name: config["datasets"][name] for name in config["datasets"] if name in declared}
    new = {name: entry for name, entry in config["datasets"].items() if name not in declared}
    datasets = {name: datasets[name] for name in config.get("only_datasets", datasets)}
    configurations = {
        name: dict(sorted(({"epochs": config["epochs"]} | config["configurations"][name]).items()))
        for name in config.get("only_configurations", config["configurations"])
    }
    used = {entry["source"] for entry in datasets.values() if "source" in entry}
    sources = {name: config["sources"][name] for name in config.get("sources", {}) if name in used}
    settings = {key: value for key, value in config.items() if key not in ENTRIES}
    grid = {"epochs": [config["epochs"]]} | config["grid"] if "grid" in config else {}
    return Run(settings, datasets, new, sources, configurations, grid)
