"""The tables of the documentation that are written from the repository itself."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from metaprobe.config.backbones import LIBRARIES, Backbone, parse_backbone
from metaprobe.config.configurations import HYPERPARAMETERS, OF_RUN, Configuration, Grid
from metaprobe.config.datasets import KINDS, Divided, Entry, Split, parse_entry
from metaprobe.config.model import Model
from metaprobe.config.reading import read_strictly
from metaprobe.config.settings import Settings
from metaprobe.config.sources import Source, SourceFile
from metaprobe.core.files import write_text
from metaprobe.reader.dictionary import dictionary

ROOT = Path(__file__).parent.parent
CODE_OR_LESS = re.compile("(`[^`]*`)|<")
READERS_DIVIDE = {"omniglot": "by drawer"}


def main() -> None:
    """Write the tables anew into the pages that hold them."""
    for page, tables in TABLES.items():
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = replace_table(text, name, table())
        write_text(path, text)


def replace_table(text: str, name: str, table: str) -> str:
    """The text with what stands between `<!-- name -->` and `<!-- end of name -->` replaced.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the markers of {name} are missing")
    return f"{before}{begin}{table}{end}{after}"


def task_table(file: str) -> str:
    """Return the tasks that a file of `config/` declares: what they are."""
    return markdown_table(
        ("task", "classes", "training + test images", "division", "transform", "source", "family"),
        (
            (
                task_id,
                f"{entry.classes:,}",
                images(entry),
                division(entry),
                entry.transform,
                f"`{entry.source}`" if entry.source else "",
                entry.family or "",
            )
            for task_id, entry in entries(file).items()
        ),
    )


def note_table(file: str) -> str:
    """Return the tasks that a file of `config/` declares: licence, and what one should know."""
    rows = ((name, entry.licence or "", entry.note or "") for name, entry in entries(file).items())
    return markdown_table(("task", "licence", "note"), rows)


def source_table(file: str) -> str:
    """Return the sources that a file of `config/` declares: sizes, hosts, what is known of them."""
    return markdown_table(
        ("source", "download MB", "on disk MB", "hosts", "status", "packages"),
        (
            (
                f"`{name}`",
                f"{source.download_mb:,.1f}",
                f"{source.extracted_mb:,.1f}",
                ", ".join(hosts(source)),
                source.status or "",
                ", ".join(source.packages),
            )
            for name, source in sources(file).items()
        ),
    )


def sums(file: str) -> str:
    """Return how many tasks and sources a file of `config/` declares, and their gigabytes."""
    declared = sources(file).values()
    download = sum(source.download_mb for source in declared) / 1000
    extracted = sum(source.extracted_mb for source in declared) / 1000
    return (
        f"{len(entries(file))} tasks from {len(declared)} sources: {download:.1f} GB to "
        f"download, {extracted:.1f} GB unpacked, archives not counted.\n"
    )


def manual_steps(file: str) -> str:
    """Return what the sources of a file of `config/` say of fetching them by hand."""
    return "\n".join(
        f"`{name}`\n\n```text\n{source.manual.strip()}\n```\n"
        for name, source in sources(file).items()
        if source.manual
    )


def backbone_table(*files: str) -> str:
    """Return the backbones that files of `config/` declare: where from, and what they are like."""
    from metaprobe.features.facts import find_out

    rows = []
    for file in files:
        for name, declared in read_strictly(ROOT / "config" / file)["backbones"].items():
            one = parse_backbone(declared)
            facts = find_out(one)
            numbers = [f"{facts.gflop:.2f}", f"{facts.parameters / 1e6:.1f}"]
            numbers += [str(facts.width), str(facts.size)]
            told = [f"`{one.library}`", f"`{one.pretrained}`", one.note or "", one.licence or ""]
            rows.append((name, *numbers, *told))
    header = ("backbone", "GFLOP", "million parameters", "features", "side", "library")
    return markdown_table((*header, "weights", "trained on", "licence"), rows)


def column_table(table: str) -> str:
    """Return the columns of a table of results, as `metaprobe.reader` explains them."""
    rows = (
        (f"`{name}`", one.type, one.unit, one.meaning) for name, one in dictionary()[table].items()
    )
    return markdown_table(("column", "type", "unit", "meaning"), rows)


