"""The types of texts that name files, folders and addresses, and of those that go into tables."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from posixpath import normpath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from metaprobe.config.model import refusal

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line feeds among them
FORMULAS = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet computes
INSIDE = "a path inside of the folder it is relative to: no .., no / or drive at its start"


def leads_outside(path: str) -> bool:
    """Return whether a path may lead out of the folder that it is relative to, on any system.

    A path that is not one line of text counts as such.
    """
    if re.search(r"[\0\n]", path):
        return True
    ways = PurePosixPath(path), PureWindowsPath(path)
    return any(way.anchor or ".." in way.parts for way in ways)


def _inside(path: str) -> str:
    if leads_outside(path) or CONTROL.search(path):
        raise refusal(INSIDE)
    return path


def _file_inside(path: str) -> str:
    if not PurePosixPath(path).name:
        raise refusal(f"the name of a file, {INSIDE}")
    return _inside(path)


def _place(path: str) -> str:
    if not path.strip() or CONTROL.search(path):
        raise refusal("a path, on one line")
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise refusal(f"a path; this machine has no user {path[1:].partition('/')[0]}") from None
    return path


def _own_folder(path: str) -> str:
    """A folder that Snakemake's rules write to: it expands no `~`, and reads {} as wildcards."""
    if not path.strip() or CONTROL.search(path) or normpath(path) in ("/", "//"):
        raise refusal("a folder of its own, such as results")
    if path.startswith("~") or re.search(r"[{}]", path):
        raise refusal("a folder without { and }, written out where ~ would stand")
    return path


def _address(url: str) -> str:
    allowed = refusal("an address that begins with http:// or https://, without blanks")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise allowed from None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise allowed
    if CONTROL.search(url):
        raise allowed
    return url


def _cell(text: str) -> str:
    if CONTROL.search(text) or text.lstrip().startswith(FORMULAS):
        begins = ", ".join(FORMULAS[:-1]) + f" or {FORMULAS[-1]}"
        raise refusal(f"one line that does not begin with {begins}, as a spreadsheet would run it")
    return text


Place = Annotated[str, AfterValidator(_place)]
Inside = Annotated[str, AfterValidator(_inside)]
FileInside = Annotated[str, AfterValidator(_file_inside)]
OwnFolder = Annotated[str, AfterValidator(_own_folder)]
Address = Annotated[str, AfterValidator(_address)]
Cell = Annotated[str, AfterValidator(_cell)]
