"""Where results lie: a folder, a .zip of it, or a URL of such a .zip; a file at a time comes out of it."""

import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from metaprobe.core.errors import UserError

# A folder that has none of these is no folder of results.
SIGNS = (
    *("experiments.parquet", "basic_representations.parquet", "sweep.parquet"),
    *("metrics", "features", "subsets", "descriptions", "sweep"),
)
# How the files in those folders are called; a sign that is no folder is a file.
SHAPES = {
    "metrics": "metrics/*/*.json",
    "features": "features/*/*.safetensors",
    "subsets": "subsets/*.json",
    "descriptions": "descriptions/*.json",
    "sweep": "sweep/*/*.parquet",
}
PATIENCE = 60  # seconds without a byte
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Folder:
    """Results in a folder."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self.root = root

    def path(self, name: str) -> Path | None:
        """Return the file of a name in the results; None if there is none."""
        path = self.root / name
        return path if path.is_file() else None

    def names(self, pattern: str) -> list[str]:
        """Return the names of the files that match `metrics/*/*.json`, sorted."""
        found = (path.relative_to(self.root) for path in self.root.glob(pattern))
        return sorted(path.as_posix() for path in found if not path.name.startswith("."))


class Zip:
    """Results in a .zip: each file is unpacked when it is asked for, and deleted with this object."""

    def __init__(self, file: Path, name: str) -> None:
        """Raises a UserError if the file is no .zip, or has no results in it."""
        self.name = name
        try:
            self.archive = zipfile.ZipFile(file)
        except (*DAMAGED, OSError) as error:
            raise UserError(f"{name} is no whole .zip ({error}): fetch it again") from None
        files = [one for one in self.archive.namelist() if _is_safe(one)]
        prefix = _prefix(files)
        if prefix is None:
            raise UserError(f"{name} has no results in it: a .zip of a folder of results has")
        self.members = {one.removeprefix(prefix): one for one in files if one.startswith(prefix)}
        self.root = Path(tempfile.mkdtemp(prefix="metaprobe-"))
        weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)

    def path(self, name: str) -> Path | None:
        """Return the file of a name in the results; None if there is none.

        Raises:
            UserError: it is damaged.
        """
        path = self.root / name
        if path.is_file() or name not in self.members:
            return path if path.is_file() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f".{path.name}")
        try:
            with self.archive.open(self.members[name]) as packed, open(whole, "wb") as file:
                shutil.copyfileobj(packed, file)
        except DAMAGED as error:
            raise UserError(f"{self.name}: {name} is damaged ({error}): fetch it again") from None
        return whole.rename(path)

    def names(self, pattern: str) -> list[str]:
        """Return the names of the files that match `metrics/*/*.json`, sorted."""
        depth = pattern.count("/")
        alike = (name for name in self.members if name.count("/") == depth)
        return sorted(name for name in alike if PurePosixPath(name).match(pattern))


Place = Folder | Zip


def find(results: str | Path) -> Place:
    """Return the place that a path or a URL names.

    Raises:
        UserError: there is nothing, or no results are in it.
    """
    if str(results).startswith(("http://", "https://")):
        return _download(str(results))
    path = Path(results).expanduser()
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise UserError(
            f"{path} does not exist: name a folder of results, a .zip of it, or its URL"
        )
    return Zip(path, str(path))


def _folder(path: Path) -> Folder:
    if _is_results(path):
        return Folder(path)
    below = sorted(p for p in (*path.glob("*"), *path.glob("*/*")) if _is_results(p))
    hint = f"{below[0]} is one" if below else "`snakemake --cores 4` in the checkout makes one"
    raise UserError(f"{path} is no folder of results: {hint}")


def _is_results(path: Path) -> bool:
    return path.is_dir() and any((path / sign).exists() for sign in SIGNS)


def _is_safe(name: str) -> bool:
    """Return whether an entry is a file that unpacks to below the folder it is unpacked to."""
    parts = PurePosixPath(name).parts
    return not name.endswith("/") and ".." not in parts and not name.startswith("/")


def _prefix(names: Iterable[str]) -> str | None:
    """Return what stands before the names of results in a .zip: nothing, or its folder; None: no results.

    As the folder itself may be called `sweep` or `features`, and a data set as well, it is the one
    with most kinds of results below it, each where a run writes it; then the one with most signs.
    """
    signs: dict[str, set[str]] = {}
    whole: dict[str, set[str]] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        for depth, part in enumerate(parts):
            if part in SIGNS:
                prefix = "".join(f"{one}/" for one in parts[:depth])
                signs.setdefault(prefix, set()).add(part)
                whole.setdefault(prefix, set()).update(_shapes(parts[depth:]))

    def worth(prefix: str) -> tuple[int, int, int, str]:
        return -len(whole[prefix]), -len(signs[prefix]), prefix.count("/"), prefix

    return min(signs, key=worth, default=None)


def _shapes(parts: Sequence[str]) -> list[str]:
    """Return the pattern that a name in results matches, in a list; an empty one if it is of none."""
    shape = SHAPES.get(parts[0], parts[0])
    alike = len(parts) == shape.count("/") + 1 and PurePosixPath(*parts).match(shape)
    return [shape] if alike else []


def _download(url: str) -> Zip:
    """Return the .zip at a URL, kept as long as it is in use."""
    folder = Path(tempfile.mkdtemp(prefix="metaprobe-"))
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "metaprobe"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            expected = answer.headers.get("Content-Length")
            with open(folder / "results.zip", "wb") as file:
                shutil.copyfileobj(answer, file)
                got = file.tell()
        if expected is not None and got != int(expected):
            raise UserError(
                f"{url}: the connection broke after {got} of {expected} bytes: try again"
            )
        place = Zip(folder / "results.zip", url)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError(f"{url} cannot be fetched ({error}): look whether it opens") from None
    except UserError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(place, shutil.rmtree, folder, ignore_errors=True)
    return place
