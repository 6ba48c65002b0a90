"""A model to take away: the whole network of one experiment, and the programs that go with it."""

from metaprobe.export import PROGRAMS
from metaprobe.operations.flow.targets import model_files


rule export_model:
    input:
        subset=layout.SUBSET,
        weights=lambda wildcards: FLOW.receipt(FLOW.architecture_of(**wildcards)),
        head=layout.HEAD,
        fragment=layout.FRAGMENT,
        predictions=layout.PREDICTIONS,
    output:
        *[f"{layout.MODEL}/{name}" for name in layout.MODEL_FILES[:-1]],
        card=f"{layout.MODEL}/{layout.MODEL_FILES[-1]}",
    log:
        "<logs>/export_model/{dataset}/{configuration}.log",
    benchmark:
        "<logs>/export_model/{dataset}/{configuration}.tsv"
    wildcard_constraints:
        dataset=FLOW.opened_pattern,
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem=lambda wildcards, attempt: f"{4 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        hyperparameters=lambda wildcards: FLOW.hyperparameters[wildcards.configuration],
        reading=lambda wildcards: FLOW.reading(wildcards.dataset),
        transform=lambda wildcards: FLOW.entries[wildcards.dataset].transform,
        backbone=lambda wildcards: FLOW.backbone(FLOW.architecture_of(**wildcards)),
        licence=lambda wildcards: RUN.backbones[
            FLOW.architecture_of(**wildcards)
        ].licence,
        weights=RUN.settings.weights,
        seed=RUN.settings.seed,
        programs=lambda wildcards: [*map(digest_file, PROGRAMS)],
        code=reading_code("export_model"),
    script:
        "../scripts/export_model.py"


rule fit:
    input:
        lambda wildcards: model_files(FLOW),
    log:
        "<logs>/fit.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    script:
        "../scripts/fit.py"
