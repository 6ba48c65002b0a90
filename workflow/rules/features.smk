"""One pass of each frozen backbone over each subset."""


rule fetch_weights:
    output:
        layout.WEIGHTS,
    log:
        "<logs>/fetch_weights/{architecture}.log",
    benchmark:
        "<logs>/fetch_weights/{architecture}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        backbone=lambda wildcards: FLOW.backbone(wildcards.architecture),
        own=lambda wildcards: own_weights(wildcards.architecture),
        code=lambda wildcards: fingerprint("fetch_weights"),
    script:
        "../scripts/fetch_weights.py"


rule extract_part:
    input:
        subset=layout.SUBSET,
        weights=lambda wildcards: FLOW.receipt(wildcards.architecture),
        validation=lambda wildcards: FLOW.drawn_for(wildcards.dataset, wildcards.part),
    output:
        layout.PART,
    log:
        "<logs>/extract_part/{dataset}/{architecture}/{part}.log",
    benchmark:
        "<logs>/extract_part/{dataset}/{architecture}/{part}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=memory,
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        backbone=lambda wildcards: FLOW.backbone(wildcards.architecture),
        weights=RUN.settings.weights,
        seed=RUN.settings.seed,
        engine=RUN.settings.engine,
        precision=RUN.settings.precision,
        code=reading_code("extract_features", ENGINES=RUN.settings.engine),
    script:
        "../scripts/extract_features.py"


rule extract_features:
    input:
        subset=layout.SUBSET,
        weights=lambda wildcards: FLOW.receipt(wildcards.architecture),
    output:
        layout.FEATURES,
    log:
        "<logs>/extract_features/{dataset}/{architecture}.log",
    benchmark:
        "<logs>/extract_features/{dataset}/{architecture}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=memory,
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        backbone=lambda wildcards: FLOW.backbone(wildcards.architecture),
        weights=RUN.settings.weights,
        seed=RUN.settings.seed,
        engine=RUN.settings.engine,
        precision=RUN.settings.precision,
        code=reading_code("extract_features", ENGINES=RUN.settings.engine),
    script:
        "../scripts/extract_features.py"
