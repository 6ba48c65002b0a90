"""Unpacking archives without letting them write outside their folder."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from metaprobe.core.errors import UserError

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
UNPACKING_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
BLOCK = 2**20


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive, or a single .gz file, into `folder`; its name tells which it is.

    Raises:
        UserError: the archive is of another kind, is broken, or holds a path, a link or a device
            that leads out of `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.endswith(".zip"):
            _unpack_zip(archive, folder)
        elif archive.name.endswith(TAR_ENDINGS):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        elif archive.name.endswith(".gz"):
            with gzip.open(archive) as packed, open(folder / archive.stem, "wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, BLOCK)
        else:
            kinds = ", ".join((".zip", *TAR_ENDINGS, ".gz"))
            raise UserError(f"{archive} cannot be unpacked: its name ends with none of {kinds}")
    except (*UNPACKING_ERRORS, EOFError, OSError, RuntimeError) as error:
        # Broken bytes are an OSError without a number; a disk that is full has one.
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(
            f"{archive} cannot be unpacked ({error}): delete it and start again"
        ) from None


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            # Read as Windows does, a path may leave the folder by a drive or a backslash as well.
            path = PureWindowsPath(member.filename)
            if path.anchor or ".." in path.parts:
                raise zipfile.BadZipFile(f"{member.filename!r} would be written outside {folder}")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise zipfile.BadZipFile(f"{member.filename!r} is a link")
        packed.extractall(folder)
