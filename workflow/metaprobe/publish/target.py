"""The folder that a release is written to: replaced whole, with checksums, the same bytes each time."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.core.files import cannot_write, digest_file, read_json

SUMS = "SHA256SUMS"
MARK = "release.json"  # in every release and every export
MADE_BY = "metaprobe publish"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # an archive knows no time before it
MODE = 0o100644 << 16  # rw-r--r--, of a file


def check_target(folder: Path) -> None:
    """See that nothing of anybody else is at `folder`.

    Raises:
        UserError: it is a file, or a folder that is not empty and no former release as it was written.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_marked(folder):
        raise UserError(
            f"{folder} is there and is no former release: name an empty or a new folder"
        )
    if changed := changed_in(folder):
        raise UserError(
            f"{folder} is a former release that was changed since it was written ({changed}), and is"
            " left alone: name an empty or a new folder"
        )


def is_marked(folder: Path) -> bool:
    """Return whether `metaprobe publish` says in a folder that it has written it."""
    if not (folder / MARK).is_file():
        return False
    try:
        told = read_json(folder / MARK)
    except UserError:
        return False
    return isinstance(told, dict) and told.get("made_by") == MADE_BY


def changed_in(folder: Path) -> str:
    """Return a file that is not as `SHA256SUMS` in the folder says, or not named there, or missing.

    Empty if there is none: then nothing is lost that the same command would not write again.
    """
    named = read_sums(folder / SUMS)
    there = {*names_in(folder)} - {SUMS}
    # a link is never written, and what it leads to is not ours
    links = (one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_symlink())
    if differs := sorted({*links} | (there ^ named.keys())):
        return differs[0]
    return next((name for name in sorted(there) if digest_file(folder / name) != named[name]), "")


def read_sums(path: Path) -> dict[str, str]:
    """Return file -> its digest, as `write_sums` wrote them; nothing if the file is missing."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line[66:]: line[:64] for line in lines}


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
