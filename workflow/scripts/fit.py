"""Print how good the model of the new data set is, and where it lies."""

from pathlib import Path

from metaprobe.core.files import read_checked_json
from metaprobe.export.card_text import summary

card = Path(snakemake.input[-1])
print(f"\n{summary(read_checked_json(card), card.parent)}\n")
