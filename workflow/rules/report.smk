"""The page for people, and its pictures for Snakemake's own report."""


rule report:
    input:
        FLOW.of_experiments(layout.FRAGMENT),
        "<results>/validation.json",
        "<results>/recommendation_evaluation.json",
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
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        stages=FLOW.stages,
        expected=FLOW.expected_of_fragments,
        licences=FLOW.licences,
        code=fingerprint("report"),
    script:
        "../scripts/report.py"
