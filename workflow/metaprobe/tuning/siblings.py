"""Which cached activations other experiments of a data set still have to be trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaprobe.config.configurations import Configuration
from metaprobe.config.parts import cached_parts, cut_of


def parts_needed(config: Mapping[str, Any], configuration: str, head: Path) -> set[str]:
    """Return the parts, of the cut of a configuration, that others of the run have no head from yet.

    Args:
        config: the run's, completed.
        head: the file of the configuration's own trained head; those of others lie beside it.
    """
    chosen = {
        name: Configuration.model_validate(config["configurations"][name])
        for name in config.get("only_configurations") or config["configurations"]
    }
    own = chosen.pop(configuration)
    needed: set[str] = set()
    for name, one in chosen.items():
        same = one.architecture == own.architecture and one.trainable != "head"
        same = same and _cut(one) == _cut(own)
        if same and not head.with_name(f"{name}{head.suffix}").is_file():
            needed |= set(cached_parts(one))
    return needed


def _cut(one: Configuration) -> str:
    return cut_of(one.trainable, one.cache_precision)
