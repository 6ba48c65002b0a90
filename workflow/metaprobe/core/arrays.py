"""Named arrays and facts about them as one file with its digest, or as rows of another one's."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.files import broken, digest_json, missing, replacing

Arrays = dict[str, NDArray[Any]]


def digest_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes of `arrays`, whatever their order."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data.cast("B") if array.size else b"")
    return sha256.hexdigest()


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


def reindex(path: str | Path) -> None:
    """Let what `write_rows` wrote have rows of the other file as that is now; leave other files alone.

    For a file that was replaced by one of the same arrays, computed at another time.

    Raises:
        UserError: a file is missing or broken.
    """
    if "of" not in (metadata := _metadata(path)):
        return
    of = json.loads(metadata["of"])
    other = Path(path).parent / of["file"]
    if _metadata(other)["sha256"] != of["sha256"]:
        write_rows(path, other, of["rows"], _open_arrays(path)[0], json.loads(metadata["facts"]))


def read_facts(path: str | Path) -> dict[str, Any]:
    """Return the facts that `write_arrays` wrote, from the file's header; the arrays are not read.

    Raises:
        UserError: the file is missing, or is not what `write_arrays` writes.
    """
    facts: dict[str, Any] = json.loads(_metadata(path)["facts"])
    return facts


def rows_of(path: str | Path) -> Path | None:
    """Return the file that this one has rows of, where `write_rows` wrote it.

    Raises:
        UserError: the file is missing, or is not what `write_arrays` writes.
    """
    of = _metadata(path).get("of")
    return (
        None if of is None else Path(os.path.normpath(Path(path).parent / json.loads(of)["file"]))
    )


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
