"""metaprobe: image data sets × transfer-learning configurations → the table a meta-learner learns from."""

from os.path import relpath

from snakemake.utils import min_version

min_version("9.25")

# The checkout's own, whatever --directory says.
CONFIG = relpath(f"{workflow.basedir}/config")


for name in "config", "datasets", "configurations", "grid":

    configfile: f"{CONFIG}/{name}.yaml"


for stage in "common data features heads describe tables sweep questions".split():

    include: f"workflow/rules/{stage}.smk"


rule all:
    default_target: True
    input:
        "<results>/target_representations.csv",
        "<results>/basic_representations.csv",
        fragments(),


onstart:
    check_cluster()


onsuccess:
    report_success()


onerror:
    report_failure()
