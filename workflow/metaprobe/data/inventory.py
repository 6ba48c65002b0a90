"""The files of a source below the data folder: counted, and compared with what is known of them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from glob import escape
from pathlib import Path

from metaprobe.config.sources import (Content, Source)
from metaprobe.data.digests import Digest, digest_of
from metaprobe.data.formats import flaw

CLUTTER = ("__macosx", "thumbs.db", "desktop.ini")
SHOWN = 3
Sizes = Mapping[str, int]  # path, relative to the data folder → bytes


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is none of the data's: `._a.jpg`, `.DS_Store`, `Thumbs.db`, `__MACOSX`."""
    return name.startswith(".") or name.lower() in CLUTTER


def matching(pattern: str, *folders: Path) -> dict[str, int]:
    """Return the path of each file below `folders` that matches `pattern`, and its bytes, in order.

    Paths are relative, as if the folders were merged. Hidden files do not count.
    """
    found = {}
    for folder in folders:
        for path in folder.glob(pattern):
            relative = path.relative_to(folder)
            if not any(map(is_hidden, relative.parts)) and path.is_file():
                found[relative.as_posix()] = path.stat().st_size
    return dict(sorted(found.items()))


def counted(pattern: str, *folders: Path) -> dict[str, int]:
    """Return the same without empty files, which are what a failed copy leaves."""
    return {path: size for path, size in matching(pattern, *folders).items() if size}


def missing_files(entry: Source, *folders: Path) -> list[str]:
    """Return what of `provides` is not there: one sentence per pattern whose count differs.

    Where there is no download, more files than expected are the user's own affair.

    Args:
        folders: counted as if they were merged.
    """
    sentences = []
    for pattern, expected in entry.provides.items():
        found = counted(pattern, *folders)
        if len(found) < expected or (len(found) > expected and entry.files):
            surplus = _unlike_the_others(found)[:SHOWN] if len(found) > expected else []
            named = f" (look at {', '.join(surplus)})" if surplus else ""
            sentences.append(f"{pattern} matches {len(found):,} files, not {expected:,}{named}")
    return sentences


def has_surplus(entry: Source, folder: Path) -> bool:
    """Return whether a source that is fetched has more files than it should."""
    counts = entry.provides.items() if entry.files else ()
    return any(len(counted(pattern, folder)) > expected for pattern, expected in counts)


def sizes_of(entry: Source, data: Path) -> dict[str, int]:
    """Return the size of each file that a source provides."""
    return {path: size for one in entry.provides for path, size in matching(one, data).items()}


def damaged_files(
    entry: Source, data: Path, noted: Sizes | None = None, digest: Digest = digest_of
) -> Iterator[tuple[str, str]]:
    """Yield the path of each file that is not what it should be, and how one can tell.

    Compared are the size and the digests that the entry knows of it, the size by its own header,
    and the size that it had when the source was complete.

    Args:
        noted: these sizes.
    """
    known, noted = known_files(entry, data), noted or {}
    for path in dict.fromkeys([*known, *sizes_of(entry, data)]):
        file = data / path
        size = file.stat().st_size
        reason = mismatch(file, known.get(path, Content()), digest) or (flaw(file) if size else None)
        if reason is None and size != noted.get(path, size):
            reason = f"it has {size:,} bytes, and had {noted[path]:,} when it was complete"
        if reason:
            yield path, reason


def known_files(entry: Source, data: Path) -> dict[str, Content]:
    """Return what is known of single files as they lie on the disk, by their paths."""
    direct = {escape(file.name): file for file in entry.files if file.extract_to is None}
    patterns = {**direct, **entry.contents}
    return {path: facts for one, facts in patterns.items() for path in matching(one, data)}


def mismatch(path: Path, facts: Content, digest: Digest = digest_of) -> str | None:
    """Return how the file at `path` differs from its `bytes`, `md5` and `sha256`; None if it does not."""
    size = path.stat().st_size if path.is_file() else 0
    if facts.bytes not in (None, size):
        return f"it has {size:,} bytes, not {facts.bytes:,}"
    for algorithm, expected in facts.digests().items():
        if (found := digest(path, algorithm)) != expected:
            return f"its {algorithm.upper()} is {found}, not {expected} ({size:,} bytes)"
    return None


def _unlike_the_others(paths: Mapping[str, int]) -> list[str]:
    """Return paths, those first whose name, but for its numbers, is the rarest in its folder."""
    shapes = {path: re.sub(r"\d+", "0", path) for path in paths}
    counts = Counter(shapes.values())
    return sorted(paths, key=lambda path: counts[shapes[path]])
