"""The head of each experiment, its fragment and its predictions; and the sweep, no part of `rule all`."""


rule train_head:
    input:
        features=lambda wildcards: FLOW.features_of(**wildcards),
        validation=lambda wildcards: FLOW.parts_of(**wildcards).validation,
        views=lambda wildcards: FLOW.parts_of(**wildcards).views,
        indexed=indexed(FLOW.trained_on),
    output:
        layout.HEAD,
    log:
        "<logs>/train_head/{dataset}/{configuration}.log",
    benchmark:
        "<logs>/train_head/{dataset}/{configuration}.tsv"
    wildcard_constraints:
        configuration=FLOW.untuned_pattern,
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        hyperparameters=lambda wildcards: FLOW.hyperparameters[wildcards.configuration],
        seed=RUN.settings.seed,
        replicates=RUN.settings.replicates,
        code=lambda wildcards: fingerprint(
            "train_head",
            OPTIMIZERS=RUN.configurations[wildcards.configuration].optimizer,
        ),
    script:
        "../scripts/train_head.py"


rule metrics_json:
    input:
        subset=layout.SUBSET,
        head=layout.HEAD,
        validation=lambda wildcards: FLOW.validation_of(**wildcards),
    output:
        fragment=layout.FRAGMENT,
        predictions=layout.PREDICTIONS,
    log:
        "<logs>/metrics_json/{dataset}/{configuration}.log",
    benchmark:
        "<logs>/metrics_json/{dataset}/{configuration}.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        hyperparameters=lambda wildcards: FLOW.hyperparameters[wildcards.configuration],
        family=lambda wildcards: FLOW.entries[wildcards.dataset].family,
        code=fingerprint("metrics_json"),
    script:
        "../scripts/metrics_json.py"


rule sweep_heads:
    input:
        features=layout.FEATURES,
        validation=lambda wildcards: FLOW.validation_of_grid(**wildcards),
        indexed=indexed(FLOW.swept_on),
    output:
        layout.SWEEP,
    log:
        "<logs>/sweep_heads/{dataset}/{architecture}.log",
    benchmark:
        "<logs>/sweep_heads/{dataset}/{architecture}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem=lambda wildcards, attempt: f"{2 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{4 * attempt}h",
    params:
        grid=lambda wildcards: RUN.grid.parameters()
        | {"architecture": [wildcards.architecture]},
        seed=RUN.settings.seed,
        code=lambda wildcards: {
            name: fingerprint("sweep_heads", OPTIMIZERS=name)
            for name in (RUN.grid.optimizer if RUN.grid else [])
        },
    script:
        "../scripts/sweep_heads.py"


rule sweep:
    input:
        lambda wildcards: expand(
            layout.SWEEP,
            dataset=RUN.datasets,
            architecture=RUN.grid.architecture if RUN.grid else [],
        ),
    output:
        "<results>/sweep.parquet",
    log:
        "<logs>/sweep.log",
    benchmark:
        "<logs>/sweep.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        code=lambda wildcards: fingerprint("sweep"),
    script:
        "../scripts/sweep.py"
