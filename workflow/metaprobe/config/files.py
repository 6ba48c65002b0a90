"""All that the configuration files say, as one typed object."""

from typing import Annotated

from pydantic import Field

from metaprobe.config.backbones import AnyBackbone
from metaprobe.config.configurations import Configuration, Grid
from metaprobe.config.datasets import AnyEntry
from metaprobe.config.settings import Settings
from metaprobe.config.sources import Source

SECTIONS = ("datasets", "sources", "backbones", "configurations")  # id → entry
LONGEST_ID = 100
ID = rf"^(?!(?i:na|nan|none|null)\Z)[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_ID - 1}}}\Z"
Id = Annotated[str, Field(pattern=ID)]


class Files(Settings):
    """All that the configuration files say, merged into one mapping by Snakemake."""

    datasets: Annotated[dict[Id, AnyEntry], Field(min_length=1)]
    sources: dict[Id, Source] = Field(default={})
    backbones: Annotated[dict[Id, AnyBackbone], Field(min_length=1)]
    configurations: Annotated[dict[Id, Configuration], Field(min_length=1)]
    grid: Grid | None = None
