"""Meta-features of each data set, and the tables of them."""


rule measure_pictures:
    input:
        subset="<results>/subsets/{dataset}.json",
    output:
        "<results>/pictures/{dataset}.safetensors",
    log:
        "<logs>/measure_pictures/{dataset}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{20 * attempt}m",
    params:
        reading=reading,
        transform=lambda wildcards: entry(wildcards)["transform"],
        seed=RUN.settings["seed"],
        code=reading_code("measure_pictures"),
    script:
        "../scripts/measure_pictures.py"


rule describe_dataset:
    input:
        subset="<results>/subsets/{dataset}.json",
        pictures="<results>/pictures/{dataset}.safetensors",
        features=features_of_dataset,
    output:
        "<results>/descriptions/{dataset}.json",
    log:
        "<logs>/describe_dataset/{dataset}.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        architectures=DESCRIBED_BY,
        seed=RUN.settings["seed"],
        code=fingerprint("describe_dataset"),
    script:
        "../scripts/describe_dataset.py"


rule aggregate_descriptions:
    input:
        [f"<results>/descriptions/{task_id}.json" for task_id in RUN.datasets],
    output:
        "<results>/basic_representations.csv",
    log:
        "<logs>/aggregate_descriptions/basic_representations.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        columns=columns(DESCRIBED_BY),
        expected=expected_of_descriptions(),
        code=fingerprint("aggregate_descriptions"),
    script:
        "../scripts/aggregate_descriptions.py"


rule describe_resamples:
    input:
        subset="<results>/subsets/{dataset}.json",
        pictures="<results>/pictures/{dataset}.safetensors",
        features=features_of_dataset,
    output:
        "<results>/resamples/{dataset}.json",
    log:
        "<logs>/describe_resamples/{dataset}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{2 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{2 * attempt}h",
    params:
        architectures=DESCRIBED_BY,
        resamples=RUN.settings["bootstrap_resamples"],
        seed=RUN.settings["seed"],
        code=fingerprint("describe_resamples"),
    script:
        "../scripts/describe_resamples.py"


rule bootstrap:
    input:
        [f"<results>/resamples/{task_id}.json" for task_id in RUN.datasets],
    output:
        "<results>/bootstrap_representations.csv",
    log:
        "<logs>/bootstrap/bootstrap_representations.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        columns=columns(DESCRIBED_BY),
        expected=expected_of_descriptions(),
        resamples=RUN.settings["bootstrap_resamples"],
        code=fingerprint("bootstrap"),
    script:
        "../scripts/bootstrap.py"
