"""What can be asked of the workflow, also while a run goes on; only `partial` writes a file."""


rule doctor:
    input:
        beside_a_run,
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
    input:
        beside_a_run,
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


rule plan:
    input:
        beside_a_run,
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        command=lambda wildcards: dry_command(),
        overrides=workflow.config_settings.overwrite_config,
        results=str(RESULTS),
        logs=str(LOGS),
        datasets=RUN.datasets,
        sources=RUN.sources,
        stages={experiment: stages_of(*experiment) for experiment in EXPERIMENTS},
        expected=expected_of_fragments(),
        cores=lambda wildcards: workflow.resource_settings.cores or 1,
    script:
        "../scripts/plan.py"


rule partial:
    input:
        beside_a_run,
    log:
        "<logs>/partial.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        results=str(RESULTS),
        experiments=EXPERIMENTS,
        stages={experiment: stages_of(*experiment) for experiment in EXPERIMENTS},
        licences=licences(),
        expected=expected_of_fragments(),
    script:
        "../scripts/partial.py"


rule verify:
    input:
        beside_a_run,
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
