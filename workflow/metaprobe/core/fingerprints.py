"""A fingerprint of the code a step runs: it changes with the code, not with its place or a comment.

The unit is a definition: a function, class or constant at the top of a module. A step uses its
script, the definitions that the script names, those that these name, and so on. Which module a
definition stands in does not count, nor do docstrings, comments, imports, the annotations of
functions, and definitions that nothing uses.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORKFLOW = Path(__file__).parents[2]
PACKAGE = "metaprobe"
# Rooms and modules that make no result: what they are told stands in a step's params, or they only
# carry, write and check what others made.
CARRIERS = (
    "config",
    "core.errors",
    "core.arrays",
    "core.files",
    "core.jobs",
    "core.orphans",
    "core.parquet",
    "core.provenance",
    "core.signals",
    "data.transfer",
)
Name = tuple[str, str]  # module and definition; "" is what a module does when it is imported
SIDE_EFFECTS = ""


@dataclass(frozen=True)
class Definition:
    """SHA-256 of the code of one definition without its place, and the definitions it names."""

    digest: str
    uses: frozenset[Name]


@dataclass(frozen=True)
class Module:
    """Of one module: the statements that define each name, and what its imports bind."""

    statements: Mapping[str, list[ast.stmt]]
    imports: Mapping[str, str]


@cache
def fingerprint(script: str, *definitions: str, **chosen: str) -> str:
    """Return 16 hexadecimal digits over a script and all definitions of the package that it uses.

    Args:
        script: name of the script without suffix.
        definitions: dotted names in the package that are looked up at run time, such as
            `data.readers.folder.read`.
        chosen: registry (a dictionary at the top of a module) → the only key of it that the step
            looks up; the other entries do not count.

    Raises:
        KeyError: a named definition, or the key of a registry, does not exist.
    """
    tree = _parsed(WORKFLOW / "scripts" / f"{script}.py")
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    top = _read(body, f"{script} (script)", _imports_of(tree))
    lines = [f"{SIDE_EFFECTS} {top.digest}"]
    reached = set(top.uses)
    for dotted in definitions:
        module, _, name = dotted.rpartition(".")
        if name not in _module(f"{PACKAGE}.{module}").statements:
            raise KeyError(f"{PACKAGE}.{dotted}")
        reached.add((f"{PACKAGE}.{module}", name))
    pending = list(reached)
    while pending:
        module, name = pending.pop()
        one = _definition(module, name, chosen.get(name))
        named = (
            f"{other}={_definition(own, other, chosen.get(other)).digest}"
            for own, other in one.uses
        )
        lines.append(" ".join([name, one.digest, *sorted(named)]))
        uses = set(one.uses)
        if SIDE_EFFECTS in _module(module).statements:
            uses.add((module, SIDE_EFFECTS))
        pending += uses - reached
        reached |= uses
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


@cache
def _definition(module: str, name: str, key: str | None = None) -> Definition:
    """One definition; of a registry the entry of `key` alone."""
    own = _module(module)
    statements = own.statements.get(name, [])
    if key is not None:
        statements = [ast.Expr(_entry(statements, name, key))]
    return _read(statements, module, own.imports)


def _entry(statements: list[ast.stmt], name: str, key: str) -> ast.expr:
    for value in (getattr(statement, "value", None) for statement in statements):
        if isinstance(value, ast.Dict):
            for one, entry in zip(value.keys, value.values, strict=True):
                if isinstance(one, ast.Constant) and one.value == key:
                    return entry
    raise KeyError(f"{name} has no entry {key!r}")


@cache
def _module(module: str) -> Module:
    """The definitions of a module of the package."""
    file = _file(module)
    if file is None:
        raise KeyError(module)
    tree = _parsed(file)
    statements: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)) or _is_for_checkers(statement):
            continue
        for name in sorted(set(_bound(statement))) or [SIDE_EFFECTS]:
            statements.setdefault(name, []).append(statement)
    return Module(statements, _imports_of(tree))


def _is_for_checkers(statement: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING:` or `if __name__ == "__main__":`, or a bare constant."""
    if isinstance(statement, ast.If):
        names = {node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)}
        return not names.isdisjoint({"TYPE_CHECKING", "__name__"})
    return isinstance(statement, (ast.Pass, ast.Expr)) and not isinstance(
        getattr(statement, "value", None), ast.Call
    )


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module defines or changes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _imports_of(tree: ast.AST) -> dict[str, str]:
    """Name → what of the package it stands for, dotted, of all imports at any depth."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE:
                    found[alias.asname or PACKAGE] = alias.name if alias.asname else PACKAGE
    return found


def _read(statements: list[ast.stmt], module: str, imports: Mapping[str, str]) -> Definition:
    """Return the digest of statements without what does not count, and the definitions they name."""
    reader = _Reader(module, imports)
    text = reader.text(statements)
    return Definition(hashlib.sha256(text.encode()).hexdigest(), frozenset(reader.uses))


class _Reader:
    """Writes code as text without docstrings, imports and annotations, and notes what it names.

    A definition of the package is called by its own name, whatever it was imported as.
    """

    def __init__(self, module: str, imports: Mapping[str, str]) -> None:
        self.module, self.imports = module, imports
        self.uses: set[Name] = set()
        self.in_class = False

    def text(self, node: object) -> str:
        """Return the text of a node, or of a list of nodes."""
        if isinstance(node, list):
            return f"[{','.join(map(self.text, node))}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        match node:
            case ast.Import() | ast.ImportFrom() | ast.expr_context():
                return ""
            case ast.Name():
                # A name that is bound here, such as an attribute of a dataclass, is no use of a
                # definition of the same name.
                loaded = isinstance(node.ctx, ast.Load)
                return self._name(node.id) if loaded else node.id
            case ast.Attribute():
                return self._attribute(node)
            case ast.arg():
                return node.arg
            case ast.AnnAssign() if not self.in_class:
                return f"Assign([{self.text(node.target)}],{self.text(node.value)})"
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._block(node)
        return f"{type(node).__name__}({self._fields(node)})"

    def _fields(self, node: ast.AST, *left_out: str) -> str:
        return ",".join(
            self.text(value) for name, value in ast.iter_fields(node) if name not in left_out
        )

    def _block(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
        """Return a function without annotations, or a class with those of its attributes: of them
        dataclasses and models are made.
        """
        outer, self.in_class = self.in_class, isinstance(node, ast.ClassDef)
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        text = f"{type(node).__name__}({self._fields(node, 'returns', 'body')},{self.text(body)})"
        self.in_class = outer
        return text

    def _name(self, name: str) -> str:
        if name in self.imports:
            return self._use(self.imports[name])
        if self.module.startswith(PACKAGE) and name in _module(self.module).statements:
            self.uses.add((self.module, name))
        return name

    def _attribute(self, node: ast.Attribute) -> str:
        """Return `name` for `module.name` where the module is of the package."""
        parts = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            parts.insert(0, value.attr)
            value = value.value
        if not isinstance(value, ast.Name) or value.id not in self.imports:
            return f"{self.text(node.value)}.{node.attr}"
        target = self.imports[value.id]
        while parts and _file(target):
            target = f"{target}.{parts.pop(0)}"
        return ".".join([self._use(target), *parts])

    def _use(self, dotted: str) -> str:
        """Note that `dotted` is used; return its last part."""
        module, _, name = dotted.rpartition(".")
        if _is_carrier(module) or _is_carrier(dotted):
            return name
        if _file(dotted):  # a module as a value: all of it
            self.uses |= {(dotted, one) for one in _module(dotted).statements}
        elif _file(module) and name in _module(module).statements:
            self.uses.add((module, name))
        elif _file(module) and name in _module(module).imports:
            return self._use(_module(module).imports[name])
        return name


def _is_carrier(module: str) -> bool:
    return f"{module}.".startswith(tuple(f"{PACKAGE}.{one}." for one in CARRIERS))


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _file(module: str) -> Path | None:
    """The file of a module of the package; None if there is no such module."""
    if not f"{module}.".startswith(f"{PACKAGE}."):
        return None
    base = WORKFLOW.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((one for one in candidates if one.is_file()), None)
