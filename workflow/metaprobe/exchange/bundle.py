"""A bundle: what of a run is enough to make its tables again, and to check it, as one zip file."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from metaprobe.core.errors import UserError
from metaprobe.core.files import (
    digest_file,
    digest_files,
    read_checked_json,
    replacing,
    write_checked_json,
)
from metaprobe.data.archives import unpack
from metaprobe.exchange.holdings import holdings
from metaprobe.exchange.kinds import SMALL
from metaprobe.exchange.merge import choose

CONTENTS = "bundle.json"  # name -> digest of each other file
FORMAT = 1
MOST_TIMES = 100  # what a bundle unpacks to, of its own size


def write_bundle(results: Path, bundle: Path) -> list[str]:
    """Write a bundle of a results folder; return the names of its files.

    The same results give the same bytes.

    Raises:
        UserError: the results are damaged or not of one run, or the bundle cannot be written.
    """
    items = choose([holdings(results, results, SMALL)]).items
    files = digest_files(results, (results / name for name in sorted(items)))
    with TemporaryDirectory(prefix="metaprobe-bundle-") as temporary, replacing(bundle) as path:
        contents = Path(temporary, CONTENTS)
        write_checked_json(contents, {"format": FORMAT, "files": files})
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in (CONTENTS, *files):
                origin = contents if name == CONTENTS else results / name
                member = zipfile.ZipInfo(name)  # of 1980, whenever it is made
                member.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(member, origin.read_bytes())
    return [*files]


@contextmanager
def opened(origin: Path) -> Iterator[Path]:
    """Yield the results folder that a user means: itself, or what a bundle unpacks to.

    Raises:
        UserError: it is neither.
    """
    if origin.is_dir():
        yield origin
    elif origin.suffix == ".zip" and origin.is_file():
        with TemporaryDirectory(prefix="metaprobe-bundle-") as temporary:
            _check_size(origin)
            unpack(origin, Path(temporary))
            _check_contents(origin, Path(temporary))
            yield Path(temporary)
    else:
        raise UserError(f"{origin} is neither a results folder nor a bundle (.zip)")


def _check_size(bundle: Path) -> None:
    """Refuse an archive that would fill the disk, as a stranger's may."""
    try:
        with zipfile.ZipFile(bundle) as packed:
            size = sum(one.file_size for one in packed.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{bundle} cannot be read ({error}): ask for it again") from None
    if size > MOST_TIMES * bundle.stat().st_size:
        raise UserError(f"{bundle} would unpack to {size / 1e6:,.0f} MB: it is no bundle")


def _check_contents(bundle: Path, folder: Path) -> None:
    """See that an unpacked bundle is what `write_bundle` wrote."""
    if not (folder / CONTENTS).is_file():
        raise UserError(f"{bundle} is no bundle of `metaprobe contribute`: it has no {CONTENTS}")
    told = read_checked_json(folder / CONTENTS)
    if told.get("format") != FORMAT:
        raise UserError(f"{bundle} is a bundle of format {told.get('format')}; this reads {FORMAT}")
    there = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    names = [*there.symmetric_difference([CONTENTS, *told["files"]])]
    names += [
        one
        for one, digest in told["files"].items()
        if one in there and digest_file(folder / one) != digest
    ]
    if names:
        raise UserError(
            f"{bundle}: {min(names)} is not as it was bundled: ask for the bundle again"
        )
