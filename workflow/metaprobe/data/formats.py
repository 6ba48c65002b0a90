"""Whether a file is as long as it says itself: idx, HDF5 and MATLAB's MAT-5."""

import math
import struct
from pathlib import Path
from typing import BinaryIO

IDX_ITEM_BYTES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
IDX_NAMES = ("-ubyte", "-idx2-int")
MAT_ORDERS = {b"IM": "<", b"MI": ">"}


def flaw(path: Path) -> str | None:
    """Return how a file is not what its format asks for; None if it is, or the format does not tell."""
    if path.suffix == ".h5":
        return _hdf5_flaw(path)
    if not path.name.endswith((".mat", *IDX_NAMES)):
        return None
    size = path.stat().st_size
    with open(path, "rb") as file:
        try:
            end = _mat_end(file, size) if path.suffix == ".mat" else _idx_end(file)
        except struct.error:
            return f"it is cut off: it has {size:,} bytes and ends within a header"
    if end is None:
        return None if path.suffix == ".mat" else "it does not begin as an idx file does"
    return f"it is cut off: it has {size:,} bytes, not {end:,}" if size < end else None


def _hdf5_flaw(path: Path) -> str | None:
    import h5py

    try:
        with h5py.File(path):
            return None
    except OSError as error:
        return str(error)


def _idx_end(file: BinaryIO) -> int | None:
    zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
    if zeros or kind not in IDX_ITEM_BYTES:
        return None
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    end: int = 4 + 4 * dimensions + math.prod(shape) * IDX_ITEM_BYTES[kind]
    return end


def _mat_end(file: BinaryIO, size: int) -> int | None:
    """Follow the elements, each of which begins with its length; None for other versions of MAT."""
    order = MAT_ORDERS.get(struct.unpack("126x2s", file.read(128))[0])
    if order is None:
        return None
    end = 128
    while end < size:
        file.seek(end)
        _, length = struct.unpack(f"{order}II", file.read(8))
        end += 8 + int(length)
    return end
