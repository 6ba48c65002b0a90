"""What the tasks of config/derived-300.yaml cost on cached features: CPU seconds by step, the six of the table.

The functions of the jobs themselves run in one process, on one thread, on random features as large as those of the
three backbones; starting a job costs extra. `python -m benchmarks.derived_costs CIFAR10 CIFAR100` takes the tasks of
these data sets; without names, of all thirty. Pictures are left out: most are not measured again.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from metaprobe.config.configurations import Configuration
from metaprobe.config.datasets import Derived, parse_entry
from metaprobe.core.arrays import digest_arrays, write_arrays
from metaprobe.core.files import read_json, with_checksum, write_json
from metaprobe.data.subset import describe_split
from metaprobe.derived.derivation import derive
from metaprobe.derived.index import index_features
from metaprobe.metafeatures.description import describe_dataset
from metaprobe.training.measurement import build_fragment
from metaprobe.training.trained import train_on_file

CONFIG = Path(__file__).parent.parent / "config"
WIDTHS = {"ResNet18": 512, "EfficientNetB0": 1280, "MobileNetV2": 1280}
SIZES = {"train": 5000, "test": 1000}
STEPS = ("derive_subset", "select_features", "train_head", "metrics_json", "describe_dataset")
Written = dict[str, dict[str, Any]]


class Costs:
    """CPU seconds and calls of each step."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def of(self, step: str, run: Callable[[], Any]) -> Any:
        """Run, and return what it returns."""
        start = time.process_time()
        found = run()
        self.seconds[step] += time.process_time() - start
        self.calls[step] += 1
        return found


def read(name: str, section: str) -> Written:
    """Return a section of a file of `config/`."""
    found: Written = yaml.safe_load((CONFIG / f"{name}.yaml").read_text("utf-8"))[section]
    return found


def cached_parent(folder: Path, name: str, declared: dict[str, Any]) -> dict[str, Any]:
    """Write random features, and pictures, of a data set as it is declared; return its subset."""
    rng = np.random.default_rng(0)
    names = [str(number) for number in range(declared["classes"])]
    images = declared["images"]
    pool = images.get("pool", 0)
    whole = {"train": images.get("train") or 0.8 * pool, "test": images.get("test") or 0.2 * pool}
    counts = {part: min(most, int(whole[part])) for part, most in SIZES.items()}
    labels = {
        part: rng.permutation(np.arange(count) % len(names)) for part, count in counts.items()
    }
    subset: dict[str, Any] = {"task_id": name, "seed": 0, "sampling": "random", "pretext": None}
    subset |= {"class_count": len(names), "class_names": names, "read_as": "random"}
    subset |= {"split": {"rule": "official"}, "partial": False, "pools": {}}
    for part, own in labels.items():
        subset[part] = describe_split(part, np.arange(len(own)), own, names)
    subset = with_checksum(subset)
    facts = {"task_id": name, "subset_sha256": subset["sha256"], "class_count": len(names)}
    for backbone, width in WIDTHS.items():
        arrays = {f"{part}_labels": own for part, own in labels.items()}
        for part, own in labels.items():
            means = np.random.default_rng(1).normal(size=(len(names), width))
            noise = rng.normal(size=(len(own), width))
            arrays[f"{part}_features"] = (means[own] + 3 * noise).astype(np.float32)
        told = facts | {"architecture": backbone, "features_sha256": digest_arrays(arrays)}
        told |= {"weights": {"id": "random"}, "engine": {"name": "none"}, "precision": "float32"}
        told |= {"preprocessing": "protocol", "pixels_sha256": "", "device": "cpu", "versions": {}}
        told |= {"seconds": {"train_features": 0.0, "test_features": 0.0}, "peak_memory_gb": 0.0}
        write_arrays(folder / name / f"{backbone}.safetensors", arrays, told)
    return subset


def run_task(
    folder: Path, task_id: str, entry: Derived, parent: dict[str, Any], six: Written, costs: Costs
) -> None:
    """Do all that a derived task needs, and add what it costs."""
    own = folder / task_id
    path = str(own / "subset.json")
    costs.of("derive_subset", lambda: write_json(path, derive(task_id, entry, parent)))
    for backbone in WIDTHS:
        origin = str(folder / entry.of / f"{backbone}.safetensors")
        target = own / f"{backbone}.safetensors"
        costs.of("select_features", lambda o=origin, t=target: index_features(path, o).write(t))
    for name, one in six.items():
        told = Configuration.model_validate(one | {"epochs": 3}).parameters()
        features, head = str(own / f"{told['architecture']}.safetensors"), own / "head"
        trained = costs.of("train_head", partial(train_on_file, features, task_id, told, 0))
        write_arrays(head, *trained)
        measure = partial(
            build_fragment,
            task_id=task_id,
            configuration=name,
            hyperparameters=told,
            family=entry.of,
            subset_path=path,
            head_path=str(head),
            git_commit=None,
        )
        costs.of("metrics_json", measure)
    write_arrays(own / "pictures", pictures(), {"subset_sha256": subset_digest(path)})
    costs.of(
        "describe_dataset",
        lambda: describe_dataset(
            task_id=task_id,
            seed=0,
            subset_path=path,
            pictures_path=str(own / "pictures"),
            features_paths={name: str(own / f"{name}.safetensors") for name in WIDTHS},
        ),
    )


def pictures() -> dict[str, Any]:
    """Statistics of one picture, as many as a description must have."""
    names = ("side", "colourfulness", "luminance_mean", "luminance_std", "high_frequency_share")
    return {name: np.ones(1) for name in names} | {"positions": np.zeros(1, np.int64)}


def subset_digest(path: str) -> str:
    """The digest that a subset carries."""
    return str(read_json(path)["sha256"])


def main(names: list[str]) -> None:
    """Print what the tasks of these data sets cost."""
    datasets, six = read("datasets", "datasets"), read("configurations", "configurations")
    entries = {k: parse_entry(one) for k, one in read("derived-300", "datasets").items()}
    chosen = names or list(datasets)
    costs, tasks, passes = Costs(), 0, 0
    for name in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            parent = cached_parent(folder, name, datasets[name])
            for task_id, entry in entries.items():
                if isinstance(entry, Derived) and entry.of == name:
                    run_task(folder, task_id, entry, parent, six, costs)
                    tasks, passes = tasks + 1, passes + passes_of(folder / task_id / "subset.json")
    total = sum(costs.seconds.values())
    print(f"{tasks} tasks derived from {len(chosen)} data sets × {len(six)} configurations")
    print(f"{'step':<20}{'runs':>8}{'CPU s':>10}{'CPU s each':>12}")
    for step in STEPS:
        each = costs.seconds[step] / costs.calls[step]
        print(f"{step:<20}{costs.calls[step]:>8}{costs.seconds[step]:>10.1f}{each:>12.3f}")
    print(f"in all {total:.0f} CPU seconds, {total / tasks:.1f} a task")
    if "torch" in sys.modules:  # without it no network can run
        raise SystemExit("torch was imported: a backbone may have run")
    print(
        f"passes of a picture through a backbone: 0 of {passes:,}, what the tasks alone would take"
    )


def passes_of(path: Path) -> int:
    """How many pictures a task would send through its backbones if it had none of their features."""
    subset = read_json(path)
    return len(WIDTHS) * sum(len(subset[part]["indices"]) for part in SIZES)


if __name__ == "__main__":
    main(sys.argv[1:])
