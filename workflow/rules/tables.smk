"""All fragments in one table."""


rule aggregate:
    input:
        fragments(),
    output:
        "<results>/target_representations.csv",
    log:
        "<logs>/aggregate/target_representations.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        experiments=EXPERIMENTS,
        expected=expected_of_fragments(),
        code=fingerprint("aggregate"),
    script:
        "../scripts/aggregate.py"
