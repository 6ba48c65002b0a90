"""How each file of a run is proved to be as it was written; a proof returns the digest of the file."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from metaprobe.config import layout
from metaprobe.core.arrays import digest_arrays, read_arrays, read_facts
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, csv_text, digest_file, read_checked_json
from metaprobe.core.parquet import check_parquet, read_parquet
from metaprobe.data.subset import read_subset
from metaprobe.features.weights import read_receipt
from metaprobe.metafeatures.table import as_csv
from metaprobe.operations.flow.expected import weights_ids
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.recommend import evaluation_table, portfolio, ranking
from metaprobe.tables import predictions, validation
from metaprobe.tables.collect import target_table
from metaprobe.training.fragment import read_fragment
from metaprobe.training.sweep_table import read_rows

Proof = Callable[[Path], str]  # raises a UserError that names the file
FROM_PARQUET = {
    "experiments.csv": ("experiments", csv_text),
    "target_representations.csv": ("experiments", lambda table: csv_text(target_table(table))),
    "basic_representations.csv": ("basic_representations", as_csv),
    "bootstrap_representations.csv": ("bootstrap_representations", as_csv),
}
ROUNDING = 1e-9


def proofs(flow: Workflow) -> Iterator[tuple[str, str, Proof]]:
    """Yield kind, name in the results folder, and proof of each file that a run may have.

    Files come after those that they are made from.
    """
    for kind, pattern, names, proof in _between_stages(flow):
        yield kind, pattern.removeprefix("<results>/").format(**names), proof
    yield from proofs_of_tables(flow.run.new)
    for card in sorted((flow.results / "models").glob("*/*/card.json")):
        yield "models", card.relative_to(flow.results).as_posix(), _model


def proofs_of_tables(new: Iterable[str] = ()) -> Iterator[tuple[str, str, Proof]]:
    """Yield the same of the tables alone, which name a run's files but need nothing else of it.

    Args:
        new: data sets for which configurations were recommended.
    """
    for name in ("experiments", "replicates", "curves", "predictions", "sweep", "probes"):
        yield "tables", f"{name}.parquet", parquet
    for name in ("basic_representations", "bootstrap_representations"):
        yield "tables", f"{name}.parquet", parquet
    for name, (origin, form) in FROM_PARQUET.items():
        yield "tables", name, partial(_from_parquet, origin, form)
    yield "tables", "comparisons.csv", _comparisons
    rows: dict[str, Callable[[Any], Any]] = {
        "recommendation_evaluation": lambda details: evaluation_table.to_table(details["rows"]),
        "portfolio": lambda details: portfolio.to_table(details["rows"]),
        **{f"recommendations/{task_id}": ranking.to_table for task_id in new},
    }
    for name, to_table in rows.items():
        yield "tables", f"{name}.json", checked_json
        yield "tables", f"{name}.csv", partial(_from_json, to_table)
    yield "tables", "arena.json", checked_json
    for number, name in enumerate(("arena", "advice_evaluation")):
        yield "tables", f"{name}.csv", partial(_from_arena, number)
    yield "tables", "validation.json", checked_json
    yield "tables", "validation.txt", _validation
    yield "tables", "metabu/scaler.json", checked_json
    for name in ("target_representations", "basic_representations"):
        yield "tables", f"metabu/{name}.csv", _metabu


def _between_stages(flow: Workflow) -> Iterator[tuple[str, str, dict[str, str], Proof]]:
    for source in flow.sources:
        yield "manifests", layout.SOURCE, {"source": source}, checked_json
    for name in flow.extracted:
        yield "receipts of weights", layout.WEIGHTS, {"architecture": name}, _receipt
    for task_id in flow.entries:
        names = {"dataset": task_id}
        yield "subsets", layout.SUBSET, names, _subset
        yield "pictures", layout.PICTURES, names, arrays
        for name in flow.extracted:
            yield "features", layout.FEATURES, names | {"architecture": name}, _features
    used = [task_id for task_id in flow.entries if task_id in flow.used]
    for task_id, (name, part) in product(used, flow.parts):
        names = {"dataset": task_id, "images": part.rpartition("-")[2]}
        if flow.drawn_for(task_id, part):
            yield "validation images", layout.VALIDATION, names, checked_json
        yield "parts", layout.PART, names | {"architecture": name, "part": part}, arrays
    for task_id, name in flow.experiments:
        if flow.run.configurations[name].trainable != "head":
            for receipt in flow.activations_of(task_id, name):
                yield "receipts of activations", receipt, {}, checked_json
    for task_id, name in flow.experiments:
        names = {"dataset": task_id, "configuration": name}
        yield "heads", layout.HEAD, names, arrays
        yield "fragments", layout.FRAGMENT, names, _fragment
        yield "predictions", layout.PREDICTIONS, names, of_predictions
    for task_id in flow.entries:
        yield "descriptions", layout.DESCRIPTION, {"dataset": task_id}, checked_json
        yield "descriptions", layout.RESAMPLES, {"dataset": task_id}, checked_json
    for name, expected in weights_ids(flow).items():
        proof = partial(_classifier, expected)
        yield "classifiers", layout.CLASSIFIER, {"architecture": name}, proof
    for task_id, name in product(flow.run.datasets, flow.architectures):
        yield "scores", layout.SCORES, {"dataset": task_id, "architecture": name}, _scores
    swept = flow.run.grid.parameters()["architecture"] if flow.run.grid else []
    for task_id, name in product(flow.run.datasets, swept):
        yield "sweeps", layout.SWEEP, {"dataset": task_id, "architecture": name}, _sweep


def arrays(path: Path) -> str:
    """Prove arrays by the digest that they carry."""
    return digest_arrays(read_arrays(path)[0])


def checked_json(path: Path) -> str:
    """Prove JSON by the digest that it carries."""
    return str(read_checked_json(path)["sha256"])


def parquet(path: Path) -> str:
    """Prove Parquet by the digest that it carries."""
    check_parquet(path)
    return digest_file(path)


def _subset(path: Path) -> str:
    return str(read_subset(path)["sha256"])


def _receipt(path: Path) -> str:
    return str(read_receipt(path)["sha256"])


def _fragment(path: Path) -> str:
    return read_fragment(path, path.parent.name, path.stem).sha256


def _features(path: Path) -> str:
    found, told = read_arrays(path)
    receipt = path.parents[2] / "weights" / f"{path.stem}.json"
    if receipt.is_file() and told["weights"] != read_receipt(receipt):
        raise broken(path, f"they are of other weights than {receipt} names")
    return digest_arrays(found)


def of_predictions(path: Path) -> str:
    """Prove predictions by their subset and fragment too, as they name no digest of their origins."""
    folder, (task_id, name) = path.parent.parent, (path.parent.name, path.stem)
    found = predictions.read_predictions(folder, task_id, name)
    subset = folder.parent / "subsets" / f"{task_id}.json"
    if subset.is_file() and found["image"].tolist() != read_subset(subset)["test"]["indices"]:
        raise broken(path, f"they are of other images than {subset} names")
    fragment = folder.parent / "metrics" / task_id / f"{name}.json"
    if fragment.is_file():
        accuracy = float((found["predicted_class"] == found["true_class"]).mean())
        told = read_fragment(fragment, task_id, name).test_accuracy
        if abs(accuracy - told) > ROUNDING:
            raise broken(path, f"their accuracy is {accuracy:.4f}, in {fragment} {told:.4f}")
    return digest_arrays(found)


def _classifier(weights_id: str, path: Path) -> str:
    found, facts = read_arrays(path)
    if facts["weights_id"] != weights_id:
        raise broken(path, f"it is of the weights {facts['weights_id']}, not {weights_id}")
    return digest_arrays(found)


def _scores(path: Path) -> str:
    told = read_checked_json(path)
    features = path.parents[2] / "features" / path.parent.name / f"{path.stem}.safetensors"
    if features.is_file() and read_facts(features)["features_sha256"] != told["features_sha256"]:
        raise broken(path, f"it is of other features than {features}")
    return str(told["sha256"])


def _sweep(path: Path) -> str:
    rows = read_rows(path)
    features = path.parents[2] / "features" / path.parent.name / f"{path.stem}.safetensors"
    if features.is_file():
        told = read_facts(features)["features_sha256"]
        if {*rows["features_sha256"].to_pylist()} != {told}:
            raise broken(path, f"its heads were trained on other features than {features}")
    return digest_file(path)


def _same_text(path: Path, text: str) -> str:
    if path.read_bytes() != text.encode():
        raise broken(path, "it is not as it was written: it was edited or damaged")
    return digest_file(path)


def _from_parquet(origin: str, form: Callable[[Any], str], path: Path) -> str:
    return _same_text(path, form(read_parquet(path.with_name(f"{origin}.parquet"))))


def _comparisons(path: Path) -> str:
    return _same_text(
        path, csv_text(predictions.comparisons(path.with_name("predictions.parquet")))
    )


def _from_json(to_table: Callable[[Any], Any], path: Path) -> str:
    return _same_text(path, csv_text(to_table(read_checked_json(path.with_suffix(".json")))))


def _from_arena(number: int, path: Path) -> str:
    # Here, as it imports SciPy, which publishing can do without.
    from metaprobe.recommend.arena.tables import as_tables

    judged = read_checked_json(path.with_name("arena.json"))
    return _same_text(path, csv_text(as_tables(judged)[number]))


def _model(path: Path) -> str:
    """Prove a model's card, its other files by the digests in it, and that its origins are those there."""
    card = read_checked_json(path)
    for name, digest in card["files"].items():
        file = path.with_name(name)
        if not file.is_file():
            raise UserError(f"{file} is gone: delete {path.parent} and fit the model again")
        if digest_file(file) != digest:
            raise broken(file, "it is not as it was written")
    for name, digest in card["made_from"].items():
        origin = path.parents[3] / name
        if origin.is_file() and digest_file(origin) != digest:
            raise broken(path, f"it was made from another file than {origin} is now")
    return str(card["sha256"])


def _validation(path: Path) -> str:
    return _same_text(path, validation.in_words(read_checked_json(path.with_suffix(".json")), 10))


def _metabu(path: Path) -> str:
    written = read_checked_json(path.with_name("scaler.json")).get("tables", {})
    if (found := digest_file(path)) != written.get(path.name):
        raise broken(path, "it is not as it was written: it was edited or damaged")
    return found
