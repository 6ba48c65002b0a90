"""Whether results are as they were written: the digests of their tables and of what those were made from."""

from collections.abc import Mapping
from pathlib import Path

from metaprobe.core.arrays import digest_arrays, read_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import digest_file, read_checked_json
from metaprobe.core.parquet import check_parquet
from metaprobe.operations.verify.proofs import proofs_of_tables


def check_digests(folder: Path) -> None:
    """See that the tables in a folder are as they were written, and made from the files that are there.

    What has been deleted since, as features to save room, is not missed.

    Raises:
        UserError: one is not; it is named.
    """
    for _, name, proof in proofs_of_tables():
        path = folder / name
        if path.is_file():
            proof(path)
            check_origins(folder, path)


def check_origins(folder: Path, path: Path) -> None:
    """See that a table was made from the files that are there.

    Raises:
        UserError: it was made from others, or one of them is damaged.
    """
    for name, digest in _made_from(path).items():
        if (folder / name).is_file() and digest not in _digests(folder / name):
            raise UserError(
                f"{path} was made from another {name} than is there: start the run again to make it"
            )


def _made_from(path: Path) -> Mapping[str, str]:
    if path.suffix == ".parquet":
        return check_parquet(path)
    made_from: Mapping[str, str] = {}
    if path.suffix == ".json":
        made_from = read_checked_json(path).get("made_from", {})
    return made_from


def _digests(path: Path) -> set[str]:
    """Return the digests by which a file may be named: of its bytes, and of its content."""
    found = {digest_file(path)}
    if path.suffix == ".json":
        found.add(read_checked_json(path)["sha256"])
    if path.suffix == ".safetensors":
        found.add(digest_arrays(read_arrays(path)[0]))
    return found
