"""The folder that a release is written to: replaced whole, with checksums, the same bytes each time."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.core.files import cannot_write, digest_file

SUMS = "SHA256SUMS"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # an archive knows no time before it
MODE = 0o100644 << 16  # rw-r--r--, of a file


def check_target(folder: Path) -> None:
    """See that nothing of anybody else is at `folder`.

    Raises:
        UserError: it is a file, or has files that are not of a former release.
    """
    if folder.is_dir() and (not any(folder.iterdir()) or is_former(folder)):
        return
    if folder.exists():
        raise UserError(
            f"{folder} is there and is no former release: name an empty or a new folder"
        )


def is_former(folder: Path) -> bool:
    """Return whether a folder holds what `SHA256SUMS` in it names, and nothing else."""
    if not (folder / SUMS).is_file():
        return False
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {SUMS, *(line[66:] for line in lines)} >= {*names_in(folder)}


def names_in(folder: Path) -> list[str]:
    """Return the files below a folder, by their names there, sorted."""
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()
    )


@contextmanager
def replacing_release(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, which takes its place if the block succeeds.

    Raises:
        UserError: see `check_target`; or the disk is full, or may not be written to.
    """
    folder = folder.absolute()
    check_target(folder)
    new, old = (folder.with_name(f".{folder.name}.{what}.tmp") for what in ("new", "old"))
    try:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file, as `sha256sum --check` reads them."""
    names = [name for name in names_in(folder) if name != SUMS]
    lines = [f"{digest_file(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="")


def write_zip(folder: Path, name: str) -> None:
    """Write all files of a folder into a zip in it: same content, same bytes."""
    names = names_in(folder)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in names:
            entry = zipfile.ZipInfo(one, EARLIEST)
            entry.external_attr, entry.compress_type = MODE, zipfile.ZIP_DEFLATED
            with open(folder / one, "rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target)
