"""What all rules share: the validated run, the wildcards' values, and the functions of the rules."""

import os
import re
import sys
import time
from pathlib import Path

# The package of this checkout, also for the jobs' scripts, whatever the environment has.
PACKAGE = f"{workflow.basedir}/workflow"
sys.path.insert(0, PACKAGE)
OTHERS = filter(None, [os.environ.get("PYTHONPATH")])
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([PACKAGE, *OTHERS])))


include: "questions.smk"


from metaprobe.config import layout
from metaprobe.config.load import load_run
from metaprobe.core.errors import UserError
from metaprobe.core.files import check_room
from metaprobe.core.fingerprints import fingerprint
from metaprobe.core.signals import stop_as_on_ctrl_c
from metaprobe.operations import snakemake_coupling
from metaprobe.operations.workflow import Workflow

STARTED = time.time()
stop_as_on_ctrl_c()

try:
    check_room(".")
    check_room(workflow.pathvars.apply("<results>"))
    RUN = load_run(config, snakemake_coupling.configuration_files(workflow))
except UserError as error:
    sys.exit(str(error))

FLOW = Workflow(
    RUN, *(Path(workflow.pathvars.apply(name)) for name in ("<results>", "<logs>"))
)


wildcard_constraints:
    source="|".join(map(re.escape, RUN.sources)),
    dataset="|".join(map(re.escape, FLOW.entries)),
    configuration="|".join(map(re.escape, RUN.configurations)),
    architecture="[A-Za-z0-9]+",


def reading_code(script):
    """The fingerprint of a script that opens data sets, for each data set's own reader."""
    return lambda wildcards: fingerprint(
        script, f"data.readers.{FLOW.entries[wildcards.dataset]['kind']}.read"
    )
