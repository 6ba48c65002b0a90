"""What can be asked of the workflow; the answers are printed, and nothing is changed."""


rule doctor:
    log:
        "<logs>/doctor.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        datasets=RUN.datasets,
        sources=RUN.sources,
    script:
        "../scripts/doctor.py"


rule status:
    log:
        "<logs>/status.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        stages={experiment: stages_of(*experiment) for experiment in EXPERIMENTS},
        expected=expected_of_fragments(),
    script:
        "../scripts/status.py"


rule verify:
    log:
        "<logs>/verify.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    params:
        processes=lambda wildcards: workflow.resource_settings.cores or 1,
        fragments=str(RESULTS / "metrics"),
        experiments=EXPERIMENTS,
        expected=expected_of_fragments(),
    script:
        "../scripts/verify.py"
