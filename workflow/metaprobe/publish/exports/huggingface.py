"""A data set folder of the Hugging Face Hub: Parquet, and README.md whose first lines say which table is which.

`datasets.load_dataset("<this folder>", "experiments")` reads it, from disk or from the Hub.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from metaprobe.core.files import write_text
from metaprobe.publish.about import About, citation
from metaprobe.publish.card import card
from metaprobe.publish.licences import Licences
from metaprobe.publish.results import Results
from metaprobe.publish.tables import write_per_image, write_tables

FORM = """\
As a data set of the Hugging Face Hub: `datasets.load_dataset("<this folder>", "experiments")`, and so each table."""
BOUNDS = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def write(results: Results, licences: Licences, about: About, folder: Path) -> None:
    """Write the tables, and a card that names them."""
    with TemporaryDirectory() as everything:
        write_tables(results, Path(everything))
        write_per_image(results, licences, Path(everything))
        for table in Path(everything).glob("*.parquet"):
            shutil.copyfile(table, folder / table.name)
    write_text(folder / "CITATION.cff", citation(about))
    names = sorted(table.stem for table in folder.glob("*.parquet"))
    front = yaml.safe_dump(metadata(results, about, names), sort_keys=False, allow_unicode=True)
    write_text(
        folder / "README.md", f"---\n{front}---\n\n{card(results, licences, about, folder, FORM)}"
    )


def metadata(results: Results, about: About, names: list[str]) -> dict[str, Any]:
    """Return what the first lines of the card say."""
    rows = len(results.experiments)
    size = next((text for bound, text in BOUNDS if rows < bound), "n>1M")
    return {
        "license": about.licence.lower(),
        "pretty_name": about.title,
        "tags": ["meta-learning", "transfer-learning", "hyperparameter-optimization", "tabular"],
        "size_categories": [size],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": "train", "path": f"{name}.parquet"}],
                **({"default": True} if name == "experiments" else {}),
            }
            for name in names
        ],
    }
