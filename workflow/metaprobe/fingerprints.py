"""A fingerprint of the code a step runs: it changes with the code, not with a comment."""

import ast
import hashlib
from functools import cache
from pathlib import Path

WORKFLOW = Path(__file__).parent.parent
PACKAGE = "workflow.metaprobe"
CARRIERS = (
    "errors",
    "files",
    "jobs",
    "orphans",
    "provenance",
    "signals",
    "transfer",
)  # they make no result


def fingerprint(script: str, *modules: str) -> str:
    """SHA-256 over a script, the named modules, and every module of the package they import.

    Docstrings and comments do not count, nor do the modules of `CARRIERS`.

    Args:
        script: name of the script without suffix.
        modules: modules that are imported by name at run time, such as `readers.folder`.
    """
    files = {WORKFLOW / "scripts" / f"{script}.py"}
    files |= {path for module in modules if (path := _file(f"{PACKAGE}.{module}"))}
    pending = list(files)
    while pending:
        new = _imports(pending.pop()) - files
        files |= new
        pending += new
    lines = sorted(f"{file.relative_to(WORKFLOW).as_posix()} {_digest(file)}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def _tree(file: Path) -> ast.Module:
    """The parsed source without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _digest(file: Path) -> str:
    return hashlib.sha256(ast.unparse(_tree(file)).encode()).hexdigest()


@cache
def _imports(file: Path) -> frozenset[Path]:
    """Files of the package that a file imports, at any depth of its code."""
    names = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(path for name in names if (path := _file(name)))


def _file(module: str) -> Path | None:
    package, _, name = module.rpartition(".")
    if not module.startswith(f"{PACKAGE}.") or (package == PACKAGE and name in CARRIERS):
        return None
    base = WORKFLOW.parent.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
