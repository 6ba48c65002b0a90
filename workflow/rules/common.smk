"""What all rules share: the validated run, the wildcards' values, and the functions of the rules."""

import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

# The package of this checkout, also for the jobs' scripts, whatever the environment has.
PACKAGE = f"{workflow.basedir}/workflow"
sys.path.insert(0, PACKAGE)
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])])
)

from metaprobe.config.backbones import BACKBONES
from metaprobe.config import load as configuration_files
from metaprobe.core import jobs
from metaprobe.core.errors import UserError
from metaprobe.core.files import check_room
from metaprobe.core.fingerprints import fingerprint
from metaprobe.core.signals import stop_as_on_ctrl_c
from metaprobe.data import dataset as datasets
from metaprobe.features.backbones import weights_id
from metaprobe.metafeatures.columns import columns
from metaprobe.operations import costs, progress
from metaprobe.operations.slurm import check_slurm
from metaprobe.tables import partial as partial_table

STARTED = time.time()
stop_as_on_ctrl_c()


def files_by_precedence():
    """The configuration files, those of the command line last, as they override the others."""
    given = [str(file) for file in workflow.overwrite_configfiles]
    return [f for f in map(str, workflow.configfiles) if f not in given] + given


try:
    check_room(".")
    check_room(workflow.pathvars.apply("<results>"))
    RUN = configuration_files.load_run(config, files_by_precedence())
except UserError as error:
    sys.exit(str(error))

RESULTS = Path(workflow.pathvars.apply("<results>"))
LOGS = Path(workflow.pathvars.apply("<logs>"))
DATA = Path(RUN.settings["data"]).expanduser()
QUESTIONS = ("doctor", "plan", "status", "partial", "verify")
EXPERIMENTS = [
    (task_id, name) for task_id in RUN.datasets for name in RUN.configurations
]
DESCRIBED_BY = [
    name
    for name in BACKBONES
    if name in {c["architecture"] for c in RUN.configurations.values()}
]
NOT_READ = ("family", "images", "licence", "note", "sampling", "source", "transform")
NEW = next(iter(RUN.new), None)
ENTRIES = RUN.datasets | RUN.new


wildcard_constraints:
    source="|".join(map(re.escape, RUN.sources)),
    dataset="|".join(map(re.escape, ENTRIES)),
    configuration="|".join(map(re.escape, RUN.configurations)),
    architecture="[A-Za-z0-9]+",


def fragments():
    return [f"<results>/metrics/{task_id}/{name}.json" for task_id, name in EXPERIMENTS]


def predictions():
    return [
        f"<results>/predictions/{task_id}/{name}.safetensors"
        for task_id, name in EXPERIMENTS
    ]


def entry(wildcards):
    return ENTRIES[wildcards.dataset]


def reading(wildcards):
    """Of a data set's entry, what decides which labels and pixels are read; of a path outside the
    data folder its last part, as the same folder may lie elsewhere on another machine; but all of
    a new data set's, as two may have one name.
    """
    read = {
        key: value for key, value in entry(wildcards).items() if key not in NOT_READ
    }
    outside = Path(read.get("path", "")).expanduser().is_absolute()
    if outside and wildcards.dataset != NEW:
        read["path"] = Path(read["path"]).name
    return json.loads(json.dumps(read, sort_keys=True))


def reading_code(script, **chosen):
    """The fingerprint of a script that opens data sets, for each one's own reader and transform."""
    return lambda wildcards: fingerprint(
        script,
        f"data.readers.{entry(wildcards)['kind']}.read",
        TRANSFORMS=entry(wildcards)["transform"],
        **chosen,
    )


def manifest(wildcards):
    """The manifest of the source a data set is read from; none for data the user has put there."""
    source = source_of(wildcards.dataset)
    return f"<results>/sources/{source}.json" if source else []


def source_of(task_id):
    """What must be fetched for a data set; None for data the user has put there."""
    dataset = ENTRIES[task_id]
    brought = dataset.get("partial") or datasets.has_tree(task_id, dataset, DATA)
    return None if brought else dataset.get("source")


def sampling_of(task_id):
    return ENTRIES[task_id].get("sampling", RUN.settings["sampling"])


