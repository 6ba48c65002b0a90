"""Draw 48 configurations, 16 per architecture, whose hyperparameters are as good as uncorrelated.

`python benchmarks/draw_configurations.py > config/configurations-48.yaml` writes the file again.

The six of config/configurations.yaml come first, as they are. In them learning rate and
regularisation always change together. The other 42 are levels of each hyperparameter, equally
often as far as the six allow; seeded swaps within a column make the sum of squared correlations
between all columns as small as they can (nearly orthogonal arrays: Wang and Wu 1992; exchange of
elements: Xu 2002).
"""

import itertools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import yaml

SEED = 0
SWAPS = 40_000
PER_ARCHITECTURE = 16
SIX = Path(__file__).parent.parent / "config" / "configurations.yaml"
LEVELS = {
    "architecture": ["ResNet18", "EfficientNetB0", "MobileNetV2"],
    "optimizer": ["Adam", "AdamW", "SGD", "SGD with momentum", "RMSprop", "Adagrad"],
    "learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03],
    "batch_size": [32, 64, 128],
    "weight_decay": [0.00001, 0.0001, 0.001],
    "dropout_rate": [0.0, 0.1, 0.2, 0.4],
    "label_smoothing": [0.0, 0.05, 0.1, 0.2],
    "grad_clip": [0.0, 1.0],
    "epochs": [3, 6, 12],
}
CATEGORIES = ("architecture", "optimizer")
LOGARITHMIC = ("learning_rate", "weight_decay", "batch_size", "epochs")
MOMENTUM = 0.9
HEADER = """\
# 48 configurations shared by all tasks, 16 per architecture: the six first, then 42 drawn so that
# the effects of the hyperparameters can be told apart. Over features that are there it reads no
# image: snakemake --cores 4 --configfile config/configurations-48.yaml
# Written by: python benchmarks/draw_configurations.py > config/configurations-48.yaml
"""


def main() -> None:
    """Print the file."""
    six = yaml.safe_load(SIX.read_text(encoding="utf-8"))["configurations"]
    drawn = named([describe(row) for row in draw(six)])
    sys.stdout.write(HEADER)
    for section in ({"configurations": six}, drawn):
        text = yaml.safe_dump(section, sort_keys=False)
        sys.stdout.write(text if "configurations" in section else indent(text))


def draw(six: dict[str, dict]) -> list[dict]:
    """The rows of the 42, as level per factor."""
    rng = np.random.default_rng(SEED)
    rows = [{name: one.get(name, default(name)) for name in LEVELS} for one in six.values()]
    table = {name: balanced(name, [row[name] for row in rows], rng) for name in LEVELS}
    fixed = len(rows)
    names = list(table)
    score = imbalance(table)
    for _ in range(SWAPS):
        name = names[rng.integers(1, len(names))]
        first, second = rng.integers(fixed, len(table[name]), 2)
        column = table[name]
        if column[first] == column[second]:
            continue
        column[first], column[second] = column[second], column[first]
        new = imbalance(table)
        if new <= score:
            score = new
        else:
            column[first], column[second] = column[second], column[first]
    drawn = [{name: table[name][row] for name in names} for row in range(fixed, len(column))]
    drawn.sort(key=lambda row: [LEVELS[name].index(row[name]) for name in names])
    return drawn


def default(name: str) -> float:
    """What an absent hyperparameter of the six is; their epochs are the run's."""
    return 3 if name == "epochs" else 0.0


def balanced(name: str, given: list, rng: np.random.Generator) -> list:
    """The given values, then those that make all levels as equal in number as can be, shuffled."""
    total = PER_ARCHITECTURE * len(LEVELS["architecture"])
    counts = Counter(given)
    for _ in range(total - len(given)):
        counts[min(LEVELS[name], key=lambda level: counts[level])] += 1
    rest = [level for level in LEVELS[name] for _ in range(counts[level] - given.count(level))]
    return given + (
        rest if name == "architecture" else [rest[i] for i in rng.permutation(len(rest))]
    )


def coded(table: dict[str, list]) -> dict[str, np.ndarray]:
    """Factor → its columns of numbers, (48, 1), or one-hot (48, levels)."""
    columns = {}
    for name, values in table.items():
        if name in CATEGORIES:
            columns[name] = np.array(
                [[value == level for level in LEVELS[name]] for value in values]
            )
        else:
            numbers = np.array(values, dtype=float)[:, None]
            columns[name] = np.log(numbers) if name in LOGARITHMIC else numbers
    return {name: np.asarray(column, dtype=float) for name, column in columns.items()}


def imbalance(table: dict[str, list]) -> float:
    """The sum of squared correlations between columns of different factors."""
    columns = coded(table)
    owner = [name for name, column in columns.items() for _ in range(column.shape[1])]
    correlation = np.corrcoef(np.hstack(list(columns.values())), rowvar=False)
    apart = np.array([[one != other for other in owner] for one in owner])
    return float(np.square(correlation[apart]).sum())


def describe(row: dict) -> dict:
    """A configuration as it stands in YAML; what is not in use is absent."""
    one = {name: value for name, value in row.items() if value}
    if one["optimizer"] == "SGD with momentum":
        one |= {"optimizer": "SGD", "momentum": MOMENTUM}
    return one


def named(rows: list[dict]) -> dict[str, dict]:
    """Ids that say architecture and optimiser, numbered where there are several."""
    counters: dict[str, itertools.count] = {}
    found = {}
    for row in rows:
        style = "momentum" if row.get("momentum") else row["optimizer"].lower()
        stem = f"{row['architecture'].lower()}-{style}"
        found[f"{stem}-{next(counters.setdefault(stem, itertools.count(1)))}"] = row
    return found


def indent(text: str) -> str:
    """YAML two columns to the right."""
    return "".join(f"  {line}\n" for line in text.splitlines())


if __name__ == "__main__":
    main()
