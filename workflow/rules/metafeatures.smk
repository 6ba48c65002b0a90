"""Meta-features of each data set, and the tables of them."""

from metaprobe.metafeatures.columns import columns
from metaprobe.operations.flow.expected import expected_of_descriptions


rule measure_pictures:
    input:
        subset=layout.SUBSET,
    output:
        layout.PICTURES,
    log:
        "<logs>/measure_pictures/{dataset}.log",
    benchmark:
        "<logs>/measure_pictures/{dataset}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/torch.yaml"
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{20 * attempt}m",
    params:
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        seed=RUN.settings.seed,
        code=reading_code("measure_pictures"),
    script:
        "../scripts/measure_pictures.py"


rule describe_dataset:
    input:
        subset=layout.SUBSET,
        pictures=layout.PICTURES,
        features=lambda wildcards: FLOW.describing(wildcards.dataset),
        indexed=indexed(FLOW.described_from),
    output:
        layout.DESCRIPTION,
    log:
        "<logs>/describe_dataset/{dataset}.log",
    benchmark:
        "<logs>/describe_dataset/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        architectures=FLOW.described_by,
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("describe_dataset"),
    script:
        "../scripts/describe_dataset.py"


rule aggregate_descriptions:
    input:
        lambda wildcards: FLOW.of_datasets(layout.DESCRIPTION),
    output:
        csv="<results>/basic_representations.csv",
        parquet="<results>/basic_representations.parquet",
    log:
        "<logs>/aggregate_descriptions/basic_representations.log",
    benchmark:
        "<logs>/aggregate_descriptions/basic_representations.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        columns=columns(FLOW.described_by, FLOW.expecting),
        expected=lambda wildcards: expected_of_descriptions(FLOW),
        code=lambda wildcards: fingerprint("aggregate_descriptions"),
    script:
        "../scripts/aggregate_descriptions.py"


rule describe_resamples:
    input:
        subset=layout.SUBSET,
        pictures=layout.PICTURES,
        features=lambda wildcards: FLOW.describing(wildcards.dataset),
        indexed=indexed(FLOW.described_from),
    output:
        layout.RESAMPLES,
    log:
        "<logs>/describe_resamples/{dataset}.log",
    benchmark:
        "<logs>/describe_resamples/{dataset}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem=lambda wildcards, attempt: f"{2 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{2 * attempt}h",
    params:
        architectures=FLOW.described_by,
        resamples=RUN.settings.bootstrap_resamples,
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("describe_dataset"),
    script:
        "../scripts/describe_dataset.py"


rule bootstrap:
    input:
        lambda wildcards: FLOW.of_datasets(layout.RESAMPLES),
    output:
        csv="<results>/bootstrap_representations.csv",
        parquet="<results>/bootstrap_representations.parquet",
    log:
        "<logs>/bootstrap/bootstrap_representations.log",
    benchmark:
        "<logs>/bootstrap/bootstrap_representations.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        columns=columns(FLOW.described_by, FLOW.expecting),
        expected=lambda wildcards: expected_of_descriptions(FLOW),
        resamples=RUN.settings.bootstrap_resamples,
        code=lambda wildcards: fingerprint("aggregate_descriptions"),
    script:
        "../scripts/aggregate_descriptions.py"
