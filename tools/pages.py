"""The tables of the documentation that are written from the repository itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from metaprobe.config.load import read_strictly
from metaprobe.core.files import write_text

ROOT = Path(__file__).parent.parent
Entries = Mapping[str, Mapping[str, Any]]
READERS_DIVIDE = {"omniglot": "by drawer"}


def main() -> None:
    """Write the tables anew into the pages that hold them."""
    for page, tables in TABLES.items():
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = replace_table(text, name, table())
        write_text(path, text)


def replace_table(text: str, name: str, table: str) -> str:
    """The text with what stands between `<!-- name -->` and `<!-- end of name -->` replaced.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the markers of {name} are missing")
    return f"{before}{begin}{table}{end}{after}"


def task_table(file: str) -> str:
    """The tasks that a file of `config/` declares: what they are."""
    return markdown_table(
        ("task", "classes", "training + test images", "division", "transform", "source", "family"),
        (
            (
                task_id,
                f"{entry['classes']:,}",
                images(entry),
                division(entry),
                entry.get("transform", "colour"),
                f"`{entry['source']}`" if "source" in entry else "",
                entry.get("family", ""),
            )
            for task_id, entry in _section(file, "datasets").items()
        ),
    )


def note_table(file: str) -> str:
    """The tasks that a file of `config/` declares: licence, and what one should know."""
    return markdown_table(
        ("task", "licence", "note"),
        (
            (task_id, entry.get("licence", ""), entry.get("note", ""))
            for task_id, entry in _section(file, "datasets").items()
        ),
    )


def source_table(file: str) -> str:
    """The sources that a file of `config/` declares: sizes, hosts, and what is known of them."""
    return markdown_table(
        ("source", "download MB", "on disk MB", "hosts", "status", "packages"),
        (
            (
                f"`{name}`",
                f"{source['download_mb']:,.1f}",
                f"{source['extracted_mb']:,.1f}",
                ", ".join(hosts(source)),
                source.get("status", ""),
                ", ".join(source.get("packages", [])),
            )
            for name, source in _section(file, "sources").items()
        ),
    )


def sums(file: str) -> str:
    """How many tasks and sources a file of `config/` declares, and their gigabytes."""
    sources = _section(file, "sources")
    download, extracted = (
        sum(source[key] for source in sources.values()) / 1000
        for key in ("download_mb", "extracted_mb")
    )
    return (
        f"{len(_section(file, 'datasets'))} tasks from {len(sources)} sources: {download:.1f} GB to "
        f"download, {extracted:.1f} GB unpacked, archives not counted.\n"
    )


def manual_steps(file: str) -> str:
    """What the sources of a file of `config/` say of fetching them by hand."""
    texts = [
        f"`{name}`\n\n```text\n{source['manual'].strip()}\n```\n"
        for name, source in _section(file, "sources").items()
        if "manual" in source
    ]
    return "\n".join(texts)


def images(entry: Mapping[str, Any]) -> str:
    """The published sizes: of both parts, or of the one pool."""
    counts = entry.get("images", {})
    if "train" in counts:
        return f"{counts['train']:,} + {counts['test']:,}"
    return f"{counts['pool']:,} in one pool" if counts else ""


def division(entry: Mapping[str, Any]) -> str:
    """How training and test images are told apart."""
    if entry["kind"] in READERS_DIVIDE:
        return READERS_DIVIDE[entry["kind"]]
    if "train" in entry.get("images", {}):
        return "as published"
    split = entry.get("split", {"rule": "stratified"})
    return f"{split['rule']}, {split.get('test_fraction', 0.2):.0%} for testing"


def hosts(source: Mapping[str, Any]) -> list[str]:
    """The hosts of a source's files, first to be tried first."""
    urls = [url for file in source.get("files", []) for url in file["urls"]]
    return list(dict.fromkeys(urlparse(url).netloc for url in urls))


def markdown_table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown; a bar in a cell is escaped."""
    lines = [header, tuple("---" for _ in header), *rows]
    cells = ([str(cell).replace("|", r"\|").replace("<", r"\<") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _section(file: str, section: str) -> Entries:
    content: dict[str, Entries] = read_strictly(ROOT / "config" / file)
    return content.get(section, {})


def _tables_of(file: str, name: str) -> dict[str, Any]:
    functions = {
        "sums": sums,
        "tasks": task_table,
        "notes": note_table,
        "sources": source_table,
        "manual": manual_steps,
    }
    return {f"{name} {key}": lambda f=function: f(file) for key, function in functions.items()}


TABLES = {
    "docs/datasets.md": _tables_of("datasets.yaml", "thirty")
    | _tables_of("datasets-extended.yaml", "extended"),
}

if __name__ == "__main__":
    main()
