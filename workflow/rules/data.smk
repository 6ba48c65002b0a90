"""From the places data sets come from to the subset of each that experiments see."""


rule download:
    output:
        layout.SOURCE,
    log:
        "<logs>/download/{source}.log",
    benchmark:
        "<logs>/download/{source}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        provides=lambda wildcards: FLOW.provides(wildcards.source),
    script:
        "../scripts/download.py"


rule subset_index:
    input:
        manifest=manifest,
    output:
        layout.SUBSET,
    log:
        "<logs>/subset_index/{dataset}.log",
    benchmark:
        "<logs>/subset_index/{dataset}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{20 * attempt}m",
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        sampling=lambda wildcards: FLOW.sampling_of(wildcards.dataset),
        seed=RUN.settings.seed,
        sizes=FLOW.sizes,
        code=reading_code("subset_index"),
    script:
        "../scripts/subset_index.py"


rule draw_validation:
    input:
        subset=layout.SUBSET,
    output:
        layout.VALIDATION,
    log:
        "<logs>/draw_validation/{dataset}/{images}.log",
    benchmark:
        "<logs>/draw_validation/{dataset}/{images}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{20 * attempt}m",
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        code=reading_code("draw_validation"),
    script:
        "../scripts/draw_validation.py"