def formula_table() -> str:
    """Return the meta-features: the formula of each, and who has proposed it."""
    columns = dictionary()["basic_representations"].items()
    rows = ((f"`{name}`", one.meaning, one.source) for name, one in columns if one.source)
    return markdown_table(("column", "formula", "source"), rows)


def images(entry: Entry) -> str:
    """Return the published sizes: of both parts, or of the one pool."""
    if entry.images is None:
        return ""
    if entry.images.train is not None:
        return f"{entry.images.train:,} + {entry.images.test:,}"
    return f"{entry.images.pool:,} in one pool"


def division(entry: Entry) -> str:
    """Return how training and test images are told apart."""
    if entry.kind in READERS_DIVIDE:
        return READERS_DIVIDE[entry.kind]
    if entry.images and entry.images.train:
        return "as published"
    split = (entry.split if isinstance(entry, Divided) else None) or Split(rule="stratified")
    return f"{split.rule}, {split.test_fraction:.0%} for testing"


def hosts(source: Source) -> list[str]:
    """Return the hosts of a source's files, first to be tried first."""
    urls = [url for file in source.files for url in file.urls]
    return list(dict.fromkeys(urlparse(url).netloc for url in urls))


def key_table(model: type[Model], names: Sequence[str] = ()) -> str:
    """Return the keys of a model (or those named, in this order): default, what is allowed, meaning."""
    rows = (_key_row(model, name) for name in names or model.fields())
    return markdown_table(("key", "default", "allowed", "meaning"), rows)


def kind_table() -> str:
    """Return the kinds of data sets."""
    rows = ((f"`{name}`", first_line(model)) for name, model in KINDS.items())
    return markdown_table(("kind", "what it reads"), rows)


def library_table() -> str:
    """Return the libraries of backbones."""
    rows = ((f"`{name}`", first_line(model)) for name, model in LIBRARIES.items())
    return markdown_table(("library", "what it has"), rows)


def own_key_table(models: Mapping[str, type[Model]], base: type[Model], told_by: str) -> str:
    """Return the keys that not all models of a base have, or that mean something else in some."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, model in models.items():
        changed = model.__annotations__.keys() & base.fields().keys() - {told_by}
        for key in (model.fields().keys() - base.fields().keys()) | changed:
            found.setdefault(_key_row(model, key), []).append(name)
    rows = sorted((key, ", ".join(found[key, *rest]), *rest) for key, *rest in found)
    return markdown_table(("key", f"of {told_by}", "default", "allowed", "meaning"), rows)


def first_line(model: type[Model]) -> str:
    """Return the first line of a docstring as the cell of a table."""
    line = (model.__doc__ or "").partition("\n")[0].rstrip(".")
    return line[0].lower() + line[1:]


def _key_row(model: type[Model], name: str) -> tuple[str, ...]:
    field = model.fields()[name]
    schema = model.model_json_schema()
    known = schema["properties"][name]
    own = model is not Settings and name in OF_RUN
    default = "required" if field.is_required() else _default(field.default)
    allowed = in_words(known, schema.get("$defs", {}))
    return (
        f"`{name}`",
        "the run's" if own else default,
        allowed,
        description(model, name),
    )


def description(model: type[Model], key: str) -> str:
    """Return what the text after a field says of it; a grid's lists have that of the value."""
    if text := model.fields()[key].description:
        return text
    name = next(name for name, field in model.model_fields.items() if (field.alias or name) == key)
    texts = (_texts_of(one).get(name) for one in (*model.__mro__, *Configuration.__mro__))
    return next(filter(None, texts), "")


