"""A look at every data set before a run: what is there, what will be fetched, what the user must do."""

import importlib.util
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from metaprobe.config.datasets import Entry, HuggingFace, Source
from metaprobe.core.errors import UserError
from metaprobe.core.text_table import aligned
from metaprobe.data.dataset import has_tree, open_dataset
from metaprobe.data.download import count_files, missing_files

Sources = Mapping[str, Source]
NEEDS_USER = ("manual", "broken")
PACKAGES = {"huggingface": ["datasets"]}


@dataclass(frozen=True)
class Finding:
    """What is known of one data set.

    Attributes:
        state: `ready`, `will download`, `manual` or `broken`.
        detail: megabytes and host, what is missing, or why it is broken.
    """

    task_id: str
    state: str
    detail: str
    licence: str
    family: str
    source: str


def examine(datasets: Mapping[str, Entry], sources: Sources, data: Path) -> list[Finding]:
    """One finding per data set, in their order. Reads names of files only, changes nothing."""
    findings = []
    first_of: dict[str, str] = {}
    for task_id, entry in datasets.items():
        state, detail = _state(task_id, entry, sources, data)
        if entry.source is not None:
            first = first_of.setdefault(entry.source, task_id)
            if state == "will download" and first != task_id:
                detail = f"with {first}"
        licence, family = entry.licence or "unknown", entry.family or "-"
        findings.append(Finding(task_id, state, detail, licence, family, entry.source or ""))
    return findings


def needs_user(findings: Iterable[Finding], sources: Sources, data: Path) -> bool:
    """Return whether a run would fail without the user: files to bring or replace, or no room on the disk."""
    findings = list(findings)
    needed, _ = to_fetch(findings, sources)
    return needed > free_megabytes(data) or any(f.state in NEEDS_USER for f in findings)


def report(findings: list[Finding], sources: Sources, data: Path) -> str:
    """The findings as a table, and the totals against the free disk."""
    cells = [("data set", "state", "what", "licence", "family")]
    cells += [(f.task_id, f.state, f.detail, f.licence, f.family) for f in findings]
    counts = ", ".join(
        f"{sum(f.state == state for f in findings)} {state}"
        for state in ("ready", "will download", *NEEDS_USER)
    )
    needed, download = to_fetch(findings, sources)
    free = free_megabytes(data)
    room = "" if needed <= free else "  That is too little room."
    disk = (
        f"to download: {download / 1000:.1f} GB; room needed for it: {needed / 1000:.1f} GB; "
        f"free below {data}: {free / 1000:.1f} GB.{room}"
    )
    return "\n".join([*aligned(cells), *_by_hand(findings, sources, data), "", counts, disk])


def _by_hand(findings: list[Finding], sources: Sources, data: Path) -> Iterator[str]:
    for finding in findings:
        source = sources.get(finding.source)
        if finding.state == "manual" and source and source.manual:
            yield f"\n{finding.task_id}:"
            yield source.manual.strip().replace("<data>", str(data))


def to_fetch(findings: Iterable[Finding], sources: Sources) -> tuple[float, float]:
    """Megabytes that must be free (archives and their content), and megabytes to download."""
    wanted = {f.source for f in findings if f.state == "will download"}
    incomplete = [source for name, source in sources.items() if name in wanted]
    download: float = sum(s.download_mb for s in incomplete)
    return download + sum(s.extracted_mb for s in incomplete), download


def free_megabytes(data: Path) -> float:
    """Free room on the file system that holds, or will hold, the data folder."""
    existing = next(f for f in (data.absolute(), *data.absolute().parents) if f.is_dir())
    return shutil.disk_usage(existing).free / 1e6


def _state(task_id: str, entry: Entry, sources: Sources, data: Path) -> tuple[str, str]:
    if missing_packages := list(_missing_packages(entry, sources)):
        return "broken", f"needs {' and '.join(missing_packages)}: pip install them"
    if has_tree(task_id, entry, data):
        try:
            open_dataset(task_id, entry, data)
        except UserError as error:
            return "broken", str(error)
        return "ready", f"folder tree {data / task_id}"
    if entry.source is None or entry.partial:
        return _without_source(task_id, entry, data)
    source = sources[entry.source]
    missing = missing_files(source, data)
    if not missing:
        return "ready", "all files are there"
    expected = source.provides
    found = {pattern: count_files(pattern, data) for pattern in expected}
    if source.files and any(found[pattern] > expected[pattern] for pattern in expected):
        return "broken", f"too many files: {missing[0]}"
    if not source.files:
        return "manual", "to be fetched by hand, see below"
    host = urlsplit(source.files[0].urls[0]).hostname
    begun = "; incomplete now" if any(found.values()) else ""
    return "will download", f"{source.download_mb:,.1f} MB from {host}{begun}"


def _without_source(task_id: str, entry: Entry, data: Path) -> tuple[str, str]:
    if entry.kind == "embedded":
        return "ready", "comes with the installed packages"
    if isinstance(entry, HuggingFace):
        return "will download", f"{entry.path} from huggingface.co, if not cached"
    try:
        open_dataset(task_id, entry, data)
    except UserError as error:
        return "manual", str(error)
    return "ready", "a part, as you wish" if entry.partial else "the files are there"


def _missing_packages(entry: Entry, sources: Sources) -> Iterator[str]:
    source = sources.get(entry.source or "")
    wanted = [*(source.packages if source else ()), *PACKAGES.get(entry.kind, ())]
    return (name for name in wanted if importlib.util.find_spec(name) is None)
