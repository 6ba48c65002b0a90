"""Whole files or none: atomic writing, and reading that names the file that is broken."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.errors import UserError
from metaprobe.core.orphans import check_not_superseded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Arrays = dict[str, NDArray[Any]]
LEAST_ROOM = 10**6  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
UNSEALED = b"0" * 64  # stands for the digest of a file while that is computed
SEALED = re.compile(rb"sha256.{1,4}?([0-9a-f]{64})", re.DOTALL)  # between them is the length
INTEGER_LIST = re.compile(r"\[\n\s*-?\d+(,\n\s*-?\d+)*\n\s*\]")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` if the block succeeds.

    What killed processes have left there is deleted.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
            left.unlink(missing_ok=True)
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
            shutil.rmtree(left)
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


def write_parquet(
    path: str | Path, table: "pd.DataFrame", made_from: Mapping[str, str] | None = None
) -> None:
    """Write a table as Parquet with its digest; see `parquet_writer`."""
    import pandas as pd
    import pyarrow as pa

    types = [
        (name, pa.string() if pd.api.types.is_string_dtype(kind) else pa.from_numpy_dtype(kind))
        for name, kind in table.dtypes.items()
    ]
    content = pa.Table.from_pandas(table, pa.schema(types), preserve_index=False)
    with parquet_writer(path, pa.schema(types), made_from) as writer:
        writer.write_table(content)


@contextmanager
def parquet_writer(
    path: str | Path, schema: "pa.Schema", made_from: Mapping[str, str] | None = None
) -> Iterator["pq.ParquetWriter"]:
    """Yield a writer of a Parquet file that carries the digest of itself.

    Args:
        made_from: file, named from the results folder, -> its digest; of what the table was made.
    """
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            yield writer
            made = json.dumps(made_from or {}, sort_keys=True)
            writer.add_key_value_metadata({"made_from": made, "sha256": UNSEALED.decode()})
        content = bytearray(temporary.read_bytes())
        place = content.rindex(UNSEALED)
        content[place : place + len(UNSEALED)] = hashlib.sha256(content).hexdigest().encode()
        temporary.write_bytes(content)


def check_parquet(path: str | Path) -> dict[str, str]:
    """Return what a Parquet file was made from, once the file has proved to be as it was written.

    Raises:
        UserError: it is missing, or damaged, or has no digest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    *_, sealed = None, *SEALED.finditer(content)  # the last, as the metadata ends the file
    if sealed is None:
        raise broken(path, "it carries no digest: it is cut off, or no table of this program")
    unsealed = content[: sealed.start(1)] + UNSEALED + content[sealed.end(1) :]
    if hashlib.sha256(unsealed).hexdigest() != sealed[1].decode():
        raise broken(path, "its content does not match its digest")
    metadata = pq.read_metadata(pa.BufferReader(content)).metadata
    made_from: dict[str, str] = json.loads(metadata[b"made_from"])
    return made_from


def read_parquet(path: str | Path) -> "pd.DataFrame":
    """Read a Parquet table.

    Raises:
        UserError: the file is missing or damaged.
    """
    import pandas as pd

    check_parquet(path)
    return pd.read_parquet(path)


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


def digest_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes of `arrays`, whatever their order."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data.cast("B") if array.size else b"")
    return sha256.hexdigest()


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


def write_arrays(
    path: str | Path, arrays: Arrays, facts: Mapping[str, Any], *, of: str | None = None
) -> None:
    """Write named arrays and JSON `facts` about them as one safetensors file.

    The file carries a digest of both, which `read_arrays` checks.

    Args:
        of: see `write_rows`.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(facts, allow_nan=False)
    told = {"facts": text} if of is None else {"facts": text, "of": of}
    metadata = told | {"sha256": digest_json([*told.values(), digest_arrays(arrays)])}
    with replacing(path) as temporary:
        temporary.write_bytes(save(arrays, metadata=metadata))


def write_rows(
    path: str | Path,
    of: str | Path,
    rows: Mapping[str, str],
    arrays: Arrays,
    facts: Mapping[str, Any],
) -> None:
    """Write rows of the arrays of another file, `of`, without copying them: an index.

    What `read_arrays` returns of it is all that the other file holds, of some arrays these rows only, and
    `arrays` in place of those of the same names. Both files may be moved together.

    Args:
        rows: name of an array of the other file -> name in `arrays` of the indices of its rows.
    """
    other = os.path.relpath(of, Path(path).parent)
    told = {"file": Path(other).as_posix(), "sha256": _metadata(of)["sha256"], "rows": rows}
    write_arrays(path, arrays, facts, of=json.dumps(told))


def read_facts(path: str | Path) -> dict[str, Any]:
    """Return the facts that `write_arrays` wrote, from the file's header; the arrays are not read.

    Raises:
        UserError: the file is missing, or is not what `write_arrays` writes.
    """
    facts: dict[str, Any] = json.loads(_metadata(path)["facts"])
    return facts


def _metadata(path: str | Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            json.loads(metadata["facts"])
    except FileNotFoundError:
        raise missing(path) from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise broken(path, str(error)) from None
    return metadata


def read_arrays(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write_arrays` or `write_rows` wrote: the arrays and the facts.

    Raises:
        UserError: the file is missing, truncated, or does not match its digest, or it has rows of a
            file that is no longer what it was.
    """
    arrays, metadata = _open_arrays(path)
    if "of" in metadata:
        arrays = _with_rows(path, arrays, json.loads(metadata["of"]))
    return arrays, json.loads(metadata["facts"])


def _with_rows(path: str | Path, own: Arrays, of: Mapping[str, Any]) -> Arrays:
    other = Path(path).parent / of["file"]
    arrays, metadata = _open_arrays(other)
    if metadata["sha256"] != of["sha256"] or "of" in metadata:
        raise broken(path, f"it has rows of another file than {other} is now")
    try:
        return select_rows(arrays, of["rows"], own)
    except (KeyError, IndexError) as error:
        raise broken(path, f"{other} has no such rows: {error}") from None


def select_rows(arrays: Arrays, rows: Mapping[str, str], own: Arrays) -> Arrays:
    """Return the arrays of a file that `write_rows` writes, given those of the other one."""
    chosen = {name: arrays[name][own[index]] for name, index in rows.items()}
    others = {name: array for name, array in own.items() if name not in rows.values()}
    return {**arrays, **chosen, **others}


def _open_arrays(path: str | Path) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays that a file holds itself, and its metadata, proved to be as they were written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        told, expected = [metadata["facts"]], metadata["sha256"]
    except FileNotFoundError:
        raise missing(path) from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise broken(path, str(error)) from None
    told += [metadata["of"]] if "of" in metadata else []
    if digest_json([*told, digest_arrays(arrays)]) != expected:
        raise broken(path, "its content does not match its digest")
    return arrays, metadata