def sampling(wildcards):
    return sampling_of(wildcards.dataset)


def stages_of(task_id, name):
    """The jobs that an experiment needs, first to last: (log, output)."""
    architecture = RUN.configurations[name]["architecture"]
    source = source_of(task_id)
    of_both = f"{task_id}/{architecture}"
    fetched = RUN.settings["weights"] == "imagenet"
    stages = [
        *([("download", source, "sources", ".json")] if source else ()),
        ("subset_index", task_id, "subsets", ".json"),
        *([("fetch_weights", architecture, "weights", ".json")] if fetched else ()),
        ("extract_features", of_both, "features", ".safetensors"),
        ("train_head", f"{task_id}/{name}", "heads", ".safetensors"),
        ("metrics_json", f"{task_id}/{name}", "metrics", ".json"),
    ]
    return [
        (f"{LOGS}/{rule}/{stem}.log", f"{RESULTS}/{folder}/{stem}{ending}")
        for rule, stem, folder, ending in stages
    ]


def expected_of_fragments():
    """What the fragment of each experiment says if it is of this run and not of an earlier one."""
    seed, weights = RUN.settings["seed"], RUN.settings["weights"]
    return {
        (task_id, name): {
            **RUN.configurations[name],
            **{
                key: RUN.settings[key]
                for key in ("seed", "engine", "precision", "replicates")
            },
            "sampling": sampling_of(task_id),
            "weights": weights_id(
                BACKBONES[RUN.configurations[name]["architecture"]], weights, seed
            ),
        }
        for task_id, name in EXPERIMENTS
    }


def licences():
    return {
        task_id: dataset["licence"]
        for task_id, dataset in RUN.datasets.items()
        if "licence" in dataset
    }


def weights_receipt(wildcards):
    if RUN.settings["weights"] == "imagenet":
        return f"<results>/weights/{wildcards.architecture}.json"
    return []


def ranked_for_new_dataset(wildcards):
    if NEW is None:
        sys.exit(
            "recommend for which? Add --config new_dataset=<folder of class folders>"
        )
    if not any(Path(RESULTS, "metrics").glob("*/*.json")):
        sys.exit(
            "recommend: there is no finished experiment to learn from yet: start the run first"
            " (snakemake --cores 4)"
        )
    return f"<results>/recommendations/{NEW}.json"


def hyperparameters(wildcards):
    return RUN.configurations[wildcards.configuration]


def features_of_experiment(wildcards):
    architecture = hyperparameters(wildcards)["architecture"]
    return f"<results>/features/{wildcards.dataset}/{architecture}.safetensors"


def only_asked():
    """Whether the run is for answers alone."""
    targets = set(workflow.dag_settings.targets)
    return bool(targets) and targets <= set(QUESTIONS)


def beside_a_run(wildcards):
    """No file; but a question keeps its hands off the lock, as a run may be going on: Snakemake
    deletes the locks of all when it has finished a job that needs and makes no file.
    """
    if only_asked():
        workflow.persistence.lock = workflow.persistence.noop
    return []


def dry_command():
    """Snakemake with the options that decide what would run."""
    triggers = map(str, workflow.dag_settings.rerun_triggers)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    command += [
        "--snakefile",
        str(workflow.main_snakefile),
        "--workflow-profile",
        "none",
    ]
    return [*command, "--rerun-incomplete", "--rerun-triggers", *sorted(triggers)]


def asked_for_experiments():
    """Whether the run was for the table, and not for the sweep or an answer alone."""
    targets = set(workflow.dag_settings.targets)
    return not targets or not targets <= {"sweep", *QUESTIONS}


def features_of_dataset(wildcards):
    return [
        f"<results>/features/{wildcards.dataset}/{name}.safetensors"
        for name in DESCRIBED_BY
    ]


def expected_of_descriptions():
    """What the description of each data set says if it is of this run and not of an earlier one."""
    seed, weights = RUN.settings["seed"], RUN.settings["weights"]
    ids = {name: weights_id(BACKBONES[name], weights, seed) for name in DESCRIBED_BY}
    return {
        task_id: {"seed": seed, "sampling": sampling_of(task_id), "weights": ids}
        for task_id in RUN.datasets
    }
