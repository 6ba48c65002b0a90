"""The head of each experiment, trained on cached features, its fragment and its predictions."""


rule train_head:
    input:
        features=features_of_experiment,
    output:
        "<results>/heads/{dataset}/{configuration}.safetensors",
    log:
        "<logs>/train_head/{dataset}/{configuration}.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="20m",
    params:
        hyperparameters=hyperparameters,
        seed=RUN.settings["seed"],
        replicates=RUN.settings["replicates"],
        code=lambda wildcards: fingerprint(
            "train_head", OPTIMIZERS=hyperparameters(wildcards)["optimizer"]
        ),
    script:
        "../scripts/train_head.py"


rule metrics_json:
    input:
        subset="<results>/subsets/{dataset}.json",
        features=features_of_experiment,
        head="<results>/heads/{dataset}/{configuration}.safetensors",
    output:
        fragment="<results>/metrics/{dataset}/{configuration}.json",
        predictions="<results>/predictions/{dataset}/{configuration}.safetensors",
    log:
        "<logs>/metrics_json/{dataset}/{configuration}.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="5m",
    params:
        hyperparameters=hyperparameters,
        family=lambda wildcards: entry(wildcards).get("family"),
        code=fingerprint("metrics_json"),
    script:
        "../scripts/metrics_json.py"
