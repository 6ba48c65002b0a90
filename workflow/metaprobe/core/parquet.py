"""Tables as Parquet files that carry the digest of themselves."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from metaprobe.core.files import broken, missing, replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

UNSEALED = b"0" * 64  # stands for the digest of a file while that is computed
SEALED = re.compile(rb"sha256.{1,4}?([0-9a-f]{64})", re.DOTALL)  # between them is the length


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
