"""All experiments in one table, and in richer ones."""


rule aggregate:
    input:
        FLOW.of_experiments(layout.FRAGMENT),
    output:
        "<results>/target_representations.csv",
    log:
        "<logs>/aggregate/target_representations.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=FLOW.experiments,
        expected=FLOW.expected_of_fragments,
        code=fingerprint("aggregate"),
    script:
        "../scripts/aggregate.py"


rule write_experiments:
    input:
        FLOW.of_experiments(layout.FRAGMENT),
    output:
        experiments_csv="<results>/experiments.csv",
        experiments_parquet="<results>/experiments.parquet",
        replicates_parquet="<results>/replicates.parquet",
        curves_parquet="<results>/curves.parquet",
    log:
        "<logs>/write_experiments/experiments.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=FLOW.experiments,
        expected=FLOW.expected_of_fragments,
        code=fingerprint("write_experiments"),
    script:
        "../scripts/write_experiments.py"


rule write_predictions:
    input:
        FLOW.of_experiments(layout.PREDICTIONS),
    output:
        "<results>/predictions.parquet",
    log:
        "<logs>/write_predictions/predictions.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=FLOW.experiments,
        code=fingerprint("write_predictions"),
    script:
        "../scripts/write_predictions.py"


rule compare_configurations:
    input:
        "<results>/predictions.parquet",
    output:
        "<results>/comparisons.csv",
    log:
        "<logs>/compare_configurations/comparisons.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        code=fingerprint("compare_configurations"),
    script:
        "../scripts/compare_configurations.py"
