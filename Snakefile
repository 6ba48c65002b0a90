"""metaprobe: image data sets × transfer-learning configurations → the table a meta-learner learns from."""

from os.path import relpath

from snakemake.utils import min_version

min_version("9.25")

# The checkout's own, whatever --directory says.
CONFIG = relpath(f"{workflow.basedir}/config")


configfile: f"{CONFIG}/config.yaml"
configfile: f"{CONFIG}/datasets.yaml"
configfile: f"{CONFIG}/configurations.yaml"
configfile: f"{CONFIG}/grid.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/heads.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/questions.smk"
include: "workflow/rules/recommend.smk"


rule all:
    default_target: True
    input:
        "<results>/target_representations.csv",
        "<results>/basic_representations.csv",
        FOR_META_LEARNERS,
        fragments(),


onstart:
    check_cluster()


onsuccess:
    report_success()
    repeat_warnings()


onerror:
    report_failure()
