"""metaprobe: image data sets × transfer-learning configurations → the table a meta-learner learns from."""

from snakemake.utils import min_version

min_version("9.25")

ROOMS = """data features derived training tuning metafeatures tables export recommend arena
    report"""

for room in f"common inputs {ROOMS} handlers".split():

    include: f"workflow/rules/{room}.smk"


rule all:
    default_target: True
    input:
        rules.aggregate.output,
        "<results>/basic_representations.csv",
        "<results>/validation.txt",
        rules.compare_configurations.output,
        FOR_META_LEARNERS,
        "<results>/report.html",
        lambda wildcards: FLOW.of_experiments(layout.FRAGMENT),
