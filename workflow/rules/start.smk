"""What comes before Snakemake reads a configuration file: the package, questions, a look at the files."""

import os
import sys

# The package of this checkout, also for the jobs' scripts, whatever the environment has.
PACKAGE = f"{workflow.basedir}/workflow"
sys.path.insert(0, PACKAGE)
OTHERS = filter(None, [os.environ.get("PYTHONPATH")])
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([PACKAGE, *OTHERS])))


include: "questions.smk"


from metaprobe.config.load import check_before_snakemake
from metaprobe.core.errors import UserError

try:
    check_before_snakemake(CONFIGURATION_FILES)
except UserError as error:
    sys.exit(str(error))
