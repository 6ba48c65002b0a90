"""What the jobs of a run need of this machine, seen before the first of them."""

import importlib.util
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from metaprobe.config import layout
from metaprobe.config.datasets import Derived, Folder
from metaprobe.core.errors import UserError
from metaprobe.core.files import check_writable
from metaprobe.data.subset import read_subset
from metaprobe.data.trees import tree_of
from metaprobe.derived.derivation import derive
from metaprobe.features.weights import weights_folder
from metaprobe.operations.doctor import free_megabytes
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.planning.activation_room import check_room, megabytes_of
from metaprobe.operations.planning.costs import Job

NOT_THERE = 3
ON_DEVICE = ("extract_features", "extract_part", "cache_activations", "tune_blocks")
# In a process of its own, as torch takes seconds and memory that the run itself has no use for.
ASK_FOR_DEVICE = f"""
import sys
from metaprobe.core.errors import UserError
from metaprobe.features.engines import choose_device
try:
    choose_device(sys.argv[1])
except UserError:
    sys.exit({NOT_THERE})
"""


def check_machine(
    flow: Workflow, jobs: Collection[Job], *, here: bool, packages: bool = True
) -> None:
    """See that the places and the device that these jobs use are there.

    Args:
        here: the jobs run on this machine, not on another of a cluster.
        packages: they run in the environment that this runs in.

    Raises:
        UserError: one line for each that is not.
    """
    missing: list[str] = []
    for folder in (flow.results, flow.logs) if jobs else ():
        try:
            check_writable(folder)
        except UserError as error:
            missing.append(str(error))
    missing += _missing_folders(flow, jobs)
    missing += _impossible_tasks(flow, jobs)
    try:
        check_room(megabytes_of(flow, jobs), free_megabytes(flow.results))
    except UserError as error:
        missing.append(str(error))
    if here and any(job.rule in ON_DEVICE for job in jobs):
        missing += _missing_device(flow.run.settings.device)
    if packages and any(job.rule == "export_model" for job in jobs):
        missing += _missing_packages()
    if missing:
        raise UserError("\n".join(dict.fromkeys(missing)))


def _missing_folders(flow: Workflow, jobs: Collection[Job]) -> Iterator[str]:
    own = flow.run.settings.weights_folder
    if own is not None and any(job.rule == "fetch_weights" for job in jobs):
        folder = weights_folder(own, flow.run.settings.data)
        if not folder.is_dir():
            yield f"weights_folder: there is no folder {folder}: correct it, or leave it out"
    for task_id in (job.name for job in jobs if job.rule == "subset_index"):
        entry = flow.entries[task_id]
        if not isinstance(entry, Folder) or entry.source or tree_of(task_id, entry, flow.data):
            continue
        root = flow.data / Path(entry.path or task_id).expanduser()
        if not root.is_dir():
            yield f"datasets/{task_id}: there is no folder {root}; put one folder per class there"


def _missing_packages() -> Iterator[str]:
    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            yield f'export: {name} is not installed: pip install --editable ".[export]"'


def _impossible_tasks(flow: Workflow, jobs: Collection[Job]) -> Iterator[str]:
    """Yield what is wrong with derived data sets, as far as the subsets of their parents are there."""
    drawn = {job.name for job in jobs if job.rule == "subset_index"}
    read = cache(read_subset)
    for task_id in (job.name for job in jobs if job.rule == "derive_subset"):
        entry = flow.entries[task_id]
        if isinstance(entry, Derived) and entry.of not in drawn:
            try:
                parent = read(flow.path(layout.SUBSET.format(dataset=entry.of)))
                derive(task_id, entry, parent)
            except UserError as error:
                yield str(error)


def _missing_device(name: str) -> Iterator[str]:
    if name not in ("auto", "cpu"):
        command = [sys.executable, "-c", ASK_FOR_DEVICE, name]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == NOT_THERE:  # anything else, such as no torch, is the jobs' to tell
            yield f"device: {name} is not available on this machine; use auto or cpu"
