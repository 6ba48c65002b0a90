"""Digests of files in the data folder, computed once: remembered by size and time."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.core.files import (read_checked_json, write_checked_json)

MEMORY = ".digests.json"
Digest = Callable[[Path, str], str]
Remembered = dict[str, list[int | str]]  # path and algorithm → size, time, digest


def digest_of(path: Path, algorithm: str) -> str:
    """Return the digest of a file as hexadecimal digits."""
    # Computers in FIPS mode refuse MD5 unless told that no secret depends on it.
    new = partial(hashlib.new, algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, new).hexdigest()


def remembered_in(data: Path) -> Digest:
    """Return a `digest_of` that computes nothing again of a file with the same size and time.

    What it knows is kept in `.digests.json` in the data folder, if that may be written to.
    """

    def digest(path: Path, algorithm: str) -> str:
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns]
        key = f"{path.relative_to(data).as_posix()} {algorithm}"
        if (known := _read(data).get(key)) and known[:2] == stamp:
            return str(known[2])
        computed = digest_of(path, algorithm)
        # Read again, as hashing takes minutes, in which another process may have added to it.
        _write(data, _read(data) | {key: [*stamp, computed]})
        return computed

    return digest


def _read(data: Path) -> Remembered:
    try:
        content: Remembered = read_checked_json(data / MEMORY)
    except UserError:  # there is none, or it is damaged: all is computed again
        return {}
    return {key: value for key, value in content.items() if key != "sha256"}


def _write(data: Path, content: Remembered) -> None:
    try:
        write_checked_json(data / MEMORY, dict(sorted(content.items())))
    except (OSError, UserError) as error:
        print(f"digests are not remembered, so they will be computed each time: {error}")
