"""Data sets derived from others: their index files. No backbone runs.

Heads, fragments and descriptions are made of them by the rules of all data sets.
"""


rule derive_subset:
    input:
        parent=of_parent(layout.SUBSET),
    output:
        layout.SUBSET,
    log:
        "<logs>/derive_subset/{dataset}.log",
    benchmark:
        "<logs>/derive_subset/{dataset}.tsv"
    wildcard_constraints:
        dataset=FLOW.derived_pattern,
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        code=lambda wildcards: fingerprint("derive_subset"),
    script:
        "../scripts/derive_subset.py"


rule derive_validation:
    input:
        subset=layout.SUBSET,
        parent=of_parent(layout.SUBSET),
        validation=of_parent(layout.VALIDATION),
    output:
        layout.VALIDATION,
    log:
        "<logs>/derive_validation/{dataset}/{images}.log",
    benchmark:
        "<logs>/derive_validation/{dataset}/{images}.tsv"
    wildcard_constraints:
        dataset=FLOW.derived_pattern,
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=lambda wildcards: fingerprint("derive_validation"),
    script:
        "../scripts/derive_validation.py"


rule select_features:
    input:
        subset=layout.SUBSET,
        features=of_parent(layout.FEATURES),
    output:
        layout.FEATURES,
    log:
        "<logs>/select_features/{dataset}/{architecture}.log",
    benchmark:
        "<logs>/select_features/{dataset}/{architecture}.tsv"
    wildcard_constraints:
        dataset=FLOW.derived_pattern,
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=lambda wildcards: fingerprint("select_features"),
    script:
        "../scripts/select_features.py"


rule select_part:
    input:
        subset=layout.SUBSET,
        part=of_parent(layout.PART),
        validation=lambda wildcards: FLOW.drawn_for(wildcards.dataset, wildcards.part),
    output:
        layout.PART,
    log:
        "<logs>/select_part/{dataset}/{architecture}/{part}.log",
    benchmark:
        "<logs>/select_part/{dataset}/{architecture}/{part}.tsv"
    wildcard_constraints:
        dataset=FLOW.derived_pattern,
    localrule: True
    conda:
        "../../envs/tables.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=lambda wildcards: fingerprint("select_part"),
    script:
        "../scripts/select_part.py"


rule select_pictures:
    input:
        subset=layout.SUBSET,
        parent=of_parent(layout.SUBSET),
        pictures=of_parent(layout.PICTURES),
    output:
        layout.PICTURES,
    log:
        "<logs>/select_pictures/{dataset}.log",
    benchmark:
        "<logs>/select_pictures/{dataset}.tsv"
    wildcard_constraints:
        dataset=FLOW.derived_pattern,
    localrule: True
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        origin=lambda wildcards: FLOW.origin_of(wildcards.dataset),
        reading=lambda wildcards: FLOW.reading(FLOW.origin_of(wildcards.dataset)),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        seed=RUN.settings.seed,
        code=reading_code("select_pictures"),
    script:
        "../scripts/select_pictures.py"
