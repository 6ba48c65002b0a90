"""Which configuration `metaprobe fit` trains on a folder of pictures."""

import difflib
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, read_checked_json
from metaprobe.operations.flow.workflow import Workflow

SHOWN = 6


def choose(
    flow: Workflow, declared: Collection[str], named: str | None, *, advised: bool
) -> tuple[str, str]:
    """Return a configuration for the new data set of a run, and why it is this one.

    Advice goes before a recommendation: what it names was tried on these very pictures, or it says that
    it was not.

    Args:
        declared: all configurations.
        named: the one that the user asks for.
        advised: the user asks for the one of the advice, and for no other.

    Raises:
        UserError: it is not declared, or nothing says which.
    """
    if named is not None:
        return _known(named, declared, "--configuration"), "as you say"
    folder = flow.entries[str(flow.new)].parameters()["path"]
    advice = flow.path(layout.ADVICE.format(dataset=flow.new))
    if advice.is_file():
        return _advised(advice, declared, folder)
    folder = shlex.quote(folder)
    if advised:
        raise UserError(f"there is no {advice}: ask first: metaprobe advise {folder}")
    ranked = flow.path(layout.RECOMMENDATION.format(dataset=flow.new))
    if ranked.is_file():
        first = _named(ranked, read_checked_json(ranked), "configurations", 0, "configuration")
        return _known(first, declared, str(ranked)), f"ranked first: {ranked}"
    raise UserError(
        f"nothing says yet which configuration is good for {flow.new}: name one (--configuration ID; "
        f"there are {_few(declared)}), or find one: metaprobe advise {folder}, and then --advised"
    )


def _few(names: Collection[str]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return ", ".join(list(names)[:SHOWN]) + more


def _advised(path: Path, declared: Collection[str], folder: str) -> tuple[str, str]:
    """Return the configuration of an advice, and whether it was tried.

    Raises:
        UserError: the advice is for another folder of that name, or names no configuration of the run.
    """
    told = read_checked_json(path)
    other = told.get("folder")
    if other is not None and Path(other).resolve() != Path(folder).expanduser().resolve():
        raise UserError(
            f"{path} is for the pictures in {other}, and not for those in {folder}, which has the same "
            f"name: rename one of the two folders, and ask: metaprobe advise {shlex.quote(folder)}"
        )
    name = _known(_named(path, told, "configuration"), declared, str(path))
    tried = "" if told.get("trained", True) else ", not tried yet"
    return name, f"advised{tried}: {path}"


def _named(path: Path, found: Any, *keys: str | int) -> str:
    try:
        for key in keys:
            found = found[key]
    except (KeyError, IndexError, TypeError):
        raise broken(path, "it names no configuration") from None
    return str(found)


def _known(name: str, declared: Collection[str], source: str) -> str:
    if name in declared:
        return name
    near = difflib.get_close_matches(name, declared, n=3)
    hint = f": did you mean {' or '.join(near)}?" if near else ""
    more = "" if source.startswith("--") else "; give the same --configfile as there"
    raise UserError(f"{source}: {name} is not declared in configurations{more}{hint}")
