"""Results that came from elsewhere: their files get times in the order in which they were made."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.core.files import checksum_matches, read_arrays, read_json
from metaprobe.operations.outdated import Reader, comparisons
from metaprobe.operations.workflow import Workflow


def restore_order(flow: Workflow, tables: Sequence[Path], recorded: Callable[[Path], bool]) -> None:
    """Give files that came from elsewhere times in the order in which they were made.

    A copy may leave a file older than what it was made from, and Snakemake would make it again.
    Only files that nothing was recorded of are touched, that agree with the run, and that are as
    they were written; call it after `find_outdated` found nothing.

    Args:
        tables: those of the run, in the order in which they are made.
        recorded: whether Snakemake has a record of the making of a file.
    """
    read = Reader(flow)
    chain = [
        (read.path(one.key), [read.path(key) for key in one.after]) for one in comparisons(flow)
    ]
    chain += [
        (table, [*(path for path, _ in chain), *tables[:number]])
        for number, table in enumerate(tables)
    ]
    intact: dict[Path, bool] = {}
    for path, made_from in chain:
        if not path.exists() or recorded(path):
            continue
        newer = [
            one for one in made_from if one.exists() and one.stat().st_mtime > path.stat().st_mtime
        ]
        if newer and all(intact.setdefault(one, _is_whole(one)) for one in (*newer, path)):
            os.utime(path)


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
