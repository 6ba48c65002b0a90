"""All experiments in tables, for which fragments are read once; and whether the table can be right.

Here and in other rules, what grows with the table is a function, and so is every fingerprint: the
Snakemake of a queued job, which reads all rules, calls only those of its own.
"""

from metaprobe.operations.flow.expected import expected_of_fragments


rule aggregate:
    input:
        lambda wildcards: FLOW.of_experiments(layout.FRAGMENT),
    output:
        target="<results>/target_representations.csv",
        experiments_csv="<results>/experiments.csv",
        experiments="<results>/experiments.parquet",
        replicates="<results>/replicates.parquet",
        curves="<results>/curves.parquet",
    log:
        "<logs>/aggregate/experiments.log",
    benchmark:
        "<logs>/aggregate/experiments.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=lambda wildcards: FLOW.experiments,
        expected=lambda wildcards: expected_of_fragments(FLOW),
        code=lambda wildcards: fingerprint("aggregate"),
    script:
        "../scripts/aggregate.py"


rule compare_configurations:
    input:
        lambda wildcards: FLOW.of_experiments(layout.PREDICTIONS),
    output:
        predictions="<results>/predictions.parquet",
        comparisons="<results>/comparisons.csv",
    log:
        "<logs>/compare_configurations/comparisons.log",
    benchmark:
        "<logs>/compare_configurations/comparisons.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=lambda wildcards: FLOW.experiments,
        code=lambda wildcards: fingerprint("compare_configurations"),
    script:
        "../scripts/compare_configurations.py"


rule check_table:
    input:
        table="<results>/target_representations.csv",
        experiments="<results>/experiments.parquet",
        subsets=lambda wildcards: FLOW.of_datasets(layout.SUBSET),
        basic="<results>/basic_representations.csv",
        basic_parquet="<results>/basic_representations.parquet",
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
        experiments=lambda wildcards: FLOW.experiments,
        configurations=lambda wildcards: FLOW.hyperparameters,
        tasks=lambda wildcards: list(RUN.datasets),
        replicates=RUN.settings.replicates,
        code=lambda wildcards: fingerprint("check_table"),
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
        code=lambda wildcards: fingerprint("validate"),
    script:
        "../scripts/validate.py"
