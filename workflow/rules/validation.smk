"""Whether the table can be right: what was found is kept, and an error fails the run."""

from metaprobe.config.model import plain


rule check_table:
    input:
        table="<results>/target_representations.csv",
        subsets=FLOW.of_datasets(layout.SUBSET),
        basic="<results>/basic_representations.csv",
    output:
        "<results>/validation.json",
    log:
        "<logs>/check_table/validation.log",
    benchmark:
        "<logs>/check_table/validation.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=FLOW.experiments,
        configurations=plain(RUN.configurations),
        tasks=list(RUN.datasets),
        replicates=RUN.settings.replicates,
        code=fingerprint("check_table"),
    script:
        "../scripts/check_table.py"


rule validate:
    input:
        "<results>/validation.json",
    output:
        "<results>/validation.txt",
    log:
        "<logs>/validate/validation.log",
    benchmark:
        "<logs>/validate/validation.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        code=fingerprint("validate"),
    script:
        "../scripts/validate.py"
