"""Results that came from elsewhere: their files get times in the order in which they were made."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from metaprobe.config import layout
from metaprobe.core.arrays import read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import checksum_matches, read_json
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.outdated import PATTERNS, Key, Reader, comparisons

Step = tuple[Sequence[Path], Sequence[Path]]  # what one job has made, and from what
TIME_OF_FOLDER = ".snakemake_timestamp"  # a file that Snakemake keeps in a folder that a rule makes
RULES = {pattern: rule for rule, pattern in layout.STAGES.items()}
RULES |= {layout.RESAMPLES: "describe_resamples", layout.PART: "extract_part"}
RULES |= {layout.VALIDATION: "draw_validation"}


def restore_order(flow: Workflow, tables: Iterable[Step], recorded: Callable[[Path], bool]) -> None:
    """Give files that came from elsewhere times in the order in which they were made.

    A copy may leave a file older than what it was made from, and Snakemake would make it again.
    Only files that nothing was recorded of are touched, that agree with the run, and that are as
    they were written; call it after `find_outdated` found nothing.

    Args:
        tables: what the rules of the tables have made, in their order.
        recorded: whether Snakemake has a record of the making of a file.
    """
    intact: dict[Path, bool] = {}
    for made, made_from in [*_steps(flow), *tables]:
        times = [path / TIME_OF_FOLDER for path in made]
        there = [path for path in (*made, *times) if path.exists()]
        if not there or recorded(made[0]):
            continue
        oldest = min(path.stat().st_mtime for path in there)
        newer = [path for path in made_from if path.exists() and path.stat().st_mtime > oldest]
        if newer and all(intact.setdefault(one, _is_whole(one)) for one in (*newer, *there)):
            for path in there:
                os.utime(path)


def _steps(flow: Workflow) -> Iterator[Step]:
    """Yield what each job has made but the tables; its benchmark counts, as Snakemake counts it."""
    read = Reader(flow)
    for one in comparisons(flow):
        patterns = _made_with(one.key)
        made = [read.path(one.key), *(read.filled(pattern, one.key) for pattern in patterns)]
        yield made, [read.path(key) for key in one.after]


def _made_with(key: Key) -> list[str]:
    pattern = PATTERNS[key[0]]
    rules = [RULES[pattern], *(["tune_blocks"] if key[0] == "head" else [])]
    rules += [layout.OF_DERIVED[rule] for rule in rules if rule in layout.OF_DERIVED]
    benchmarks = [layout.log_of(rule, pattern).removesuffix(".log") + ".tsv" for rule in rules]
    return [*benchmarks, *([layout.PREDICTIONS] if key[0] == "fragment" else [])]


def _is_whole(path: Path) -> bool:
    """Return whether a file is as it was written, as far as it carries a checksum."""
    try:
        if path.suffix == ".safetensors":
            read_arrays(path)
            return True
        content = read_json(path) if path.suffix == ".json" else {}
    except UserError:
        return False
    return "sha256" not in content or path.name == "validation.json" or checksum_matches(content)
