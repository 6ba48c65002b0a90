"""All experiments in tables; fragments are read here, and nowhere after."""


rule aggregate:
    input:
        FLOW.of_experiments(layout.FRAGMENT),
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
        experiments=FLOW.experiments,
        expected=FLOW.expected_of_fragments,
        code=fingerprint("aggregate"),
    script:
        "../scripts/aggregate.py"


rule compare_configurations:
    input:
        FLOW.of_experiments(layout.PREDICTIONS),
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
        experiments=FLOW.experiments,
        code=fingerprint("compare_configurations"),
    script:
        "../scripts/compare_configurations.py"
