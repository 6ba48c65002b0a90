"""The page for people, and its pictures for Snakemake's own report."""

from metaprobe.core.files import digest_file
from metaprobe.report import REPORT


rule report:
    input:
        rules.aggregate.output,
        "<results>/validation.json",
        "<results>/recommendation_evaluation.json",
        "<results>/portfolio.json",
    output:
        page="<results>/report.html",
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.svg"],
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "<logs>/report/report.log",
    benchmark:
        "<logs>/report/report.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        licences=lambda wildcards: FLOW.licences,
        template=[digest_file(path) for path in REPORT],
        code=lambda wildcards: fingerprint("report"),
    script:
        "../scripts/report.py"
