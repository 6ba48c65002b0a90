"""The text of a configuration file: YAML, read within bounds, as such files come from others."""

from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from metaprobe.core.errors import UserError

MOST_BYTES = 20_000_000
MOST_VALUES = 1_000_000
DEEPEST = 30
MOST_DIGITS = 1_000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C ten times as fast
KINDS = {list: "a list", str: "one text", type(None): "empty"}


def read_strictly(file: str | Path) -> dict[str, Any]:
    """Return what a configuration file says; unlike PyYAML alone, refuse a key that stands twice.

    Raises:
        UserError: it is missing, is not UTF-8 or no mapping in YAML, repeats a key, or its aliases,
            brackets or numbers would take all the memory there is.
    """
    try:
        content = _parsed(_text_of(Path(file)))
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        kind = KINDS.get(type(content), "a single value")
        raise UserError(f"{file}: is {kind}; a configuration file holds keys, such as seed: 0")
    if "__use_yte__" in content:
        raise UserError(f"{file}: __use_yte__ would run what the file says as Python: remove it")
    return content


@lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    """Return what a YAML text says; a start of Snakemake reads each file more than once."""
    _check_bounds(text)
    return yaml.load(text, Loader=_StrictLoader)


def _text_of(file: Path) -> str:
    """Return the text of a file; a ValueError if it is none."""
    if (size := file.stat().st_size) > MOST_BYTES:
        raise ValueError(f"has {size / 1e6:.0f} MB: not a configuration; at most 20 MB are read")
    content = file.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("is UTF-16, not UTF-8: save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line}: the byte {content[error.start]:#x} is not UTF-8: save the file as UTF-8"
        ) from None


def _check_bounds(text: str) -> None:
    """See that a YAML text is no larger than it looks; a YAMLError if it is.

    Looked at are the parser's events, as what they would be made into may not fit into memory.
    """
    values = 0  # with those that aliases repeat
    sizes: dict[str, int] = {}  # anchor -> values that an alias of it repeats
    around: list[tuple[str | None, int]] = []  # anchor, and values before it
    event: Any
    for event in yaml.parse(text, Loader=LOADER):
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in around):
                raise yaml.YAMLError(f"{line}: *{event.anchor} stands inside of &{event.anchor}")
            values += sizes.get(str(event.anchor), 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            sizes |= {anchor: values - before} if anchor else {}
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
            if event.implicit[0] and sum(map(str.isdigit, event.value)) > MOST_DIGITS:
                raise yaml.YAMLError(f"{line}: a number of more than {MOST_DIGITS:,} digits")
        elif isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, values))
            values += 1
            if len(around) > DEEPEST:
                raise yaml.YAMLError(
                    f"{line}: lists and mappings lie more than {DEEPEST} deep in each other"
                )
        if values > MOST_VALUES:
            raise yaml.YAMLError(
                f"{line}: more than {MOST_VALUES:,} values, those that aliases (*name) repeat among"
                " them"
            )


class _StrictLoader(LOADER):  # type: ignore[misc]  # one or the other of PyYAML
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"line {line}: a list or a mapping cannot be a key")
            if key in seen:
                raise yaml.YAMLError(f"line {line}: {key!r} is listed twice; keep one of them")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping
