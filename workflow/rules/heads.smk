"""The head of each experiment, trained on cached features, its fragment and its predictions."""


rule train_head:
    input:
        features=lambda wildcards: FLOW.features_of(**wildcards),
    output:
        layout.HEAD,
    log:
        "<logs>/train_head/{dataset}/{configuration}.log",
    benchmark:
        "<logs>/train_head/{dataset}/{configuration}.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="20m",
    params:
        hyperparameters=lambda wildcards: RUN.configurations[wildcards.configuration],
        seed=RUN.settings["seed"],
        replicates=RUN.settings["replicates"],
        code=lambda wildcards: fingerprint(
            "train_head",
            OPTIMIZERS=RUN.configurations[wildcards.configuration]["optimizer"],
        ),
    script:
        "../scripts/train_head.py"


rule metrics_json:
    input:
        subset=layout.SUBSET,
        features=lambda wildcards: FLOW.features_of(**wildcards),
        head=layout.HEAD,
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
    threads: 1
    resources:
        mem="1GB",
        runtime="5m",
    params:
        hyperparameters=lambda wildcards: RUN.configurations[wildcards.configuration],
        family=lambda wildcards: FLOW.entries[wildcards.dataset].get("family"),
        code=fingerprint("metrics_json"),
    script:
        "../scripts/metrics_json.py"
