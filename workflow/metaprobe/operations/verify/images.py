"""Recomputing some finished experiments from their images on, and how far the numbers are apart."""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metaprobe.config.datasets import Derived
from metaprobe.config.parts import cached_parts, cut_of, parts_of
from metaprobe.core.arrays import Arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_json
from metaprobe.core.randomness import generator
from metaprobe.core.text_table import aligned
from metaprobe.data.subset import read_subset, read_validation
from metaprobe.operations.flow.workflow import Workflow

METRICS = ("test_accuracy", "train_accuracy", "test_loss")
SAME_ORIGIN = ("subset_sha256", "pixels_sha256")  # what must not differ on any machine
ACCURACY_TOLERANCE = 0.01
IMAGES_TOLERANCE = 2  # of a small part; one image of 100 is 0.01 already
LOSS_TOLERANCE = 0.01  # relative, above 1
ROUNDING = 1e-9
NOTHING_YET = (
    "there is no finished experiment to verify yet: start the run first (snakemake --cores 4)"
)
FEATURES_KEY = itemgetter("task_id", "architecture")
Fragment = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A fragment of the table and the same experiment recomputed."""

    table: Fragment
    again: Fragment

    def differences(self) -> dict[str, float]:
        """Metric → absolute difference."""
        return {metric: abs(self.table[metric] - self.again[metric]) for metric in METRICS}

    def tolerance(self, metric: str) -> float:
        """Return the largest difference that another machine or device may make."""
        if metric == "test_loss":
            return LOSS_TOLERANCE * max(1.0, float(self.table[metric]))
        images: int = self.table[metric.replace("accuracy", "images")]
        return max(ACCURACY_TOLERANCE, IMAGES_TOLERANCE / images)

    def verdict(self) -> str:
        """`identical`, `within tolerance`, `OUTSIDE`, or `OTHER IMAGES`."""
        if any(self.table[key] != self.again[key] for key in SAME_ORIGIN):
            return "OTHER IMAGES"
        differences = self.differences()
        if not any(differences.values()):
            return "identical"
        within = all(differences[m] <= self.tolerance(m) + ROUNDING for m in METRICS)
        return "within tolerance" if within else "OUTSIDE"


def choose(fragments: Sequence[Fragment], count: int, seed: int) -> list[Fragment]:
    """`count` of the fragments, drawn by the seed, in their order; all if there are no more."""
    draws = generator(seed, "", "verify")
    chosen = draws.choice(len(fragments), min(count, len(fragments)), replace=False)
    return [fragments[index] for index in sorted(chosen)]


def recompute(
    fragments: Iterable[Fragment], flow: Workflow, processes: int
) -> Iterator[Comparison]:
    """Recompute each experiment in a temporary place; one backbone pass per data set and architecture.

    Raises:
        UserError: the images or the weights are no longer there.
    """
    ordered = sorted(fragments, key=FEATURES_KEY)
    groups = [list(group) for _, group in groupby(ordered, key=FEATURES_KEY)]
    with multiprocessing.get_context("fork").Pool(min(processes, len(groups)) or 1) as pool:
        for comparisons in pool.imap(partial(_recompute_group, flow), groups):
            yield from comparisons


def _recompute_group(flow: Workflow, fragments: list[Fragment]) -> list[Comparison]:
    """The experiments of one data set and one architecture."""
    task_id, architecture = FEATURES_KEY(fragments[0])
    named = [part for f in fragments for _, part in flow.parts_named(f["configuration"])]
    parts = list(dict.fromkeys(named))
    with TemporaryDirectory(prefix="metaprobe-verify-") as temporary:
        folder = Path(temporary)
        receipt = None
        if flow.run.settings.weights == "imagenet":
            receipt = folder / "weights.json"
            write_json(receipt, _receipt(flow, architecture))
        if isinstance(entry := flow.entries[task_id], Derived):
            _extract_again(entry.of, fragments[0], parts, folder / "parent", flow, receipt)
            _derive_again(entry, task_id, parts, folder / "parent", folder)
        else:
            _extract_again(task_id, fragments[0], parts, folder, flow, receipt)
        return [Comparison(f, _train_and_measure(f, folder, flow, receipt)) for f in fragments]


def _receipt(flow: Workflow, architecture: str) -> dict[str, Any]:
    from metaprobe.features.weights import fetch, weights_folder

    settings = flow.run.settings
    folder = weights_folder(settings.weights_folder, settings.data)
    return fetch(flow.run.backbones[architecture], folder, download=False)


def _extract_again(
    task_id: str,
    fragment: Fragment,
    parts: Sequence[str],
    folder: Path,
    flow: Workflow,
    receipt: Path | None,
) -> None:
    """Write the subset of a data set, its features, and the draws and features of these parts.

    Args:
        fragment: of an experiment on them, which tells how they were drawn and extracted.
    """
    from metaprobe.data.dataset import draw_subset, open_dataset
    from metaprobe.data.validation_images import draw_validation
    from metaprobe.features.extraction import Part, extract_features
    from metaprobe.features.weights import weights_folder

    settings, entry = flow.run.settings, flow.entries[task_id]
    dataset = open_dataset(task_id, entry, flow.data)
    subset = draw_subset(
        task_id,
        entry,
        dataset,
        seed=settings.seed,
        sampling=fragment["sampling"],
        sizes=flow.sizes,
    )
    write_json(folder / "subset.json", subset)
    extract = partial(
        extract_features,
        task_id=task_id,
        entry=entry,
        data=flow.data,
        transform=entry.transform,
        subset_path=str(folder / "subset.json"),
        architecture=fragment["architecture"],
        backbone=flow.run.backbones[fragment["architecture"]],
        weights=settings.weights,
        seed=settings.seed,
        weights_receipt=receipt,
        weights_folder=weights_folder(settings.weights_folder, settings.data),
        device=settings.device,
        engine=fragment["engine"]["name"],
        precision=fragment["precision"],
        threads=1,
    )
    write_arrays(folder / "features.safetensors", *extract())
    for part in parts:
        drawn = None
        if flow.drawn_for(task_id, part):
            drawn = str(folder / f"{part}.json")
            images = int(part.rpartition("-")[2])
            write_json(drawn, draw_validation(subset, entry, dataset, images))
        write_arrays(folder / f"{part}.safetensors", *extract(part=Part(part, drawn)))


def _derive_again(
    entry: Derived, task_id: str, parts: Sequence[str], parent: Path, folder: Path
) -> None:
    """Write the same of a derived data set, from the files of its parent in the folder `parent`."""
    from metaprobe.derived.derivation import derive, derive_validation
    from metaprobe.derived.index import index_features, index_part

    of, path = read_subset(parent / "subset.json"), folder / "subset.json"
    subset = derive(task_id, entry, of)
    write_json(path, subset)
    features = index_features(str(path), str(parent / "features.safetensors"))
    features.write(folder / "features.safetensors")
    for part in parts:
        drawn = None
        if (parent / f"{part}.json").is_file():
            drawn = str(folder / f"{part}.json")
            of_parent = read_validation(parent / f"{part}.json", of)
            write_json(drawn, derive_validation(subset, of, of_parent))
        index = index_part(str(path), str(parent / f"{part}.safetensors"), drawn)
        index.write(folder / f"{part}.safetensors")


def _train_and_measure(
    fragment: Fragment, folder: Path, flow: Workflow, receipt: Path | None
) -> Fragment:
    from metaprobe.training.measurement import build_fragment
    from metaprobe.training.trained import train_on_file

    configuration = fragment["configuration"]
    hyperparameters = flow.hyperparameters[configuration]
    head = str(folder / "head.safetensors")
    names = parts_of(flow.run.configurations[configuration])
    validation = next(iter(names.validation), None)
    if flow.run.configurations[configuration].trainable != "head":
        trained = _tune(fragment, folder, flow, receipt)
    else:
        trained = train_on_file(
            str(folder / "features.safetensors"),
            fragment["task_id"],
            hyperparameters,
            flow.run.settings.seed,
            len(fragment["replicates"]),
            validation_path=validation and str(folder / f"{validation}.safetensors"),
            view_paths=[str(folder / f"{view}.safetensors") for view in names.views],
        )
    write_arrays(head, *trained)
    again, _ = build_fragment(
        task_id=fragment["task_id"],
        configuration=configuration,
        hyperparameters=hyperparameters,
        family=fragment["family"],
        subset_path=str(folder / "subset.json"),
        head_path=head,
        git_commit=None,
        validation_path=validation and str(folder / f"{validation}.json"),
    )
    return again


def _tune(
    fragment: Fragment, folder: Path, flow: Workflow, receipt: Path | None
) -> tuple[Arrays, dict[str, Any]]:
    """Return what was trained below the head, too."""
    from metaprobe.features.backbones import Weights
    from metaprobe.features.extraction import Part
    from metaprobe.features.weights import weights_folder
    from metaprobe.tuning.on_files import cache_activations, tune_on_files

    settings, task_id = flow.run.settings, fragment["task_id"]
    one = flow.run.configurations[fragment["configuration"]]
    own_weights = Weights(
        settings.weights,
        settings.seed,
        receipt,
        weights_folder(settings.weights_folder, settings.data),
    )
    cut = cut_of(one.trainable, one.cache_precision)
    validation = next(iter(parts_of(one).validation), None)
    drawn = validation and str(folder / f"{validation}.json")
    shared: dict[str, Any] = {
        "architecture": one.architecture,
        "backbone": flow.run.backbones[one.architecture],
    }
    files = {}
    for part in cached_parts(one):
        files[part] = str(folder / cut / f"{part}.json")
        cache_activations(
            files[part],
            task_id=task_id,
            entry=flow.run.datasets[task_id],
            data=flow.data,
            transform=flow.run.datasets[task_id].transform,
            subset_path=str(folder / "subset.json"),
            weights=own_weights,
            cut=cut,
            part=Part(part, drawn if part == validation else None),
            device=settings.device,
            threads=1,
            **shared,
        )
    return tune_on_files(
        task_id=task_id,
        subset_path=str(folder / "subset.json"),
        features_path=str(folder / "features.safetensors"),
        validation_path=drawn,
        activations=files,
        weights=own_weights,
        hyperparameters=flow.hyperparameters[fragment["configuration"]],
        seed=settings.seed,
        replicates=len(fragment["replicates"]),
        device=settings.device,
        threads=1,
        checkpoints=folder / "checkpoints" / fragment["configuration"],
        code="",
        **shared,
    )


def agreement(comparisons: Sequence[Comparison]) -> float | None:
    """Kendall's tau-b of the test accuracies, before and after; None if all are equal, or there is one."""
    from scipy.stats import kendalltau

    pairs = [(c.table["test_accuracy"], c.again["test_accuracy"]) for c in comparisons]
    if len(pairs) < 2:
        return None
    tau = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return None if tau != tau else tau


