"""Which files do not go with the numbers that are preferred: those behind other numbers of the same work."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metaprobe.config.configurations import RECIPE_DEFAULTS
from metaprobe.exchange.holdings import Item, origins_of

Of = tuple[Path, str, str]  # a folder, a data set, and a configuration or an architecture
OF_EXPERIMENT = ("head", "fragment", "predictions")
OF_BACKBONE = ("features", "part", "sweep")


@dataclass(frozen=True)
class Odds:
    """What folders have otherwise than the preferred one.

    Attributes:
        experiments: whose fragments differ.
        backbones: whose features are not known to be the same, as fragments that follow from them differ.
        backbone_of: the backbone that each experiment is trained on the features of.
    """

    experiments: frozenset[Of]
    backbones: frozenset[Of]
    backbone_of: Mapping[Of, Of]

    def has(self, item: Item) -> bool:
        """Return whether a file is of what differs."""
        task = item.names.get("dataset", "")
        if item.kind.word in OF_BACKBONE:
            return (item.origin, task, item.names["architecture"]) in self.backbones
        if item.kind.word not in OF_EXPERIMENT:
            return False
        own = (item.origin, task, item.names["configuration"])
        return own in self.experiments or self.backbone_of.get(own) in self.backbones


def at_odds(everything: Sequence[Item], preferred: Path, parents: Mapping[str, str]) -> list[Item]:
    """Return the files of other folders that do not go with the preferred numbers.

    A fragment names neither its head nor its features, and a bundle has none of them: beside a fragment
    of the preferred folder, those of a folder with other numbers would belong to another training.

    Args:
        everything: in the order of the work.
        parents: derived data set -> its parent.
    """
    odds = _odds(everything, preferred)
    found: dict[tuple[Path, str], Item] = {}
    for item in everything:
        made_from = ((item.origin, name) for name, *_ in origins_of(item, parents))
        if item.origin != preferred and (odds.has(item) or any(one in found for one in made_from)):
            found[item.origin, item.name] = item
    return [*found.values()]


def _odds(everything: Iterable[Item], preferred: Path) -> Odds:
    fragments = [one for one in everything if one.kind.word == "fragment"]
    kept = {one.name: one for one in fragments if one.origin == preferred}
    differing = [
        one for one in fragments if one.name in kept and one.numbers != kept[one.name].numbers
    ]
    features = {
        _backbone(one): one.said["features_sha256"]
        for one in everything
        if one.kind.word == "features"
    }
    backbone_of = dict(_on_features([one for one in everything if one.kind.word in OF_EXPERIMENT]))
    unlike = {
        own
        for one in differing
        if (own := backbone_of.get(_experiment(one)))
        and (own not in features or features[own] != features.get((preferred, *own[1:])))
    }
    return Odds(frozenset(map(_experiment, differing)), frozenset(unlike), backbone_of)


def _experiment(item: Item) -> Of:
    return item.origin, item.names["dataset"], item.names["configuration"]


def _backbone(item: Item) -> Of:
    return item.origin, item.names["dataset"], item.names["architecture"]


def _on_features(items: Iterable[Item]) -> Iterator[tuple[Of, Of]]:
    """Yield experiment and backbone, by heads and fragments, where the backbone is frozen."""
    for item in items:
        said = RECIPE_DEFAULTS | dict(item.said.get("hyperparameters", item.said))
        if "architecture" in said and said["trainable"] == "head":
            yield _experiment(item), (item.origin, item.names["dataset"], said["architecture"])
