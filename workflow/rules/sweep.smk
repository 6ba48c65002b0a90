"""The whole grid on the cached features: asked for by `snakemake sweep`, no part of `rule all`."""


rule sweep_heads:
    input:
        features=layout.FEATURES,
    output:
        layout.SWEEP,
    log:
        "<logs>/sweep_heads/{dataset}/{architecture}.log",
    benchmark:
        "<logs>/sweep_heads/{dataset}/{architecture}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{2 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{4 * attempt}h",
    params:
        grid={key: values for key, values in RUN.grid.items() if key != "architecture"},
        seed=RUN.settings["seed"],
        code={
            name: fingerprint("sweep_heads", OPTIMIZERS=name)
            for name in RUN.grid["optimizer"]
        },
    script:
        "../scripts/sweep_heads.py"


rule sweep:
    input:
        expand(
            layout.SWEEP,
            dataset=RUN.datasets,
            architecture=RUN.grid["architecture"],
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
        code=fingerprint("sweep"),
    script:
        "../scripts/sweep.py"
