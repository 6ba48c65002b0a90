"""Which files of several results folders make one: each experiment once, and no two of them at odds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaprobe.core.errors import UserError
from metaprobe.exchange.holdings import Item, companions_of, in_order, origins_of
from metaprobe.exchange.identity import check_identity
from metaprobe.exchange.odds import at_odds

ByName = Mapping[str, Sequence[Item]]
SHOWN = 10
WHAT_TO_DO = "the same work with other numbers; merge without one of them, or let --prefer FOLDER say whose to keep"
NOT_DECIDED = "the same work with other numbers, of which the preferred {preferred} has none; merge without one of them"
# What follows from what differs elsewhere, in the same experiment or in its features.
FOLLOWS = ("features", "part", "head", "fragment", "predictions")


@dataclass
class Chosen:
    """The files of the merged folder, in the order of the work, by name.

    Attributes:
        left_out: files that no chosen one goes with: what they are of is to be computed again.
        settled: what differed and was decided by preference, experiments first: of what, whose numbers
            are kept, and whose are not.
    """

    items: dict[str, Item] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    settled: list[tuple[str, Path, Sequence[Path]]] = field(default_factory=list)


def choose(held: Sequence[Sequence[Item]], preferred: Path | None = None) -> Chosen:
    """Return the files of one run that several folders hold parts of.

    Args:
        held: what each folder holds, in the order of the work.
        preferred: whose numbers are kept where they differ from those of others, as the user calls it.

    Raises:
        UserError: they are not of one run, or not made from each other, or the numbers of the same work
            differ and the preferred folder has none of it.
    """
    everything = in_order([item for items in held for item in items], preferred)
    check_identity(everything)
    parents = {one.names["dataset"]: one.parent for one in everything if one.parent}
    names = dict.fromkeys(one.name for one in everything)
    unfit = set() if preferred is None else {*map(str, at_odds(everything, preferred, parents))}
    by_name = _by_name([one for one in everything if str(one) not in unfit])
    _check_conflicts(by_name, parents, preferred)
    chosen = Chosen()
    for name, items in by_name.items():
        fitting = [one for one in items if not _strange(one, chosen.items, by_name, parents)]
        if fitting:
            chosen.items[name] = fitting[0]
        elif preferred is None:
            raise UserError(_strange(items[0], chosen.items, by_name, parents))
    chosen.left_out = [name for name in names if name not in chosen.items]
    if preferred is not None:
        chosen.settled = [*_settled(_by_name(everything), chosen.items)]
    return chosen


def _by_name(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.name, []).append(item)
    return found


def _settled(
    by_name: ByName, chosen: Mapping[str, Item]
) -> Iterator[tuple[str, Path, Sequence[Path]]]:
    """Yield what folders differ in: experiments, then what does not follow from their difference."""
    for name in sorted(chosen, key=lambda one: chosen[one].kind.word != "fragment"):
        kept = chosen[name]
        others = [one.origin for one in by_name[name] if one.numbers != kept.numbers]
        if others and kept.kind.word == "fragment":
            yield f"{kept.names['dataset']}/{kept.names['configuration']}", kept.origin, others
        elif others and kept.kind.word not in FOLLOWS:
            yield name, kept.origin, others


def _check_conflicts(by_name: ByName, parents: Mapping[str, str], preferred: Path | None) -> None:
    """See that files of one name have one content, but where the preferred folder has one; what follows
    from a difference is not told again.
    """
    apart: dict[str, str] = {}
    followed: set[str] = set()
    for name, (first, *others) in by_name.items():
        if not (differing := [one for one in others if one.numbers != first.numbers]):
            continue
        told_of = [other for one in (first, *differing) for other, *_ in origins_of(one, parents)]
        is_first = followed.isdisjoint([*told_of, *companions_of(first)])
        if is_first and first.origin != preferred:  # which comes first, if it has one
            apart[name] = _conflict(first, differing[0], preferred)
        followed.add(name)
    if lines := [*apart.values()]:
        raise UserError("\n".join(shortened(lines)))


def shortened(lines: list[str]) -> list[str]:
    """Return the first SHOWN lines, and one that says how many more there are."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _conflict(one: Item, other: Item, preferred: Path | None) -> str:
    where, *values = next(differences(one.numbers, other.numbers))
    first, second = (f"{value} in {item}" for value, item in zip(values, (one, other), strict=True))
    advice = WHAT_TO_DO if preferred is None else NOT_DECIDED.format(preferred=preferred)
    return f"{where} is {first} and {second}: {advice}"


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
