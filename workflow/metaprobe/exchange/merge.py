"""Which files of several results folders make one: each experiment once, and no two of them at odds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaprobe.core.errors import UserError
from metaprobe.exchange.holdings import Item, companions_of, in_order, origins_of
from metaprobe.exchange.identity import check_identity

ByName = Mapping[str, Sequence[Item]]
SHOWN = 10
WHAT_TO_DO = "the same work with other numbers; merge without one of them, or let --prefer FOLDER say whose to keep"


@dataclass
class Chosen:
    """The files of the merged folder, in the order of the work, by name.

    Attributes:
        left_out: files that no chosen one goes with: what they are of is to be computed again.
    """

    items: dict[str, Item] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def choose(held: Sequence[Sequence[Item]], preferred: Path | None = None) -> Chosen:
    """Return the files of one run that several folders hold parts of.

    Args:
        held: what each folder holds, in the order of the work.
        preferred: whose numbers are kept where folders differ, as the user calls it.

    Raises:
        UserError: they are not of one run, or not made from each other, or the numbers of the same work
            differ and none is preferred.
    """
    everything = in_order([item for items in held for item in items], preferred)
    check_identity(everything)
    parents = {one.names["dataset"]: one.parent for one in everything if one.parent}
    by_name: dict[str, list[Item]] = {}
    for item in everything:
        by_name.setdefault(item.name, []).append(item)
    if preferred is None:
        _check_conflicts(by_name, parents)
    chosen = Chosen()
    for name, items in by_name.items():
        fitting = [one for one in items if not _strange(one, chosen.items, by_name, parents)]
        if fitting:
            chosen.items[name] = fitting[0]
        elif preferred is None:
            raise UserError(_strange(items[0], chosen.items, by_name, parents))
        else:
            chosen.left_out.append(name)
    return chosen


def _check_conflicts(by_name: ByName, parents: Mapping[str, str]) -> None:
    """See that files of one name have one content; what follows from a difference is not told again."""
    apart: dict[str, str] = {}
    followed: set[str] = set()
    for name, (first, *others) in by_name.items():
        if not (differing := [one for one in others if one.numbers != first.numbers]):
            continue
        told_of = [other for one in (first, *differing) for other, *_ in origins_of(one, parents)]
        if followed.isdisjoint([*told_of, *companions_of(first)]):
            apart[name] = _conflict(first, differing[0])
        followed.add(name)
    if lines := [*apart.values()]:
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise UserError("\n".join([*lines[:SHOWN], *more]))


def _conflict(one: Item, other: Item) -> str:
    where, *values = next(differences(one.numbers, other.numbers))
    first, second = (f"{value} in {item}" for value, item in zip(values, (one, other), strict=True))
    return f"{where} is {first} and {second}: {WHAT_TO_DO}"


def differences(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two JSON contents differ, and both values."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from differences(one.get(key), other.get(key), f"{where}/{key}".strip("/"))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{where}/{number}")
    elif one != other:
        yield where, one, other


def _strange(
    item: Item, chosen: Mapping[str, Item], by_name: ByName, parents: Mapping[str, str]
) -> str:
    """Return how a file disagrees with those chosen that it was made from; nothing if it does not."""
    for name, key, value in origins_of(item, parents):
        if name in chosen and chosen[name].said[key] != value:
            return f"{item} was made from another file than {chosen[name]}: delete it in its run"
        if name in by_name and name not in chosen:
            return f"{item} was made from {name}, which is left out"
    for name in companions_of(item):
        own = next((one for one in by_name.get(name, ()) if one.origin == item.origin), None)
        if own and (name not in chosen or chosen[name].numbers != own.numbers):
            return f"{item} is of another {own.kind.word} than {name}"
    return ""
