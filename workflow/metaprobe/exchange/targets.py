"""Where a bundle or a page may be written: to a new file, or to one of its own kind."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.exchange.bundle import CONTENTS

MADE_BY = b"Made by <code>metaprobe compare</code>."  # as compare.html ends


def check_bundle_target(target: Path) -> None:
    """See that a bundle may be written to `target`.

    Raises:
        UserError: its name does not end in .zip, which nothing would read; or what is there is no bundle.
    """
    _check(target, (".zip",), _is_bundle, "a bundle")


def check_page_target(target: Path) -> None:
    """See that the page of a comparison may be written to `target`.

    Raises:
        UserError: its name does not end in .html; or what is there is no page of a comparison.
    """
    _check(target, (".html", ".htm"), _is_page, "a page of `metaprobe compare`")


def _check(
    target: Path, endings: tuple[str, ...], is_own: Callable[[Path], bool], what: str
) -> None:
    if target.is_dir():
        raise UserError(
            f"{target} is a folder: name a file in it, such as {target / 'new'}{endings[0]}"
        )
    if target.suffix not in endings:
        raise UserError(f"{target} does not end in {endings[0]}: name it {target.name}{endings[0]}")
    if target.exists() and not is_own(target):
        raise UserError(f"{target} is there already and is not {what}: name another file")


def _is_bundle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return CONTENTS in packed.namelist()
    except zipfile.BadZipFile:
        return False


def _is_page(path: Path) -> bool:
    return path.is_file() and MADE_BY in path.read_bytes()
