"""Before a run: what is done, what would run, and what it would cost; nothing is started."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metaprobe.config.layout import WORK
from metaprobe.config.sources import Source
from metaprobe.core.text_table import aligned
from metaprobe.operations.doctor import NEEDS_USER, Finding
from metaprobe.operations.planning import costs
from metaprobe.operations.planning.costs import Job, SizeOf
from metaprobe.operations.status import State, failures, wrapped
from metaprobe.training.fragment import Experiment

FLOAT_BYTES = 4
EXTRACTING = ("extract_features", "extract_part")
REASONS_SHOWN = 3
SCREEN = 40  # of more data sets, those derived from one are in its line
FEW_BACKBONES = 3  # the table of data sets says enough of so few
KINDS = ("done", "running", "waiting", "outdated", "missing", "failed", "broken")
NAMED = ("failed", "broken")
FRAGMENT = "fragment"  # the stage of a State whose fragment is there and cannot be used


@dataclass(frozen=True)
class Work:
    """What one picture costs a backbone, and the width of the features it gives."""

    gflop: float
    width: int


@dataclass(frozen=True)
class Plan:
    """What `report` prints.

    Attributes:
        states: of each experiment.
        jobs: what Snakemake would run.
        findings: the doctor's, one per data set.
        per_unit: seconds per unit of size by kind of job, of kinds that have run here.
        cores: jobs at a time.
        free: megabytes of free room for data and for results.
        backbones: of those that will run over images, their GFLOP per picture and the width of their
            features.
        activations: megabytes of all that will be cached for training below the head.
        parents: of each derived data set, what it is derived from.
    """

    states: Mapping[Experiment, State]
    jobs: frozenset[Job]
    findings: Sequence[Finding]
    sources: Mapping[str, Source]
    per_unit: Mapping[str, float]
    size_of: SizeOf
    cores: int
    free: Mapping[str, float]
    backbones: Mapping[str, Work]
    activations: float = 0.0
    parents: Mapping[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        """The data sets of the table, then those that some are derived from."""
        named = [task_id for task_id, _ in self.states]
        return list(dict.fromkeys([*named, *(one.task_id for one in self.findings)]))

    def fetched(self) -> dict[str, tuple[float, float]]:
        """Data set → megabytes to download, and on disk with what is unpacked; once per source."""
        first_of: dict[str, Finding] = {}
        for one in self.findings:
            if Job("download", one.source) in self.jobs:
                first_of.setdefault(one.source, one)
        return {
            one.task_id: (source.download_mb, source.download_mb + source.extracted_mb)
            for one in first_of.values()
            if one.state == "will download" and (source := self.sources[one.source])
        }

    def features_megabytes(self, task_id: str) -> float:
        """What the features that will be extracted of a data set take on disk."""
        numbers = (
            self.size_of(job) * self.backbones[architecture_of(job)].width
            for job in self.jobs_of(task_id)
            if job.rule in EXTRACTING
        )
        return sum(numbers) * (FLOAT_BYTES / 1e6)

    def jobs_of(self, task_id: str) -> list[Job]:
        """Its jobs; the download is with the first data set of a source."""
        return [job for job in self.jobs if job.rule != "download" and job.first == task_id]

    def kind_of(self, experiment: Experiment) -> str:
        """One of KINDS; `outdated` is what Snakemake makes again though its fragment is there."""
        state = self.states[experiment]
        if state.name == "done" or state.stage == FRAGMENT:
            again = Job("metrics_json", "/".join(experiment)) in self.jobs
            return "outdated" if again else "broken" if state.stage == FRAGMENT else "done"
        return state.name

    def seconds(self, jobs: Iterable[Job]) -> float:
        """Expected wall seconds on all cores; downloads are left out."""
        counted = [job for job in jobs if job.rule != "download"]
        return costs.total(counted, self.per_unit, self.size_of) / self.cores


def report(plan: Plan) -> str:
    """One screen of 80 columns."""
    kinds = {one: plan.kind_of(one) for one in plan.states}
    found = Counter(kinds.values())
    summary = ", ".join(f"{found[name]} {name}" for name in KINDS if found[name])
    lines = [f"{counted(len(plan.states), 'experiment')}: {summary}"]
    if found["outdated"]:
        lines += ["outdated: of other settings or other code; they will be made again"]
    if plan.jobs:
        by_rule = Counter(job.rule for job in plan.jobs)
        jobs = [f"{counted(len(plan.jobs), 'job')} to run:", *by_stage(by_rule)]
        lines += ["", *wrapped(jobs), "", *table(plan, kinds)]
        if len(plan.backbones) > FEW_BACKBONES:
            lines += ["", *by_backbone(plan)]
        lines += ["", *totals(plan)]
    else:
        lines += ["Nothing to do: every table is up to date."]
    named = {one: plan.states[one] for one in kinds if kinds[one] in NAMED}
    reasons = [text for text in failures(named) if text]
    lines += [cut(text) for text in reasons[:REASONS_SHOWN]]
    if len(reasons) > REASONS_SHOWN:
        lines += [f"and {len(reasons) - REASONS_SHOWN} more: metaprobe status"]
    return "\n".join(lines)


def by_stage(counts: Mapping[str, int]) -> list[str]:
    """`extract_features 90`, in the order of the pipeline; the tables' one job each as a sum."""
    others = sum(number for rule, number in counts.items() if rule not in WORK)
    listed = [f"{rule} {counts[rule]}" for rule in WORK if rule in counts]
    return [*listed, *([f"tables {others}"] if others else [])]


