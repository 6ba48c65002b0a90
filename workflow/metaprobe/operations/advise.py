"""`metaprobe advise`: what the run's table and its configurations give to the search for an advice."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from metaprobe.config import layout
from metaprobe.core.durations import seconds_of
from metaprobe.core.errors import UserError
from metaprobe.core.files import (
    digest_json,
    read_checked_json,
    read_json,
    write_checked_json,
    write_json,
)
from metaprobe.core.parquet import read_parquet
from metaprobe.features.facts import find_out
from metaprobe.features.weights import weights_folder
from metaprobe.operations.flow.expected import weights_ids
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Table, learn, no_table
from metaprobe.recommend.advice.live import Advisor, Progress
from metaprobe.recommend.advice.probes import RUNGS
from metaprobe.recommend.advice.table import (
    as_matrix,
    families_of,
    hyperparameters_of,
    probes_of,
)
from metaprobe.recommend.advice.told import to_text
from metaprobe.recommend.advice.workbench import OutOfTime, Settings, Workbench, set_up

Command = Callable[[str], list[str]]

VALIDATION_IMAGES = 500  # where no configuration names a number
SECONDS_TO_STOP = 5.0  # that a Snakemake needs


def advise(flow: Workflow, command: Command, cores: int, began: float) -> int:
    """Search for an advice, print it, and write it as `advice/<task_id>.json`.

    Args:
        command: makes the command by which this workflow makes a file for the new data set.
        began: when the command was given (`time.monotonic`).

    Raises:
        UserError: the folder is no data set, or no backbone can be had.
    """
    if flow.new is None:
        raise UserError("for which pictures? Name a folder of class folders")
    budget = seconds_of(flow.run.settings.budget)
    folder = flow.results / "advice" / flow.new
    folder.mkdir(parents=True, exist_ok=True)
    bench = _workbench(flow, folder, cores)
    networks = _networks(flow, flow.results / "advice" / "networks.json")
    candidates = Candidates(
        flow.hyperparameters, {name: one["parameters"] for name, one in networks.items()}
    )
    table, train_seconds = _table(flow, candidates)
    decides = [bench.folder.name, flow.hyperparameters, len(bench.positions)]
    progress = Progress(folder / f"{digest_json(decides)[:16]}.json")
    progress.read()
    advisor = Advisor(
        lessons=learn(candidates, table),
        workbench=bench,
        gflop={name: one["gflop"] for name, one in networks.items()},
        train_seconds={name: rate * bench.images for name, rate in train_seconds.items()},
        elsewhere=lambda configuration, deadline: _by_workflow(
            flow, command, configuration, deadline
        ),
        progress=progress,
        say=_say,
    )
    if progress.steps:
        _say(f"goes on after {progress.seconds:.0f} s; with another budget it goes on further")
    target = flow.path(layout.ADVICE.format(dataset=flow.new))
    first = advisor.answer(budget)
    _say(f"before a picture is seen: {first['configuration']}")
    write_checked_json(target, first)
    try:
        advisor.run(budget, began)
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        write_checked_json(target, advisor.answer(budget))
        raise
    answer = advisor.answer(budget)
    write_checked_json(target, answer)
    pictures = shlex.quote(str(flow.entries[flow.new].parameters()["path"]))
    print(
        f"\n{to_text(answer)}\n\nAll of it: {target}\nA model: metaprobe fit {pictures} --advised"
    )
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _workbench(flow: Workflow, folder: Path, cores: int) -> Workbench:
    own, task_id = flow.run.settings, flow.new
    assert task_id is not None
    wanted = [one.validation_images for one in flow.run.configurations.values()]
    return set_up(
        task_id,
        flow.entries[task_id],
        data=flow.data,
        backbones={name: flow.run.backbones[name] for name in flow.architectures},
        settings=Settings(
            own.seed,
            own.weights,
            weights_folder(own.weights_folder, own.data),
            own.device,
            own.engine,
            own.precision,
            cores,
        ),
        folder=folder,
        sampling=flow.sampling_of(task_id),
        sizes=flow.sizes,
        validation_images=max(wanted) or VALIDATION_IMAGES,
        say=_say,
    )


def _networks(flow: Workflow, path: Path) -> dict[str, dict[str, float]]:
    """Return `parameters` and `gflop` of each backbone; found out once and kept in a file."""
    kept: dict[str, dict[str, float]] = read_json(path) if path.is_file() else {}
    found = {}
    for name in flow.architectures:
        key = digest_json(flow.backbone(name))
        if key not in kept:
            facts = find_out(flow.run.backbones[name])
            kept[key] = {"parameters": facts.parameters, "gflop": facts.gflop}
            write_json(path, kept)
        found[name] = kept[key]
    return found


def _table(flow: Workflow, candidates: Candidates) -> tuple[Table, dict[str, float]]:
    """Return what finished tasks teach of the candidates, and the seconds per image of their training.

    A table that is not there, or is damaged or of other weights, teaches nothing; the last two are
    told.
    """
    path = flow.results / "experiments.parquet"
    if not path.is_file():
        return no_table(candidates), {}
    try:
        frame = read_parquet(path)
    except UserError as error:
        _say(f"warning: nothing is learned from the table: {error}")
        return no_table(candidates), {}
    ids = weights_ids(flow)
    same = [
        ids.get(name) == told
        for name, told in zip(frame.architecture, frame.weights_id, strict=True)
    ]
    frame = frame[np.array(same, bool)]
    if frame.empty:
        _say("warning: nothing is learned from the table: it is of other weights")
        return no_table(candidates), {}
    in_table = hyperparameters_of(frame)
    columns = list(in_table)
    accuracy, cpu = as_matrix(frame, "test_accuracy"), as_matrix(frame, "seconds_head_cpu")
    images = as_matrix(frame, "train_images")
    tasks = list(dict.fromkeys(frame.task_id))
    found = np.full((len(tasks), len(candidates.configurations)), np.nan)
    seconds: dict[str, float] = {}
    for place, name in enumerate(candidates.configurations):
        if name in columns and candidates.only_head[place]:
            own = columns.index(name)
            found[:, place] = accuracy[:, own]
            rate = float(np.nanmean(cpu[:, own] / images[:, own])) if np.isfinite(cpu).any() else 0
            seconds |= {name: rate} if rate else {}
        elif name in columns:
            found[:, place] = accuracy[:, columns.index(name)]
    probes = np.full((len(tasks), len(candidates.backbones), len(RUNGS)), np.nan)
    beside = flow.results / "probes.parquet"
    if beside.is_file():
        probes = probes_of(read_parquet(beside), tasks, candidates.backbones)
    return Table(families_of(frame), found, probes), seconds


def _by_workflow(
    flow: Workflow, command: Command, configuration: str, deadline: float
) -> tuple[float, float]:
    """Let the workflow run an experiment of the new data set; see `live.Elsewhere`."""
    assert flow.new is not None
    fragment = layout.FRAGMENT.format(dataset=flow.new, configuration=configuration)
    file = flow.path(fragment)
    start = time.monotonic()
    with subprocess.Popen(
        command(str(file)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=deadline - SECONDS_TO_STOP - start)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate()
            if isinstance(stopped, KeyboardInterrupt):
                raise
            raise OutOfTime from None
    if process.returncode:
        raise UserError(f"{configuration} failed on {flow.new}:\n{output[-2000:]}")
    told: dict[str, Any] = read_checked_json(file)
    accuracy = told["validation_accuracy"]
    if accuracy is None:
        raise UserError(
            f"configurations/{configuration}: an advice cannot be given on it without "
            "validation_images: set validation_images: 500"
        )
    return float(accuracy), time.monotonic() - start
