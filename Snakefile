"""metaprobe: image data sets × transfer-learning configurations → the table a meta-learner learns from."""

from snakemake.utils import min_version

min_version("9.25")


configfile: "config/config.yaml"
configfile: "config/datasets.yaml"
configfile: "config/configurations.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/heads.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/questions.smk"
include: "workflow/rules/recommend.smk"


rule all:
    default_target: True
    input:
        "<results>/target_representations.csv",
        fragments(),


onsuccess:
    report_success()
    repeat_warnings()


onerror:
    report_failure()
