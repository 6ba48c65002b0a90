"""docs/troubleshooting.md: each message that it explains is one that the code can print."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from checkouts import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
VARIABLE = "\0"


def quoted(header: str) -> list[str]:
    """The first cells of all tables with this header."""
    tables = re.findall(rf"^\| {header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return re.findall(r"^\| `(.+?)` \|", "".join(tables), re.MULTILINE)


def templates(tree: ast.AST) -> Iterator[str]:
    """The texts of a module; where an f-string has a variable, VARIABLE stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else VARIABLE
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def source() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow").rglob("*.smk")]
    for path in (ROOT / "workflow").rglob("*.py"):
        texts += templates(ast.parse(path.read_text(encoding="utf-8")))
    return texts


def pattern(message: str) -> re.Pattern[str]:
    """Of a quoted message: `<…>` is a variable of the code, or the end of what is literal."""
    pieces = [re.escape(piece) for piece in message.split("<…>")]
    return re.compile(f"{VARIABLE}.*?".join(pieces), re.DOTALL)


@pytest.mark.parametrize("message", quoted("message"))
def test_message_is_one_of_the_code(message: str) -> None:
    """An explanation of a message that nobody will ever see."""
    assert len(re.sub("<…>", "", message)) > 8
    assert any(pattern(message).search(text) for text in source())


def test_there_are_messages() -> None:
    """Tables that the test no longer finds."""
    assert len(quoted("message")) == PAGE.count("\n| `") - len(quoted("Snakemake says"))
