"""What all rules share: the validated run, the wildcards' values, and the functions of the rules."""

import re
import sys
import time
from pathlib import Path


include: "checkout.smk"
include: "questions.smk"


from metaprobe.config import layout
from metaprobe.core.errors import UserError
from metaprobe.core.files import check_room, digest_file
from metaprobe.core.fingerprints import fingerprint
from metaprobe.core.signals import stop_as_on_ctrl_c
from metaprobe.operations import snakemake_coupling
from metaprobe.operations.slurm.check import hidden_profile
from metaprobe.operations.flow.workflow import read_workflow

STARTED = time.time()
stop_as_on_ctrl_c()

try:
    FILES = snakemake_coupling.complete(workflow, config, CHECKOUT)
    check_room(".")
    check_room(workflow.pathvars.apply("<results>"))
    FLOW = read_workflow(
        config, FILES, *map(workflow.pathvars.apply, ("<results>", "<logs>"))
    )
    RUN = FLOW.run
except UserError as error:
    sys.exit(str(error))

if workflow.exec_mode.name == "DEFAULT":
    for note in [*RUN.notes, *hidden_profile(sys.argv, Path.cwd())]:
        print(f"note: {note}", file=sys.stderr)


wildcard_constraints:
    source="|".join(map(re.escape, FLOW.sources)),
    dataset="|".join(map(re.escape, FLOW.entries)),
    configuration="|".join(map(re.escape, RUN.configurations)),
    architecture="|".join(map(re.escape, FLOW.extracted)),
    images="[0-9]+",
    part="train|test|[a-z_]+-[0-9]+",
    cut="[a-z0-9_]+[.][a-z0-9]+",


def reading_code(script, **chosen):
    """The fingerprint of a script that opens data sets, for each one's own reader and transform."""

    def code(wildcards):
        entry = FLOW.entries[FLOW.origin_of(wildcards.dataset)]
        reader = f"data.readers.{entry.kind}.read"
        return fingerprint(script, reader, TRANSFORMS=entry.transform, **chosen)

    return code


def of_parent(pattern):
    """A file of the data set that one is derived from."""
    return lambda wildcards: pattern.format(
        **{**wildcards, "dataset": FLOW.origin_of(wildcards.dataset)}
    )


def indexed(files):
    """The files of the data set that one is derived from, of which those of its own are an index."""

    def inputs(wildcards):
        origin = FLOW.origin_of(wildcards.dataset)
        own = origin == wildcards.dataset
        return [] if own else files(**{**wildcards, "dataset": origin})

    return inputs


def own_weights(name):
    """The digest of the user's own file of weights, if it has one and it is there."""
    file = RUN.backbones[name].own_file
    return digest_file(file) if file is not None and file.is_file() else None


def memory(wildcards, attempt):
    """GB of an extraction: of the three, and of others (`python -m benchmarks.every_backbone`)."""
    own = RUN.backbones[wildcards.architecture].preprocessing == "own"
    return f"{(4 if own else 2) * attempt}GB"