def table(plan: Plan, kinds: Mapping[Experiment, str]) -> list[str]:
    """One line per data set that has something to do, or per data set and those derived from it."""
    heading = ["data set", "done", "to do", "jobs", "GB to fetch", "GB of disk", "time"]
    fetched = plan.fetched()
    needs = {one.task_id: one.state for one in plan.findings if one.state in NEEDS_USER}
    rows: list[list[str]] = []
    busy = [task_id for task_id in plan.tasks if plan.jobs_of(task_id)]
    for name, tasks in grouped(busy, plan.parents).items():
        of_tasks = [kind for (task, _), kind in kinds.items() if task in tasks]
        jobs = [job for task_id in tasks for job in plan.jobs_of(task_id)]
        done = of_tasks.count("done")
        download, disk = (
            sum(fetched.get(task_id, (0.0, 0.0))[number] for task_id in tasks) for number in (0, 1)
        )
        disk += sum(map(plan.features_megabytes, tasks))
        by_user = {"manual": "by hand", "broken": "see doctor"}
        asked = [by_user[needs[task_id]] for task_id in tasks if task_id in needs]
        fetch = asked[0] if asked else to_gigabytes(download)
        known = all(job.kind in plan.per_unit for job in jobs)
        time = costs.duration(plan.seconds(jobs)) if known else "?"
        counts = [str(number) for number in (done, len(of_tasks) - done, len(jobs))]
        rows.append([name, *counts, fetch, to_gigabytes(disk), time])
    lines = aligned([heading, *rows], numbers=True)
    if idle := len(plan.tasks) - len(busy):
        lines += [f"{counted(idle, 'other data set')}: nothing to do"]
    return lines


def grouped(tasks: Sequence[str], parents: Mapping[str, str]) -> dict[str, list[str]]:
    """Line of the table → its data sets: one each, or beyond a screen also those derived from it."""
    if len(tasks) <= SCREEN:
        return {task_id: [task_id] for task_id in tasks}
    relatives: dict[str, list[str]] = {}
    for task_id in tasks:
        relatives.setdefault(parents.get(task_id, task_id), []).append(task_id)
    return {_named(parent, found): found for parent, found in relatives.items()}


