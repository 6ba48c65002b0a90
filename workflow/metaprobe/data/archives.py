"""Unpacking archives without letting them write outside their folder, or fill the disk."""

import gzip
import lzma
import math
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

from metaprobe.config.places import leads_outside
from metaprobe.core.errors import UserError

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
UNPACKING_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
BLOCK = 2**20


class Room:
    """Bytes that archives may still unpack to; those of a source share one."""

    def __init__(self, size: float) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Take away what is unpacked next; a TooLarge error if it is more than there is."""
        self.left -= size
        if self.left < 0:
            raise TooLarge


class TooLarge(Exception):
    """An archive unpacks to more than was said."""


def unpack(archive: Path, folder: Path, room: Room | None = None) -> None:
    """Unpack a zip or tar archive, or a single .gz file, into `folder`; its name tells which it is.

    Args:
        room: what it may unpack to; absent: anything.

    Raises:
        UserError: the archive is of another kind, is broken, holds a path, a link or a device that
            leads out of `folder`, or more than there is room for.
    """
    room = room or Room(math.inf)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.endswith(".zip"):
            _unpack_zip(archive, folder, room)
        elif archive.name.endswith(TAR_ENDINGS):
            _unpack_tar(archive, folder, room)
        elif archive.name.endswith(".gz"):
            _unpack_gz(archive, folder, room)
        else:
            kinds = ", ".join((".zip", *TAR_ENDINGS, ".gz"))
            raise UserError(f"{archive} cannot be unpacked: its name ends with none of {kinds}")
    except TooLarge:
        raise UserError(
            f"{archive} is not unpacked: it holds more than the extracted_mb of its source allows;"
            " if it is the right file, correct extracted_mb in datasets.yaml"
        ) from None
    except (*UNPACKING_ERRORS, EOFError, OSError, RuntimeError) as error:
        # Broken bytes are an OSError without a number; a disk that is full has one.
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(
            f"{archive} cannot be unpacked ({error}): delete it and start again"
        ) from None


def _unpack_zip(archive: Path, folder: Path, room: Room) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if leads_outside(member.filename):
                raise zipfile.BadZipFile(f"{member.filename!r} would be written outside {folder}")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise zipfile.BadZipFile(f"{member.filename!r} is a link")
            room.take(member.file_size)  # no more is read of it, whatever it unpacks to
        packed.extractall(folder)


def _unpack_tar(archive: Path, folder: Path, room: Room) -> None:
    def check(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        if leads_outside(member.name.lstrip("/")):  # the filter takes a leading / away
            raise tarfile.ReadError(f"{member.name!r} would be written outside {folder}")
        room.take(member.size)
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter=check)


def _unpack_gz(archive: Path, folder: Path, room: Room) -> None:
    with gzip.open(archive) as packed, open(folder / archive.stem, "wb") as unpacked:
        while block := packed.read(BLOCK):
            room.take(len(block))
            unpacked.write(block)
