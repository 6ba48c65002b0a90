"""A look at every data set before a run: what is there, what will be fetched, what the user must do."""

import importlib.util
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from metaprobe.config.datasets import Derived, Entry, HuggingFace
from metaprobe.config.layout import HUB
from metaprobe.config.sources import Source
from metaprobe.core.errors import UserError
from metaprobe.core.files import read_checked_json
from metaprobe.core.text_table import aligned
from metaprobe.data.dataset import open_dataset
from metaprobe.data.digests import remembered_in
from metaprobe.data.inventory import Sizes, counted, damaged_files, has_surplus, missing_files
from metaprobe.data.trees import tree_of

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


def examine(
    datasets: Mapping[str, Entry], sources: Sources, data: Path, manifests: Path | None = None
) -> list[Finding]:
    """Return one finding per data set, in their order. Opens no picture.

    Args:
        manifests: the folder of what the run has noted of complete sources.
    """
    findings = []
    first_of: dict[str, str] = {}
    states: dict[str, tuple[str, str]] = {}
    for task_id, entry in datasets.items():
        state, detail = _state(task_id, entry, sources, data, manifests, states)
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


def _state(
    task_id: str,
    entry: Entry,
    sources: Sources,
    data: Path,
    manifests: Path | None,
    states: dict[str, tuple[str, str]],
) -> tuple[str, str]:
    """Return state and detail; `states` keeps those of sources, which are looked at once."""
    if isinstance(entry, Derived):
        return "ready", f"images of {entry.of}"
    if missing_packages := list(_missing_packages(entry, sources)):
        return "broken", f"needs {' and '.join(missing_packages)}: pip install them"
    if tree := tree_of(task_id, entry, data):
        return _opened(task_id, entry, data, f"folder tree {data / tree.folder}")
    if entry.source is None or entry.partial:
        return _without_source(task_id, entry, data, manifests)
    name = entry.source
    if name not in states:
        manifest = manifests / f"{name}.json" if manifests else None
        states[name] = state_of_source(sources[name], data, manifest)
    return states[name]


def state_of_source(source: Source, data: Path, manifest: Path | None) -> tuple[str, str]:
    """Return `ready`, `will download`, `manual` or `broken`, and the detail."""
    noted = _noted(manifest) if manifest is not None and manifest.is_file() else None
    found = damaged_files(source, data, noted, remembered_in(data))
    damaged = [f"{path}: {reason}" for path, reason in found]
    host = urlsplit(source.files[0].urls[0]).hostname if source.files else ""
    size = f"{source.download_mb:,.1f} MB from {host}"
    if damaged:
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        which = f"damaged now: {damaged[0]}{more}"
        if not source.files:
            return "broken", f"{which}: replace it by a whole copy"
        if noted is not None:
            advice = f"move it away, delete {manifest} and start the run, which fetches it again"
            return "broken", f"{which}: {advice}"
        return "will download", f"{size}; {which}"
    missing = missing_files(source, data)
    if not missing:
        return "ready", "all files are there"
    if has_surplus(source, data):
        return "broken", f"too many files: {missing[0]}: take away those that do not belong there"
    begun = any(counted(one, data) for one in source.provides)
    if not source.files:
        which = f" ({'; '.join(missing)})" if begun else ""
        return "manual", f"to be fetched by hand, see below{which}"
    if noted is not None:
        return "broken", f"{missing[0]}: delete {manifest} and start the run, which fetches them"
    return "will download", f"{size}{'; incomplete now' if begun else ''}"


def _noted(manifest: Path) -> Sizes:
    """Return the sizes that a manifest notes; none if it is damaged or of an older version."""
    try:
        sizes: Sizes = read_checked_json(manifest).get("sizes", {})
    except UserError:
        return {}
    return sizes


def _opened(task_id: str, entry: Entry, data: Path, ready: str) -> tuple[str, str]:
    """Return whether a data set that the user has put there can be read, and what is passed over."""
    try:
        dataset = open_dataset(task_id, entry, data)
    except UserError as error:
        return "broken", str(error)
    return "ready", "; ".join(filter(None, [ready, dataset.notes]))


def _without_source(
    task_id: str, entry: Entry, data: Path, manifests: Path | None
) -> tuple[str, str]:
    if entry.kind == "embedded":
        return "ready", "comes with the installed packages"
    if isinstance(entry, HuggingFace):
        return _on_the_hub(task_id, entry, manifests)
    state, detail = _opened(task_id, entry, data, "the files are there")
    return "manual" if state == "broken" else state, detail


def _on_the_hub(task_id: str, entry: HuggingFace, manifests: Path | None) -> tuple[str, str]:
    if (folder := entry.local_folder) is not None:
        there = folder.is_dir()
        return (
            ("ready", f"folder {folder}") if there else ("manual", f"there is no folder {folder}")
        )
    if manifests and (manifests / f"{HUB}{task_id}.json").is_file():
        return "ready", f"{entry.path}, fetched"
    return "will download", f"{entry.path} from huggingface.co"


def _missing_packages(entry: Entry, sources: Sources) -> Iterator[str]:
    source = sources.get(entry.source or "")
    wanted = [*(source.packages if source else ()), *PACKAGES.get(entry.kind, ())]
    return (name for name in wanted if importlib.util.find_spec(name) is None)
