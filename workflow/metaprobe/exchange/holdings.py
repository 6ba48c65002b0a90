"""What a results folder, or a bundle, holds: its files, each proved, with what it says of itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.exchange.kinds import KINDS, Content, Kind, kind_of

ALL = tuple(kind.word for kind in KINDS)
# What is not a number of the experiment: when, where and how long it was computed.
ELSEWHERE = frozenset(
    {
        *("seconds", "cpu_seconds", "training_time_sec", "peak_memory_gb"),
        *("device", "versions", "version", "git_commit"),
    }
)


@dataclass(frozen=True)
class Item:
    """A file.

    Attributes:
        name: in its results folder.
        names: of its data set, configuration and so on.
        folder: the results folder it is in.
        origin: what the user calls that folder.
        said: what it says of itself.
    """

    name: str
    kind: Kind
    names: Mapping[str, str]
    folder: Path
    origin: Path
    said: Content

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name

    def __str__(self) -> str:
        """Return its name as the user knows it."""
        return str(self.origin / self.name)

    @property
    def numbers(self) -> Content:
        """What it says, but when, where and in what time it was computed; of a manifest nothing, as one
        machine may keep archives that another deletes, and the subset's digest tells what was read.
        """
        if self.kind.word == "manifest":
            return {}
        return {key: value for key, value in without(self.said).items() if key != "sha256"}

    @property
    def parent(self) -> str | None:
        """The data set that its own is derived from, if this is a subset."""
        derivation = self.said.get("derivation") if self.kind.word == "subset" else None
        return derivation["from"] if derivation else None


def without(content: Any) -> Any:
    """Return JSON without what is ELSEWHERE, at any depth."""
    if isinstance(content, Mapping):
        return {key: without(one) for key, one in content.items() if key not in ELSEWHERE}
    return [*map(without, content)] if isinstance(content, list) else content


def holdings(folder: Path, origin: Path, words: Sequence[str] = ALL) -> list[Item]:
    """Return the files of a results folder that travel.

    Args:
        origin: what the user calls the folder.
        words: the kinds that are asked for.

    Raises:
        UserError: a file is not as it was written, or there are no experiments.
    """
    found = [one for one in _found(folder) if one[1].word in words]
    items = [_item(folder, origin, *one) for one in found]
    if not any(one.kind.word == "fragment" for one in items):
        raise UserError(
            f"{origin} holds no finished experiment ({origin}/metrics/): name the results folder of"
            " a run, or a bundle of `metaprobe contribute`"
        )
    return items


def in_order(items: Sequence[Item], preferred: Path | None = None) -> list[Item]:
    """Return files in the order of the work; those of one place in it with the preferred folder's first."""
    derived = {one.names["dataset"] for one in items if one.parent}

    def place(item: Item) -> tuple[int, bool, bool]:
        is_derived = item.names.get("dataset") in derived
        return KINDS.index(item.kind), is_derived, item.origin != preferred

    return sorted(items, key=place)


def _found(folder: Path) -> Iterator[tuple[str, Kind, dict[str, str]]]:
    """Yield name, kind and wildcards of each file that travels, by name."""
    rooms = {kind.pattern.split("/")[1] for kind in KINDS}
    for path in sorted(path for room in sorted(rooms) for path in (folder / room).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and (found := kind_of(name)):
            yield name, *found


def _item(folder: Path, origin: Path, name: str, kind: Kind, names: Mapping[str, str]) -> Item:
    try:
        return Item(name, kind, names, folder, origin, kind.read(folder / name))
    except UserError as error:
        raise UserError(str(error).replace(str(folder), str(origin))) from None


def origins_of(item: Item, parents: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Yield what a file says of those that it was made from: their name, what of them, and its value.

    Args:
        parents: derived data set -> its parent.
    """
    said, names = item.said, item.names
    if "dataset" not in names:
        return

    def name(pattern: str, **others: str) -> str:
        return pattern.removeprefix("<results>/").format(**{**names, **others})

    if "subset_sha256" in said and item.kind.word != "subset":
        yield name(layout.SUBSET), "sha256", said["subset_sha256"]
    features = said.get("features_sha256")
    trained_on = said.get("hyperparameters", {}).get("architecture")
    architecture = str(trained_on or names.get("architecture"))
    if item.kind.word in ("head", "sweep"):
        yield name(layout.FEATURES, architecture=architecture), "features_sha256", features
    for part, digest in said.get("parts", {}).items() if item.kind.word == "head" else ():
        yield name(layout.PART, architecture=architecture, part=part), "features_sha256", digest
    if item.kind.word in ("description", "resamples"):
        for one, digest in said["features_sha256"].items():
            yield name(layout.FEATURES, architecture=one), "features_sha256", digest
    if "parent_sha256" in said and names["dataset"] in parents:
        key = "features_sha256" if item.kind.word in ("features", "part") else "sha256"
        yield name(item.kind.pattern, dataset=parents[names["dataset"]]), key, said["parent_sha256"]


def companions_of(item: Item) -> list[str]:
    """Return the files of the same experiment that a file is measured from, though it names none."""
    before = {"fragment": [layout.HEAD], "predictions": [layout.HEAD, layout.FRAGMENT]}
    patterns = before.get(item.kind.word, ())
    return [one.removeprefix("<results>/").format(**item.names) for one in patterns]
