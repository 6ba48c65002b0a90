"""More of the network than its head: what enters the trained blocks is kept while it is needed.

The output that Snakemake knows is a small receipt; the array lies beside it, is deleted after its last
use, and is computed again by a job that misses it. So a recipe that is added trains no other again.
"""


rule cache_activations:
    input:
        subset=layout.SUBSET,
        weights=lambda wildcards: FLOW.receipt(wildcards.architecture),
        validation=lambda wildcards: FLOW.drawn_for(wildcards.dataset, wildcards.part),
    output:
        layout.ACTIVATIONS,
    log:
        "<logs>/cache_activations/{dataset}/{architecture}/{cut}/{part}.log",
    benchmark:
        "<logs>/cache_activations/{dataset}/{architecture}/{cut}/{part}.tsv"
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
        code=reading_code("cache_activations"),
    script:
        "../scripts/cache_activations.py"


rule tune_blocks:
    input:
        subset=layout.SUBSET,
        weights=lambda wildcards: FLOW.receipt(FLOW.architecture_of(**wildcards)),
        features=lambda wildcards: FLOW.features_of(**wildcards),
        validation=lambda wildcards: FLOW.validation_of(**wildcards),
        activations=lambda wildcards: FLOW.activations_of(**wildcards),
    output:
        layout.HEAD,
    log:
        "<logs>/tune_blocks/{dataset}/{configuration}.log",
    benchmark:
        "<logs>/tune_blocks/{dataset}/{configuration}.tsv"
    wildcard_constraints:
        configuration=FLOW.tuned_pattern,
    # What it reads takes room until it has run.
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{FLOW.tuning_gb(**wildcards) * attempt}GB",
        runtime=lambda wildcards, attempt: f"{12 * attempt}h",
    params:
        hyperparameters=lambda wildcards: FLOW.hyperparameters[wildcards.configuration],
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        backbone=lambda wildcards: FLOW.backbone(FLOW.architecture_of(**wildcards)),
        weights=RUN.settings.weights,
        seed=RUN.settings.seed,
        replicates=RUN.settings.replicates,
        code=lambda wildcards: fingerprint("tune_blocks"),
    script:
        "../scripts/tune_blocks.py"
