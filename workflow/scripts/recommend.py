"""Print the recommendation for the new data set."""

from pathlib import Path

from metaprobe.core.files import read_checked_json
from metaprobe.recommend.ranking import to_text

path = Path(snakemake.input[0])
print(f"\n{to_text(read_checked_json(path))}\n\nAll of it: {path} and {path.with_suffix('.csv')}\n")
