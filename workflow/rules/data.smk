"""From the places data sets come from to the subset of each that experiments see."""


rule download:
    output:
        "<results>/sources/{source}.json",
    log:
        "<logs>/download/{source}.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        provides=lambda wildcards: RUN.sources[wildcards.source].get("provides", {}),
    script:
        "../scripts/download.py"


rule subset_index:
    input:
        manifest=manifest,
    output:
        "<results>/subsets/{dataset}.json",
    log:
        "<logs>/subset_index/{dataset}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{20 * attempt}m",
    params:
        reading=reading,
        sampling=sampling,
        seed=RUN.settings["seed"],
        sizes={part: RUN.settings[f"{part}_images"] for part in ("train", "test")},
        code=reading_code("subset_index"),
    script:
        "../scripts/subset_index.py"
