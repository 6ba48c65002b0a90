"""`make bench`: what the design gains on this machine, every figure beside the one it is held to.

CPU seconds of one thread, measured in interleaved rounds; what is extrapolated shows its sum.
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from metaprobe.config.backbones import parse_backbone
from metaprobe.config.reading import read_strictly
from metaprobe.features.backbones import preprocessing
from metaprobe.features.facts import find_out

from benchmarks import (
    backbones,
    extraction,
    grid,
    heads,
    preparation,
    recipe_costs,
    transferability,
)

ROUNDS = 2
TRAIN, TEST, EPOCHS, CONFIGURATIONS = 5000, 1000, 3, 6
CARD, THREADS = 100, 8
ONES = (1.0, 1.0, 1.0)
METRICS = ("test_accuracy", "train_accuracy", "test_loss")


def run_way(*arguments: str) -> dict[str, Any]:
    """What `benchmarks/experiments.py` prints."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.experiments", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def print_experiments(engines: list[str]) -> dict[str, float]:
    """Six configurations of one data set, by way; return CPU seconds of each way."""
    ways = [("literal",), *((name,) for name in engines), *((name, "bfloat16") for name in engines)]
    outcomes: dict[tuple[str, ...], list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way in ways:
            outcomes[way].append(run_way(*way))
    seconds = {
        way: statistics.median(one["seconds"] for one in found) for way, found in outcomes.items()
    }
    literal = seconds[("literal",)]
    bars = {("torch",): "20", ("openvino",): "27", ("openvino", "bfloat16"): "65"}
    print("\nSix configurations of one data set (100 + 20 images), CPU seconds")
    print(f"{'way':<20}{'seconds':>10}{'cheaper':>10}{'expected':>10}{'of it heads':>13}")
    for way, found in outcomes.items():
        heads_seconds = statistics.median(one.get("heads", 0) for one in found)
        print(
            f"{' '.join(way):<20}{seconds[way]:>10.2f}{f'× {literal / seconds[way]:.1f}':>10}"
            f"{f'× {bars[way]}' if way in bars else '':>10}{heads_seconds:>13.2f}"
        )
    print("\nMetrics side by side: literal, and the largest difference from it")
    print(f"{'configuration':<28}{'test acc.':>10}{'train acc.':>11}{'test loss':>11}", end="")
    print("".join(f"{' '.join(way):>19}" for way in ways[1:]))
    for name, expected in outcomes[("literal",)][0]["metrics"].items():
        print(f"{name:<28}" + "".join(f"{expected[m]:>11.4f}" for m in METRICS)[1:], end="")
        for way in ways[1:]:
            found_metrics = outcomes[way][0]["metrics"][name]
            difference = max(abs(found_metrics[metric] - expected[metric]) for metric in METRICS)
            print(f"{difference:>19.1e}", end="")
        print()
    return {" ".join(way): value for way, value in seconds.items()}


def print_extraction(engines: list[str]) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Images per CPU second of every engine, and how near to the machine's limit that is."""
    gemm, rates, flops = extraction.measure(engines, backbones.BACKBONES)
    print(f"\nExtraction, images per CPU second; the machine's GEMM rate is {gemm:.0f} GFLOP/s")
    print(f"{'backbone':<16}{'limit':>8}" + "".join(f"{way:>20}" for way in ["eager", *engines]))
    for architecture, found in rates.items():
        limit = gemm / flops[architecture]
        cells = "".join(
            f"{f'{rate:.1f} ({rate / limit:.0%} of limit)':>20}" for rate in found.values()
        )
        print(f"{architecture:<16}{limit:>8.0f}{cells}")
    return rates, {name: gemm / flops[name] for name in flops}


def print_others(engines: list[str]) -> float:
    """Networks of timm, by engine, against timm's own eager inference in the same rounds.

    Returns:
        GFLOP per CPU second that torch reaches with them, on average.
    """
    gemm, rates, flops = extraction.measure(engines, backbones.OF_TIMM)
    print("\nExtraction with networks of timm; expected: × 1.3 where convolutional, × 1 elsewhere")
    print(f"{'model':<30}{'limit':>7}{'eager':>8}" + "".join(f"{way:>22}" for way in engines))
    for model, found in rates.items():
        limit, eager = gemm / flops[model], found.pop("eager")
        cells = "".join(
            f"{f'{rate:.1f} (× {rate / eager:.2f}, {rate / limit:.0%})':>22}"
            for rate in found.values()
        )
        print(f"{model:<30}{limit:>7.0f}{eager:>8.1f}{cells}")
    return statistics.mean(found["torch"] * flops[model] for model, found in rates.items())


def print_preparation(rates: dict[str, dict[str, float]]) -> float:
    """What decoding and resizing costs, once per backbone, and how long the network waits for it.

    Returns:
        CPU milliseconds of the dearest kind of picture.
    """
    three = sum(1000 / found["torch"] for found in rates.values())
    print(
        "\nPreparation in a thread beside the network (torch), on two cores; expected: the network"
    )
    print("waits under 10 % of the time")
    print(f"{'picture':<24}{'CPU ms':>8}{'once for three backbones would save':>37}  waits")
    measured = preparation.measure()
    for kind, milliseconds, waits in measured:
        saved = 2 * milliseconds / (three + 3 * milliseconds)
        shares = ", ".join(f"{share:.0%} {name}" for name, share in waits.items())
        print(f"{kind:<24}{milliseconds:>8.2f}{f'{saved:.1%} of the CPU time':>37}  {shares}")
    return max(milliseconds for _, milliseconds, _ in measured)


def print_card(rate: float, decoding: float) -> None:
    """Arithmetic of a device that is 100 times as fast: does it wait for JPEGs?

    Args:
        rate: GFLOP per CPU second that torch reaches here.
        decoding: CPU milliseconds to prepare a JPEG.
    """
    print(
        f"\nPreparation for a device {CARD} times as fast as one core, {THREADS} threads, a picture:"
    )
    print(
        f"{'backbones':<12}{'network ms':>11}{'waits ms':>10}{'waits ms with one thread':>26}",
        end="",
    )
    print(f"{'ways to prepare':>17}{'ms to decode once per way':>27}")
    for file in ("backbones.yaml", "backbones-24.yaml"):
        declared = [
            parse_backbone(o) for o in read_strictly(f"config/{file}")["backbones"].values()
        ]
        network = [2 * find_out(one).gflop / rate * 1000 / CARD for one in declared]
        waits = [
            sum(max(0, decoding / threads - one) for one in network) for threads in (THREADS, 1)
        ]
        ways = len({replace(preprocessing(one), mean=ONES, std=ONES) for one in declared})
        print(
            f"{len(declared):<12}{sum(network):>11.2f}{waits[0]:>10.2f}{waits[1]:>26.2f}"
            f"{ways:>17}{ways * decoding / THREADS:>27.2f}"
        )


def print_heads() -> dict[int, dict[str, float]]:
    """CPU milliseconds per head by way and number of classes."""
    found = {class_count: heads.measure(class_count) for class_count in heads.CLASS_COUNTS}
    print("\nHeads, CPU ms each (width 1,280; 5,000 images, 3 epochs, batch 64)")
    print(f"{'':<24}" + "".join(f"{f'C = {c}':>10}{'× loop':>9}" for c in found))
    for name in found[heads.CLASS_COUNTS[0]]:
        cells = "".join(
            f"{times[name]:>10.1f}{times['loop over torch.optim'] / times[name]:>9.1f}"
            for times in found.values()
        )
        print(f"{name:<24}{cells}")
    return found


def print_grid() -> float:
    """The grid of one data set; return its CPU seconds."""
    found = grid.measure()
    total = sum(seconds for seconds, _ in found.values())
    rows = sum(count for _, count in found.values())
    print(f"\nThe grid of one data set of {grid.CLASSES} classes, {rows} configurations")
    for architecture, (seconds, count) in found.items():
        print(f"{architecture:<16}{count:>6} rows{seconds:>8.1f} CPU s")
    print(f"together {total:.0f} CPU s, {total / 2:.0f} s on two cores; expected: under 90 s")
    return total


def print_hours(
    rates: dict[str, dict[str, float]],
    limits: dict[str, float],
    milliseconds: dict[int, dict[str, float]],
    grid_seconds: float,
    speed_up: float,
) -> None:
    """Core-hours of the 180 experiments and of the 172,800, with the arithmetic."""
    datasets = read_strictly("config/datasets.yaml")["datasets"]
    classes = [entry["classes"] for entry in datasets.values()]
    tasks, images = len(classes), TRAIN + TEST
    engine = list(next(iter(rates.values())))[-1]
    print(f"\nCore-hours, extrapolated ({tasks} data sets of {TRAIN} + {TEST} images)")
    for name, speeds in (
        ("limit", limits),
        *((e, {a: rates[a][e] for a in rates}) for e in list(next(iter(rates.values())))[1:]),
    ):
        per_image = sum(1 / speed for speed in speeds.values())
        hours = tasks * images * per_image / 3600
        print(
            f"extraction, {name}: {tasks} × {images} images × {1000 * per_image:.1f} ms for the "
            f"three backbones = {hours:.2f} h"
        )
    slowest = sum(1 / rates[a][list(rates[a])[1]] for a in rates)
    one = "train_head"
    counts, costs = zip(*((c, milliseconds[c][one]) for c in milliseconds), strict=True)
    head_seconds = CONFIGURATIONS * sum(np.interp(classes, counts, costs)) / 1000
    extraction_hours = tasks * images * slowest / 3600
    print(
        f"heads of the 180: {CONFIGURATIONS} × {tasks} heads, {head_seconds / CONFIGURATIONS / tasks:.2f} s "
        f"on average = {head_seconds / 3600:.2f} h"
    )
    total = extraction_hours + head_seconds / 3600
    print(
        f"the 180 experiments: {total:.2f} h; literally × {speed_up:.0f} = {total * speed_up:.0f} h"
    )
    way = list(milliseconds[counts[0]])[-1]
    relative = np.interp(classes, counts, [milliseconds[c][way] for c in counts])
    relative /= milliseconds[counts[0]][way]
    grid_hours = grid_seconds * relative.sum() / 3600
    print(
        f"heads of the 172,800: {grid_seconds:.0f} CPU s for {counts[0]} classes × "
        f"{relative.sum():.0f} (sum over the tasks of their cost against {counts[0]} classes: "
        f"{way}) = {grid_hours:.1f} h; expected: under 4 h"
    )
    print(f"the 172,800 with their extraction ({engine}): {grid_hours + extraction_hours:.1f} h")


def main() -> None:
    """Print everything."""
    engines = ["torch"]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            import openvino  # noqa: F401
        engines.append("openvino")
    except ImportError:
        print("openvino is not installed (pip install openvino): its figures are left out")
    seconds = print_experiments(engines)
    rates, limits = print_extraction(engines)
    rate = print_others(engines)
    print_card(rate, print_preparation(rates))
    recipe_costs.print_costs()
    milliseconds = print_heads()
    transferability.print_transferability()
    grid_seconds = print_grid()
    print_hours(rates, limits, milliseconds, grid_seconds, seconds["literal"] / seconds["torch"])


if __name__ == "__main__":
    main()
