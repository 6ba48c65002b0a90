"""The questions of `metaprobe`: each prints its answer and returns the exit code."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from metaprobe.core.errors import UserError
from metaprobe.operations.flow.expected import expected_of_fragments
from metaprobe.operations.flow.stages import all_stages
from metaprobe.operations.flow.workflow import Workflow


def status(flow: Workflow) -> int:
    """Print which experiments are done, running, waiting, failed or missing."""
    from metaprobe.operations.slurm import queue
    from metaprobe.operations.status import gather, read_states, report

    jobs = queue.read_queue_of_runs(Path.cwd())
    evidence = gather(flow, jobs or ())
    print(report(read_states(all_stages(flow), expected_of_fragments(flow), evidence)))
    if jobs or evidence.at_work:  # else a squeue without an answer is nobody's concern
        print("".join(f"{line}\n" for line in queue.report(jobs)), end="")
    return 0


def doctor(flow: Workflow, checkout: Path, profile: str | None, *, strict: bool, deep: bool) -> int:
    """Print what is there of every data set, what will be fetched, and what the user must do.

    Args:
        profile: of Slurm, to send a small job with it as well; None: none.
        deep: open every data set, decode some pictures and compare published digests.

    Raises:
        UserError: the profile cannot be read, or there is no Slurm.
    """
    from metaprobe.operations import weights_here
    from metaprobe.operations.deep import deepened, published, to_publish
    from metaprobe.operations.doctor import examine, needs_user, report

    datasets, sources = flow.used, flow.run.sources
    findings = examine(datasets, sources, flow.data, flow.results / "sources")
    more: list[str] = []
    if deep:
        findings, unknown = deepened(findings, datasets, flow.data, published())
        more = [*to_publish(unknown)]
    print("\n".join([report(findings, sources, flow.data), *more]))
    weights = weights_here.look(flow)
    if weights:
        print("", weights_here.report(weights), sep="\n")
    if profile:
        from metaprobe.operations.slurm import trial

        if shutil.which("sbatch") is None:
            raise UserError("--profile: there is no Slurm here (sbatch is not found)")
        read = trial.read_profile(profile, checkout)
        if trial.send(read, flow.data, flow.logs / "doctor", lambda text: print(text, flush=True)):
            return 1
    missing = any(one.state == "missing" for one in weights)
    return int(strict and (missing or needs_user(findings, sources, flow.data)))


def plan(
    flow: Workflow,
    checkout: Path,
    configfiles: Sequence[Path],
    overrides: Sequence[str],
    cores: int,
) -> int:
    """Print what a run would do and take."""
    from metaprobe.config.datasets import Derived
    from metaprobe.operations import doctor
    from metaprobe.operations.planning import costs
    from metaprobe.operations.planning.activation_room import megabytes_of
    from metaprobe.operations.planning.backbone_work import work_of
    from metaprobe.operations.planning.plan import Plan, report
    from metaprobe.operations.slurm.queue import read_queue_of_runs
    from metaprobe.operations.snakemake_coupling import jobs_to_run
    from metaprobe.operations.status import gather, read_states

    run = flow.run
    size_of = costs.sizes(flow.used, run.sources, flow.sizes)
    how = {key: getattr(run.settings, key) for key in ("engine", "precision", "device")}
    evidence = gather(flow, read_queue_of_runs(Path.cwd()) or ())
    folders = {"data": flow.data, "results": flow.results}
    jobs = jobs_to_run(checkout, configfiles, overrides)
    found = Plan(
        states=read_states(all_stages(flow), expected_of_fragments(flow), evidence),
        jobs=jobs,
        backbones=work_of(flow, jobs),
        activations=sum(megabytes_of(flow, jobs).values()),
        findings=doctor.examine(flow.used, run.sources, flow.data, flow.results / "sources"),
        sources=run.sources,
        per_unit=costs.known(flow.results, flow.logs, size_of, **how),
        size_of=size_of,
        cores=cores,
        free={name: doctor.free_megabytes(folder) for name, folder in folders.items()},
        parents={name: one.of for name, one in flow.used.items() if isinstance(one, Derived)},
    )
    print(report(found))
    return 0


def verify(flow: Workflow, processes: int, *, digests: bool) -> int:
    """Print whether the files of a run are untouched, and unless only the digests are asked for, how far
    numbers are apart that are computed again: all heads and descriptions from cached features, and
    some experiments from their pictures on.

    Raises:
        UserError: there is nothing to verify, it cannot be computed, or something is not as it was.
    """
    from metaprobe.operations.verify import cached, chain, images
    from metaprobe.tables.collect import read_fragments

    walked = chain.walk(flow)
    if not walked.sound and not walked.complaints:
        raise UserError(images.NOTHING_YET)
    print(chain.report(walked), flush=True)
    if walked.complaints:
        raise UserError("files are not as they were written; see above.")
    if digests:
        return 0
    found, _ = read_fragments(
        flow.results / "metrics", flow.experiments, expected_of_fragments(flow)
    )
    fragments = [one.model_dump() for one in found]
    heads = cached.measure_heads(fragments, flow, processes)
    descriptions = cached.measure_descriptions(flow, processes)
    print("", *cached.report("heads", heads), sep="\n")
    print(*cached.report("descriptions", descriptions), "", sep="\n", flush=True)
    recomputed = images.verify(fragments, flow, processes)
    print(images.report(recomputed), flush=True)
    verdicts = [*heads.values(), *descriptions.values(), images.overall(recomputed)]
    if any(one not in cached.GOOD for one in verdicts):
        raise UserError("the recomputed numbers are not those of the table; see above.")
    return 0
