"""Which configuration `metaprobe fit` trains on a folder of pictures."""

import difflib
import shlex
from collections.abc import Collection
from pathlib import Path

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, read_json
from metaprobe.operations.flow.workflow import Workflow

SHOWN = 6


def choose(
    flow: Workflow, declared: Collection[str], named: str | None, *, advised: bool
) -> tuple[str, str]:
    """Return a configuration for the new data set of a run, and why it is this one.

    Advice goes before a recommendation, as it was found by trying on these very pictures.

    Args:
        declared: all configurations.
        named: the one that the user asks for.
        advised: the user asks for the one of the advice, and for no other.

    Raises:
        UserError: it is not declared, or nothing says which.
    """
    if named is not None:
        return _known(named, declared, "--configuration"), "as you say"
    advice = flow.path(layout.ADVICE.format(dataset=flow.new))
    if advice.is_file():
        return _known(_read(advice, "configuration"), declared, str(advice)), f"advised: {advice}"
    folder = shlex.quote(flow.entries[str(flow.new)].parameters()["path"])
    if advised:
        raise UserError(f"there is no {advice}: ask first: metaprobe advise {folder}")
    ranked = flow.path(layout.RECOMMENDATION.format(dataset=flow.new))
    if ranked.is_file():
        name = _known(_read(ranked, "configurations", 0, "configuration"), declared, str(ranked))
        return name, f"ranked first: {ranked}"
    raise UserError(
        f"nothing says yet which configuration is good for {flow.new}: name one (--configuration ID; "
        f"there are {_few(declared)}), or find one: metaprobe advise {folder}, and then --advised"
    )


def _few(names: Collection[str]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return ", ".join(list(names)[:SHOWN]) + more


def _read(path: Path, *keys: str | int) -> str:
    found = read_json(path)
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