@cache
def _texts_of(model: type) -> dict[str, str]:
    """Return the text that follows each field of a class in its source.

    pydantic can do so as well, at each import: 0.3 s in every Snakemake of every job.
    """
    if not issubclass(model, Model) or model is Grid:  # Grid is made by a function
        return {}
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    pairs = pairwise(tree.body) if isinstance(tree, ast.ClassDef) else ()
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def _default(value: Any) -> str:
    if value is None or value in ([], {}) or isinstance(value, Model):
        return ""
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`" if isinstance(value, str) else str(value).lower()


def in_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return what a JSON schema allows."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "anyOf" in schema:
        parts = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(in_words(one, definitions) for one in parts)
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list: {in_words(schema['items'], definitions)}"
    if schema.get("type") == "object":
        keys = ", ".join(f"`{name}`" for name in schema.get("properties", ()))
        return f"mapping: {keys}" if keys else "mapping"
    words = {"string": "text", "boolean": "true or false"}
    bounds = {
        "minimum": "{} or more",
        "exclusiveMinimum": "more than {}",
        "maximum": "{} or less",
        "exclusiveMaximum": "less than {}",
        "range": "{}",
        "pattern": "like `{}`",
    }
    if {"minimum", "maximum"} <= schema.keys():
        schema = schema | {"range": f"{schema['minimum']} to {schema['maximum']}"}
        schema = {key: schema[key] for key in schema.keys() - {"minimum", "maximum"}}
    found = [text.format(_number(schema[key])) for key, text in bounds.items() if key in schema]
    return ", ".join([words.get(schema["type"], schema["type"]), *found])


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def markdown_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown; a bar in a cell is escaped, and `<` outside of code."""
    lines = [header, tuple("---" for _ in header), *rows]
    cells = ([_escaped(str(cell)) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _escaped(cell: str) -> str:
    escaped = CODE_OR_LESS.sub(lambda found: found[1] or r"\<", cell)
    return escaped.replace("|", r"\|")


def entries(file: str) -> dict[str, Entry]:
    """Return the data sets that a file of `config/` declares."""
    declared = read_strictly(ROOT / "config" / file)["datasets"]
    return {name: parse_entry(entry) for name, entry in declared.items()}


def sources(file: str) -> dict[str, Source]:
    """Return the sources that a file of `config/` declares."""
    declared = read_strictly(ROOT / "config" / file)["sources"]
    return {name: Source.model_validate(source) for name, source in declared.items()}


def _tables_of(file: str, name: str) -> dict[str, Callable[[], str]]:
    functions = {
        "sums": sums,
        "tasks": task_table,
        "notes": note_table,
        "sources": source_table,
        "manual": manual_steps,
    }
    return {f"{name} {key}": partial(function, file) for key, function in functions.items()}


def _columns_of(*tables: str) -> dict[str, Callable[[], str]]:
    return {f"columns of {name}": partial(column_table, name) for name in tables}


COLLECTIONS = {
    "datasets.yaml": "thirty",
    "datasets-extended.yaml": "extended",
    "datasets-meta-album.yaml": "Meta-Album",
    "datasets-vtab.yaml": "VTAB",
    "datasets-more.yaml": "more",
}
TOLD_ONCE = {"Meta-Album manual"}  # the page fetches all thirty in one loop
TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "config/README.md": {
        "settings": lambda: key_table(Settings),
        "hyperparameters": lambda: key_table(Configuration),
        "grid": lambda: key_table(
            Grid, sorted(Grid.fields(), key=lambda name: name not in HYPERPARAMETERS)
        ),
        "keys of all data sets": lambda: key_table(
            Entry, [name for name in Entry.fields() if name != "kind"]
        ),
        "kinds": kind_table,
        "keys of some kinds": partial(own_key_table, KINDS, Entry, "kind"),
        "libraries": library_table,
        "keys of all backbones": lambda: key_table(
            Backbone, [name for name in Backbone.fields() if name != "library"]
        ),
        "keys of some backbones": partial(own_key_table, LIBRARIES, Backbone, "library"),
        "sources": lambda: key_table(Source),
        "files": lambda: key_table(SourceFile),
        **_columns_of("sweep"),
    },
    "docs/outputs.md": _columns_of(
        *("target_representations", "experiments", "replicates", "curves", "predictions"),
        *("comparisons", "portfolio"),
    ),
    "docs/reading.md": _columns_of("tasks"),
    "docs/basic_representations.md": {"formulas": formula_table},
    "docs/backbones.md": {
        "backbones": partial(backbone_table, "backbones.yaml", "backbones-24.yaml")
    },
    "docs/datasets.md": {
        name: table
        for file, collection in COLLECTIONS.items()
        for name, table in _tables_of(file, collection).items()
        if name not in TOLD_ONCE
    },
}

if __name__ == "__main__":
    main()
