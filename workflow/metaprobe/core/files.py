"""Whole files or none: atomic writing, and reading that names the file that is broken."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.core.errors import UserError
from metaprobe.core.orphans import check_not_superseded

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROOM = 10**6  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
INTEGER_LIST = re.compile(r"\[\n\s*-?\d+(,\n\s*-?\d+)*\n\s*\]")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` if the block succeeds.

    What killed processes have left there is deleted.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        _make_place(path)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        check_not_superseded()
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path, last: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; move it to `path` if the block succeeds.

    Files of other names that are in `path` stay. Where there are some, files are moved one by one, the
    one called `last` at the end: where that is, everything is.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        _make_place(path)
        temporary.mkdir()
        yield temporary
        files = sorted(temporary.iterdir(), key=lambda one: (one.name == last, one.name))
        for one in files:
            with open(one, "rb") as file:
                os.fsync(file.fileno())
        check_not_superseded()
        if not path.is_dir() or not any(path.iterdir()):
            os.replace(temporary, path)
            return
        (path / last).unlink(missing_ok=True)
        for one in files:
            os.replace(one, path / one.name)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _make_place(path: Path) -> None:
    """Make the folder of `path`, and delete what killed processes have left there of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def cannot_write(path: str | Path, error: OSError) -> Exception:
    """The user's error for a disk that is full or may not be written to, or the error itself."""
    if error.errno in CLOSED:
        return UserError(
            f"{path} cannot be written ({error.strerror}): make its folder one that you may write to"
            " and start the run again"
        )
    if error.errno not in FULL:
        return error
    return UserError(
        f"{path} cannot be written ({error.strerror}): make room on its disk and start the run again"
    )


def check_room(folder: str | Path) -> None:
    """See that a run can at least begin to write below `folder`, which need not exist.

    Raises:
        UserError: the disk is full.
    """
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if shutil.disk_usage(there).free < LEAST_ROOM:
        raise UserError(
            f"{folder} is on a disk without {LEAST_ROOM // 10**6} MB of free space: make room there"
            " and start the run again"
        )


def check_writable(folder: str | Path) -> None:
    """See that files can be made below `folder`, which need not exist.

    Raises:
        UserError: it is no folder, or the user or the disk does not allow it.
    """
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise UserError(
            f"{folder} cannot be a folder, as {there} is a file: let pathvars name another place"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            f"{there} may not be written to: let pathvars name a folder for the results and logs"
            " where you may write"
        )


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_csv(path: str | Path, table: "pd.DataFrame") -> None:
    """Write the text that `csv_text` returns."""
    write_text(path, csv_text(table))


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table as CSV: numbers in full precision, NaN and None as empty cells."""
    return table.to_csv(index=False, lineterminator="\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, a list of integers on one line.

    NaN and infinity raise ValueError, as JSON has none.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, INTEGER_LIST.sub(lambda match: " ".join(match[0].split()), text) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise missing(path) from None
    except ValueError as error:
        raise broken(path, str(error)) from None


def write_checked_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` and its checksum as JSON."""
    write_json(path, with_checksum(content))


def read_checked_json(path: str | Path) -> dict[str, Any]:
    """Return what `write_checked_json` wrote, with its checksum.

    Raises:
        UserError: the file is missing, is not JSON, or does not match its checksum.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not checksum_matches(content):
        raise broken(path, "its content does not match its digest")
    return content


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def missing(path: str | Path) -> UserError:
    """Return the error for a file that the workflow has not written yet."""
    return UserError(f"{path} does not exist: start the run again to make it")


def broken(path: str | Path, reason: str) -> UserError:
    """Return the error for an intermediate file that cannot be what the workflow wrote."""
    return UserError(f"{path} is broken ({reason}): delete it and start the run again")


def digest_json(content: Any) -> str:
    """SHA-256 of `content` in canonical JSON (sorted keys, no blanks)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """Return `content` with the digest of everything else in it as `sha256`."""
    others = {key: value for key, value in content.items() if key != "sha256"}
    return content | {"sha256": digest_json(others)}


def checksum_matches(content: dict[str, Any]) -> bool:
    """Return whether the content is what `with_checksum` returned."""
    return content == with_checksum(content)


def digest_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(folder: str | Path, paths: Iterable[str | Path]) -> dict[str, str]:
    """Return the digests of files below a folder, by their names there."""
    return {Path(path).relative_to(folder).as_posix(): digest_file(path) for path in paths}