def report(comparisons: Sequence[Comparison]) -> str:
    """A row per experiment, the largest differences, the rank agreement and the verdict."""
    rows: list[tuple[str, ...]] = [("experiment", *METRICS, "verdict")]
    for one in comparisons:
        name = f"{one.table['task_id']}/{one.table['configuration']}"
        moved = [f"{one.table[m]:.4f} {one.again[m] - one.table[m]:+.1e}" for m in METRICS]
        rows.append((name, *moved, one.verdict()))
    lines = aligned(rows)
    largest = {m: max(one.differences()[m] for one in comparisons) for m in METRICS}
    tau = agreement(comparisons)
    lines += [
        "",
        "largest difference: " + ", ".join(f"{m} {largest[m]:.2g}" for m in METRICS),
        "rank agreement of the test accuracies (Kendall's tau-b): "
        + ("none, as they are all equal" if tau is None else f"{tau:.3f}"),
        *_origins(comparisons),
        f"verdict: {overall(comparisons)}",
    ]
    return "\n".join(line.rstrip() for line in lines)


def overall(comparisons: Sequence[Comparison]) -> str:
    """The worst verdict of all."""
    worst = ("OTHER IMAGES", "OUTSIDE", "within tolerance", "identical")
    return min((one.verdict() for one in comparisons), key=worst.index)


def _origins(comparisons: Sequence[Comparison]) -> list[str]:
    """Where device or versions differ, as that is where differences may come from."""
    found = set()
    for one in comparisons:
        then, now = ({"device": f["device"]} | f["versions"] for f in (one.table, one.again))
        changed = [key for key in now if then.get(key) != now[key]]
        found |= {f"{key}: {then.get(key)} then, {now[key]} now" for key in changed}
    return sorted(found)


def verify(fragments: Sequence[Fragment], flow: Workflow, processes: int) -> list[Comparison]:
    """Choose, recompute and compare.

    Raises:
        UserError: there is nothing to verify, or it cannot be recomputed.
    """
    if not fragments:
        raise UserError(NOTHING_YET)
    settings = flow.run.settings
    chosen = choose(fragments, settings.verify_experiments, settings.seed)
    return list(recompute(chosen, flow, processes))