def _named(parent: str, tasks: Sequence[str]) -> str:
    """`CIFAR10`, `CIFAR10 + 11 derived`, or `CIFAR10: 11 derived` if it has nothing to do itself."""
    derived = sum(task_id != parent for task_id in tasks)
    sign = " +" if parent in tasks else ":"
    return f"{parent}{sign} {derived} derived" if derived else parent


def architecture_of(job: Job) -> str:
    """Return the backbone of a job that runs one."""
    return job.name.split("/")[1]


def by_backbone(plan: Plan) -> list[str]:
    """One line per backbone that will run over images, dearest first.

    The time of one that has not run here yet is guessed, `~`: by its GFLOP, from those that have.
    """
    images: Counter[str] = Counter()
    for job in plan.jobs:
        if job.rule in EXTRACTING:
            images[architecture_of(job)] += round(plan.size_of(job))
    rates = {name: plan.per_unit.get(f"extract_features/{name}") for name in images}
    known = [rate / plan.backbones[name].gflop for name, rate in rates.items() if rate is not None]
    heading = ["backbone", "pictures", "GFLOP each", "GB of features", "time"]
    rows = []
    for name in sorted(images, key=lambda name: -plan.backbones[name].gflop):
        work, rate, guess = plan.backbones[name], rates[name], ""
        if rate is None and known:
            rate, guess = work.gflop * sum(known) / len(known), "~"
        seconds = None if rate is None else rate * images[name] / plan.cores
        time = "?" if seconds is None else f"{guess}{costs.duration(seconds)}"
        disk = to_gigabytes(images[name] * work.width * FLOAT_BYTES / 1e6)
        rows.append([name, f"{images[name]:,}", f"{work.gflop:.2f}", disk, time])
    return aligned([heading, *rows], numbers=True) if rows else []


def totals(plan: Plan) -> list[str]:
    """What all of it takes: network, disk, hours."""
    fetched = plan.fetched().values()
    download, unpacked = (sum(one[i] for one in fetched) / 1000 for i in (0, 1))
    features = sum(plan.features_megabytes(task_id) for task_id in plan.tasks) / 1000
    lines = [f"to download: {download:.1f} GB" if download else "nothing to download"]
    needed = ("data", "data with their archives", unpacked), ("results", "features", features)
    for place, what, gigabytes in needed:
        free = plan.free[place] / 1000
        room = "; that is too little room" if gigabytes > free else ""
        if gigabytes:
            lines += [f"disk: {gigabytes:.1f} GB of {what}; free there: {free:.1f} GB{room}"]
    if plan.activations:
        lines += [
            f"disk: {plan.activations / 1000:.1f} GB of activations, if all were there at once; each is"
            " deleted as soon as it is used"
        ]
    timed = [job for job in plan.jobs if job.rule != "download"]
    known = [job for job in timed if job.kind in plan.per_unit]
    if known:
        expected = costs.duration(plan.seconds(known))
        cores = counted(plan.cores, "core")
        lines += [f"time: about {expected} on {cores}, by what finished jobs took"]
    elif timed:
        lines += ["time: ? until a first job of each kind has run here"]
    not_timed = ["downloads"] if known and download else []
    if known and len(known) < len(timed):
        others = counted(len(timed) - len(known), "other job")
        not_timed += [f"{others}, of a kind that has not run here yet"]
    if not_timed:
        lines += [f"not in it: {', '.join(not_timed)}"]
    return lines


def to_gigabytes(megabytes: float) -> str:
    """`-` for nothing, and no `0.00` for something."""
    if 0 < megabytes < 5:
        return "<0.01"
    return f"{megabytes / 1000:.2f}" if megabytes else "-"


def counted(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cut(text: str) -> str:
    """The first line of a text, of at most 158 characters, two lines of a terminal."""
    first = text.splitlines()[0]
    return first if len(first) <= 158 else f"{first[:155]}..."
