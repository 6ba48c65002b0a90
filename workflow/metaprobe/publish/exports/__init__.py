"""The forms in which other projects read such results, a module each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from metaprobe.publish.about import About
from metaprobe.publish.exports import aslib, hpob, huggingface, openml, syne_tune
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results

Export = Callable[[Results, Licences, About, Path], None]
EXPORTS: Mapping[str, Export] = MappingProxyType(
    {
        "hpob": hpob.write,
        "syne-tune": syne_tune.write,
        "aslib": aslib.write,
        "openml": openml.write,
        "huggingface": huggingface.write,
    }
)
