"""The chain of digests, walked from the subsets of a run to its tables: `metaprobe verify --digests`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import digest_file, read_json
from metaprobe.core.parquet import check_parquet
from metaprobe.core.text_table import aligned
from metaprobe.operations.flow.workflow import Workflow
from metaprobe.operations.outdated import Reader, comparisons, find_outdated
from metaprobe.operations.verify.proofs import proofs

SHOWN = 3
SOUND = "Every file is as it was written, and made from those that are there."
ADVICE = (
    "Delete the files that are named: the next run makes them, and what is made from them, again."
)


@dataclass
class Chain:
    """Kind of file -> how many are sound; and a line about each file that is not."""

    sound: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


def walk(flow: Workflow) -> Chain:
    """Read all files of a run that are there, prove each, and compare it with what it was made from."""
    chain = Chain()
    digests: dict[str, set[str]] = {}  # of the sound files, of their content and of their bytes
    for kind, name, proof in proofs(flow):
        path = flow.results / name
        if not path.is_file():
            continue
        try:
            digests[name] = {proof(path), digest_file(path)}
        except UserError as error:
            chain.complaints.append(str(error))
            continue
        chain.sound[kind] += 1
        if complaint := _disagreement(path, _made_from(path), digests):
            chain.complaints.append(complaint)
    found = {str(path): reason for path, reason in find_outdated(flow).items()}
    named = " ".join(chain.complaints)
    chain.complaints += [f"{path}: {why}" for path, why in found.items() if path not in named]
    chain.complaints += _without_origin(flow)
    return chain


def _made_from(path: Path) -> Mapping[str, str]:
    """Return what a table says it was made from; nothing of the files between the stages, which name
    the digests of their origins one by one, nor of a model, whose origins its own proof looks at: they
    may be of a data set that is not in the run that is asked about.
    """
    if path.name == layout.MODEL_FILES[-1]:
        return {}
    if path.suffix == ".parquet":
        return check_parquet(path)
    content = read_json(path) if path.suffix == ".json" else {}
    made_from: Mapping[str, str] = content.get("made_from", {})
    return made_from


def _disagreement(path: Path, made_from: Mapping[str, str], digests: Mapping[str, set[str]]) -> str:
    others = [name for name, digest in made_from.items() if digest not in digests.get(name, ())]
    if not others:
        return ""
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return f"{path} was made from other files than are there: {', '.join(others[:SHOWN])}{more}"


def _without_origin(flow: Workflow) -> Iterator[str]:
    read = Reader(flow)
    for one in comparisons(flow):
        for other in one.after:
            if read.path(one.key).is_file() and not read.path(other).is_file():
                yield f"{read.path(one.key)} was made from {read.path(other)}, which is gone"


def report(chain: Chain) -> str:
    """Return how many files are sound, and what is wrong with the others."""
    counts = [(kind, str(number)) for kind, number in chain.sound.items()]
    said = [*dict.fromkeys(chain.complaints), ADVICE] if chain.complaints else [SOUND]
    return "\n".join([*aligned([("kind", "sound"), *counts]), "", *said])
