"""Scores of transferability, judged; and advice, judged at equal cost. No part of `rule all`."""

from metaprobe.core.files import digest_file
from metaprobe.report import ARENA


rule read_classifier:
    input:
        weights=lambda wildcards: FLOW.receipt(wildcards.architecture),
    output:
        layout.CLASSIFIER,
    log:
        "<logs>/read_classifier/{architecture}.log",
    benchmark:
        "<logs>/read_classifier/{architecture}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem="4GB",
        runtime="30m",
    params:
        backbone=lambda wildcards: FLOW.backbone(wildcards.architecture),
        weights=RUN.settings.weights,
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("read_classifier"),
    script:
        "../scripts/read_classifier.py"


rule score_backbone:
    input:
        features=layout.FEATURES,
        classifier=layout.CLASSIFIER,
    output:
        layout.SCORES,
    log:
        "<logs>/score_backbone/{dataset}/{architecture}.log",
    benchmark:
        "<logs>/score_backbone/{dataset}/{architecture}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("score_backbone"),
    script:
        "../scripts/score_backbone.py"


rule judge_arena:
    input:
        experiments="<results>/experiments.parquet",
        predictions="<results>/predictions.parquet",
        scores=lambda wildcards: FLOW.of_backbones(layout.SCORES),
    output:
        arena="<results>/arena.csv",
        details="<results>/arena.json",
        advice="<results>/advice_evaluation.csv",
        probes="<results>/probes.parquet",
    log:
        "<logs>/judge_arena/arena.log",
    benchmark:
        "<logs>/judge_arena/arena.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem=lambda wildcards, attempt: f"{3 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("judge_arena"),
    script:
        "../scripts/judge_arena.py"


rule arena:
    input:
        details="<results>/arena.json",
    output:
        page="<results>/arena.html",
        figures=report(
            directory("<results>/arena_figures"),
            patterns=["{figure}.svg"],
            category="Arena",
            labels={"figure": "{figure}"},
        ),
    log:
        "<logs>/arena.log",
    benchmark:
        "<logs>/arena.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        template=[digest_file(path) for path in ARENA],
        code=lambda wildcards: fingerprint("arena"),
    script:
        "../scripts/arena.py"
