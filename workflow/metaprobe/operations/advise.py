"""`metaprobe advise`: what the run's table and its configurations give to the search for an advice."""

import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.config import layout
from metaprobe.core.durations import seconds_of
from metaprobe.core.errors import PassingError, UserError
from metaprobe.core.files import digest_json, write_checked_json
from metaprobe.core.signals import stop_as_on_ctrl_c
from metaprobe.features.sizes import Sizes
from metaprobe.features.weights import weights_folder
from metaprobe.operations.flow.expected import weights_ids
from metaprobe.operations.flow.one_experiment import Command, run_one
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.recommend.advice.candidates import Candidates
from metaprobe.recommend.advice.lessons import Lessons, Table, learn
from metaprobe.recommend.advice.live import Advisor
from metaprobe.recommend.advice.policy import Policy, State
from metaprobe.recommend.advice.progress import Progress
from metaprobe.recommend.advice.table import taught
from metaprobe.recommend.advice.told import to_text

if TYPE_CHECKING:
    from metaprobe.recommend.advice.workbench import Workbench

VALIDATION_IMAGES = 500  # where no configuration names a number
UNJUDGED = "it trains more than a head on plain features, and is judged on validation images: set "
UNJUDGED += f"validation_images: {VALIDATION_IMAGES}"


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
    stop_as_on_ctrl_c()
    budget = seconds_of(flow.run.settings.budget)
    folder = flow.results / "advice" / flow.new
    sizes = _sizes(flow)
    candidates, most = _candidates(flow, sizes), flow.run.settings.train_images
    table, head_seconds = taught(flow.results, candidates, weights_ids(flow), most, _say)
    lessons, unjudged = learn(candidates, table), _unjudged(flow)
    begun = any(folder.glob("*.json"))
    if not begun:  # before torch is imported, or a folder is read
        _say(_first_answer(lessons, unjudged))
    bench = _workbench(flow, folder, cores, sizes)
    advisor = Advisor(
        lessons=lessons,
        workbench=bench,
        train_seconds={name: rate * bench.images for name, rate in head_seconds.items()},
        elsewhere=partial(run_one, flow, command),
        progress=_progress(flow, folder, bench, unjudged),
        say=_say,
        write=partial(_write, flow),
    )
    if begun:
        _say(_where_it_stands(advisor))
    advisor.see_that_something_is_left(UNJUDGED)
    try:
        _search(flow, advisor, bench, sizes, table, budget, began)
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        raise
    print(f"\n{to_text(advisor.answer(budget))}\n\n{_what_next(flow)}")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _target(flow: Workflow) -> Path:
    return flow.path(layout.ADVICE.format(dataset=flow.new))


def _write(flow: Workflow, answer: dict[str, Any]) -> None:
    """Write an advice with the folder it is for: another of the same name is not to be fitted by it."""
    folder = str(flow.entries[str(flow.new)].parameters()["path"])
    write_checked_json(_target(flow), {**answer, "folder": folder})


def _sizes(flow: Workflow) -> Sizes:
    """Return the sizes of the networks, as far as they are known without building one."""
    sizes = Sizes(
        flow.results / "advice" / "networks.json",
        {name: flow.run.backbones[name] for name in flow.architectures},
        {name: digest_json(flow.backbone(name)) for name in flow.architectures},
    )
    sizes.look_up()
    return sizes


def _candidates(flow: Workflow, sizes: Sizes) -> Candidates:
    parameters = {name: one.parameters for name, one in sizes.guessed().items()}
    return Candidates(flow.hyperparameters, parameters)


def _unjudged(flow: Workflow) -> list[str]:
    """Return the configurations that the workflow would have to train and could not judge."""
    candidates = Candidates(flow.hyperparameters, dict.fromkeys(flow.architectures, 1.0))
    ids = zip(candidates.configurations, candidates.only_head, strict=True)
    chosen = flow.run.configurations
    return [name for name, plain in ids if not plain and not chosen[name].validation_images]


def _first_answer(lessons: Lessons, unjudged: list[str]) -> str:
    ids = lessons.candidates.configurations
    policy = Policy(lessons, [1], 1, untrainable=frozenset(map(ids.index, unjudged)))
    if not len(policy.options):
        return f"nothing can be advised: {UNJUDGED}"
    why = "the best on other tasks" if lessons.families else "on the largest network"
    return f"before a picture is seen: {ids[policy.best(State())]} ({why})"


def _where_it_stands(advisor: Advisor) -> str:
    if not advisor.progress.steps:
        return f"before a picture is seen: {advisor.best()}"
    spent = (
        f"goes on after {advisor.progress.seconds:.0f} s; with another budget it goes on further"
    )
    return f"{spent}\nso far: {advisor.best()}"


def _what_next(flow: Workflow) -> str:
    pictures = shlex.quote(str(flow.entries[str(flow.new)].parameters()["path"]))
    return f"All of it: {_target(flow)}\nA model: metaprobe fit {pictures} --advised"


def _progress(flow: Workflow, folder: Path, bench: "Workbench", unjudged: list[str]) -> Progress:
    decides = [bench.folder.name, flow.hyperparameters, len(bench.positions)]
    progress = Progress(folder / f"{digest_json(decides)[:16]}.json")
    progress.read()
    for name in unjudged:
        progress.give_up(name, PassingError(UNJUDGED))
    for name, why in progress.untrainable.items():
        _say(f"{name} is left out: {why}")
    return progress


def _search(
    flow: Workflow,
    advisor: Advisor,
    bench: "Workbench",
    sizes: Sizes,
    table: Table,
    budget: float,
    began: float,
) -> None:
    """Take steps until the budget is spent.

    Where sizes are lacking, which take seconds each to find out, the cheapest backbone of those that are
    known is tried first.
    """
    if sizes.lacking:
        advisor.run(budget, began, most=1)
        began = time.monotonic()
        _find_out(sizes, advisor, began + budget - advisor.progress.seconds)
        bench.gflop = {name: one.gflop for name, one in sizes.guessed().items()}
        advisor.lessons = learn(_candidates(flow, sizes), table)
    advisor.run(budget, began)


def _find_out(sizes: Sizes, advisor: Advisor, deadline: float) -> None:
    """Find out the sizes that are lacking while there is time; what cannot be built is left out."""
    _say(f"looks up the sizes of {len(sizes.lacking)} networks, once")
    for name in sizes.lacking:
        if time.monotonic() > deadline:
            return
        if name in advisor.progress.left_out:
            continue
        try:
            sizes.find_out(name)
        except UserError as error:
            advisor.leave_out(name, UserError(f"backbones/{name}: {error}"))


def _workbench(flow: Workflow, folder: Path, cores: int, sizes: Sizes) -> "Workbench":
    from metaprobe.features.loaded import Settings
    from metaprobe.recommend.advice.setting_up import set_up

    own, task_id = flow.run.settings, str(flow.new)
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
        gflop={name: one.gflop for name, one in sizes.guessed().items()},
        say=_say,
    )
